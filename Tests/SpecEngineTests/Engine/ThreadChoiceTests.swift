// How many threads are chosen on machines whose /sys and /proc were written down: their layout, not their every file.

import Testing

@testable import SpecEngine

@Suite("Choice of threads")
struct ThreadChoiceTests {
    /// A machine as files: `cores` lists the CPUs of each core and their speed.
    private func machine(
        cores: [(cpus: [Int], speed: Int)], speedFile: String = "cpufreq/cpuinfo_max_freq", load: Double = 0,
        allowed: String? = nil, changes: [String: String] = [:]
    ) -> ProcessorTopology {
        let count = cores.flatMap(\.cpus).count
        var files = [
            "/sys/devices/system/cpu/online": "0-\(count - 1)\n",
            "/proc/self/status":
                "Name:\tforetoken\nCpus_allowed_list:\t\(allowed ?? "0-\(count - 1)")\nThreads:\t1\n",
            "/proc/loadavg": "\(load) 0.20 0.18 1/80 11206\n", "/proc/self/cgroup": "0::/\n",
        ]
        for core in cores {
            for cpu in core.cpus {
                let folder = "/sys/devices/system/cpu/cpu\(cpu)/"
                files[folder + "topology/core_cpus_list"] =
                    core.cpus.map(String.init).joined(separator: ",") + "\n"
                files[folder + speedFile] = "\(core.speed)\n"
            }
        }
        files.merge(changes) { $1 }
        return ProcessorTopology { files[$0] }
    }

    /// Eight cores with two threads each.
    private var desktop: [(cpus: [Int], speed: Int)] { (0..<8).map { ([$0, $0 + 8], 5_050_000) } }

    @Test("Performance cores less one, whatever their hardware threads, and efficiency cores are left alone")
    func layouts() {
        #expect(ThreadChoice(for: machine(cores: desktop)).count == 7)
        // Six performance cores, two of them a little faster, and eight efficiency cores.
        let hybrid =
            (0..<6).map { ([2 * $0, 2 * $0 + 1], $0 < 2 ? 5_200_000 : 5_000_000) }
            + (12..<20).map { ([$0], 3_800_000) }
        let choice = ThreadChoice(for: machine(cores: hybrid))
        #expect(choice.count == 5)
        #expect(
            choice.reason
                == "6 performance cores of 14 cores with 20 hardware threads, one is left for other work")
        let arm = (0..<4).map { ([$0], 446) } + (4..<8).map { ([$0], 1_024) }
        #expect(ThreadChoice(for: machine(cores: arm, speedFile: "cpu_capacity")).count == 3)
        #expect(ThreadChoice(for: machine(cores: (0..<32).map { ([$0], 3_000_000) })).count == 8)
    }

    @Test("Two where there are two, even on one core; one where there is one")
    func small() {
        #expect(ThreadChoice(for: machine(cores: [([0], 0), ([1], 0)])).count == 2)
        #expect(ThreadChoice(for: machine(cores: [([0, 1], 0)])).count == 2)
        #expect(ThreadChoice(for: machine(cores: [([0], 1), ([1], 1)], load: 9)).count == 2)
        #expect(ThreadChoice(for: machine(cores: [([0], 0)])).count == 1)
        #expect(ThreadChoice(for: machine(cores: (0..<3).map { ([$0], 1) })).count == 2)
        // A system that tells nothing.
        #expect(ThreadChoice(for: ProcessorTopology { _ in nil }).count == 1)
        let bare = ThreadChoice(
            for: ProcessorTopology { $0 == "/sys/devices/system/cpu/online" ? "0-3\n" : nil })
        #expect(bare.count == 3)
    }

    @Test("Fewer where the machine is busy, but two")
    func busy() {
        #expect(ThreadChoice(for: machine(cores: desktop, load: 0.9)).count == 7)
        let half = ThreadChoice(for: machine(cores: desktop, load: 8))
        #expect(half.count == 4 && half.reason.hasSuffix("50 % of the machine is busy"))
        #expect(ThreadChoice(for: machine(cores: desktop, load: 40)).count == 2)
    }

    @Test("No more than the affinity mask and the control groups allow")
    func limits() {
        #expect(ThreadChoice(for: machine(cores: desktop, allowed: "0-3,8-11")).count == 3)
        #expect(ThreadChoice(for: machine(cores: desktop, allowed: "3,11")).count == 2)
        func limited(_ files: [String: String]) -> Int {
            ThreadChoice(for: machine(cores: desktop, changes: files)).count
        }
        #expect(limited(["/sys/fs/cgroup/cpu.max": "max 100000\n"]) == 7)
        #expect(limited(["/sys/fs/cgroup/cpu.max": "350000 100000\n"]) == 3)
        #expect(limited(["/sys/fs/cgroup/cpu.max": "50000 100000\n"]) == 1)
        // A group inside a limited one.
        #expect(
            limited([
                "/proc/self/cgroup": "0::/user.slice/a.scope\n",
                "/sys/fs/cgroup/user.slice/cpu.max": "200000 100000\n",
                "/sys/fs/cgroup/user.slice/a.scope/cpu.max": "max 100000\n",
            ]) == 2)
        // Version 1.
        #expect(
            limited([
                "/proc/self/cgroup": "4:memory:/\n3:cpu,cpuacct:/box\n",
                "/sys/fs/cgroup/cpu/box/cpu.cfs_quota_us": "400000\n",
                "/sys/fs/cgroup/cpu/box/cpu.cfs_period_us": "100000\n",
                "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            ]) == 4)
    }

    @Test("This machine gives a number within the limits")
    func current() {
        let choice = ThreadChoice.automatic
        #expect(EngineLimits.threadCounts.contains(choice.count) && !choice.reason.isEmpty)
        #expect(choice.count <= max(1, EngineOptions.availableCoreCount))
    }
}
