// What Linux says about the processors that this process may use: which share a core, which cores are fast, how much of
// them a container grants, and how busy they are. Reading text only; what follows from it is ThreadChoice's business.

#if canImport(Glibc)
    import Glibc
#endif

/// The processors of this process, as /sys and /proc show them. What a system does not tell is left at its plainest.
struct ProcessorTopology: Equatable, Sendable {
    /// One CPU as the scheduler counts them: a hardware thread.
    struct Processor: Equatable, Sendable {
        let number: Int
        /// The CPUs of the same core, its own number included; the same text for all of them.
        let core: String
        /// Relative speed: the scheduler's capacity, else the greatest frequency; 0 where neither is known.
        let speed: Int
    }

    /// Those that the affinity mask allows, in ascending order.
    var processors: [Processor]
    /// CPUs of the whole machine that are switched on.
    var onlineCount: Int
    /// CPUs' worth of time that control groups grant; nil where they set no limit.
    var quota: Double?
    /// Runnable threads, averaged over a minute, of the whole machine.
    var load: Double

    /// Reads a machine through `file`, which gives the text at an absolute path, nil where there is none.
    init(file: (String) -> String?) {
        let online = Self.numbers(file("/sys/devices/system/cpu/online"))
        let allowed = file("/proc/self/status").flatMap { Self.value(of: "Cpus_allowed_list", in: $0) }
        let mask = Self.numbers(allowed)
        let usable = online.isEmpty ? mask : mask.isEmpty ? online : online.filter(Set(mask).contains)
        onlineCount = max(1, online.count, usable.count)
        processors = usable.map { number in
            let folder = "/sys/devices/system/cpu/cpu\(number)/"
            let siblings =
                file(folder + "topology/core_cpus_list") ?? file(folder + "topology/thread_siblings_list")
            let speed = file(folder + "cpu_capacity") ?? file(folder + "cpufreq/cpuinfo_max_freq")
            return Processor(
                number: number, core: siblings.map(Self.trimmed) ?? "\(number)",
                speed: speed.flatMap { Int(Self.trimmed($0)) } ?? 0)
        }
        quota = Self.quota(file)
        load = file("/proc/loadavg").flatMap { Double($0.prefix { $0 != " " }) } ?? 0
    }

    /// This machine, now.
    static func current() -> ProcessorTopology { ProcessorTopology(file: Self.text(at:)) }

    // MARK: Texts

    /// A list such as `0-3,8`, at most `maximumCount` numbers of it.
    private static func numbers(_ text: String?) -> [Int] {
        var result: [Int] = []
        for part in (text.map(trimmed) ?? "").split(separator: ",") {
            let ends = part.split(separator: "-").map { Int($0) }
            guard let first = ends.first ?? nil, let last = ends.last ?? nil, first >= 0, first <= last,
                last < maximumNumber
            else { continue }
            result += first...last
        }
        return Array(Set(result)).sorted()
    }

    /// More CPUs than Linux can be built for.
    private static let maximumNumber = 1 << 16

    /// The least of the limits of the process's control group and of those around it.
    private static func quota(_ file: (String) -> String?) -> Double? {
        var limits: [Double] = []
        for line in (file("/proc/self/cgroup") ?? "").split(separator: "\n") {
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { continue }
            let isUnified = fields[0] == "0" && fields[1].isEmpty
            guard isUnified || fields[1].split(separator: ",").contains("cpu") else { continue }
            // Inside a container the path may be the host's; the group's own files are then at the top.
            var path = fields[2] == "/" ? "" : String(fields[2])
            while true {
                limits += isUnified ? limit(file("/sys/fs/cgroup\(path)/cpu.max")) : oldLimit(file, path)
                guard let slash = path.lastIndex(of: "/") else { break }
                path = String(path[..<slash])
            }
        }
        return limits.min()
    }

    /// `150000 100000`: microseconds granted in each period. `max` grants all.
    private static func limit(_ text: String?) -> [Double] {
        let parts = (text.map(trimmed) ?? "").split(separator: " ").map { Double($0) }
        guard parts.count == 2, let granted = parts[0], let period = parts[1], granted > 0, period > 0 else {
            return []
        }
        return [granted / period]
    }

    /// Version 1 of control groups: two files, -1 for no limit.
    private static func oldLimit(_ file: (String) -> String?, _ path: String) -> [Double] {
        let folder = "/sys/fs/cgroup/cpu\(path)/cpu.cfs_"
        guard let granted = file(folder + "quota_us"), let period = file(folder + "period_us") else {
            return []
        }
        return limit(trimmed(granted) + " " + trimmed(period))
    }

    private static func value(of key: String, in text: String) -> String? {
        for line in text.split(separator: "\n") where line.hasPrefix(key + ":") {
            return trimmed(String(line.dropFirst(key.count + 1)))
        }
        return nil
    }

    private static func trimmed(_ text: String) -> String {
        let isBlank = { (character: Character) in character.isWhitespace }
        return String(text.drop(while: isBlank).reversed().drop(while: isBlank).reversed())
    }

    /// The beginning of a small file; everything read here is far below the bound.
    private static func text(at path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 1 << 14)
        let count = read(descriptor, &bytes, bytes.count)
        return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
    }
}
