// How many threads compute when nobody says. A pure function of what the machine shows, with its reason in words.

/// A number of threads and why.
package struct ThreadChoice: Equatable, Sendable {
    package let count: Int
    /// In words, such as `7 of 8 performance cores, one is left for other work`.
    package let reason: String

    /// Cores at least this fast, relative to the fastest, are performance cores: between those of one kind (a few
    /// per cent of turbo apart) and the other kind (efficiency cores run at two thirds and less).
    static let performanceShare = 0.8
    /// A small model is bound by memory long before.
    static let maximumCount = 8

    /// This machine as it was when first asked; not asked again, so that all parts of a run agree.
    package static let automatic = ThreadChoice(for: .current())

    /// The physical performance cores, less one for the editor where there are more than two, less those that are busy;
    /// but two where there are two CPUs, and never more than a container grants.
    init(for machine: ProcessorTopology) {
        let available = max(1, machine.processors.count)
        let fastest = machine.processors.map(\.speed).max() ?? 0
        let fast = machine.processors.filter { Double($0.speed) >= Self.performanceShare * Double(fastest) }
        let cores = max(1, Set(fast.map(\.core)).count)
        let allCores = max(1, Set(machine.processors.map(\.core)).count)
        let floor = min(2, available)

        var reasons = [Self.describe(cores: cores, of: allCores, threads: available)]
        var count = max(floor, cores > 2 ? cores - 1 : cores)
        if cores > 2 { reasons.append("one is left for other work") }
        if count > Self.maximumCount {
            count = Self.maximumCount
            reasons.append("more than \(count) threads gain nothing")
        }
        // What others use of the whole machine, they use of our part of it.
        let busyShare = min(1, max(0, machine.load / Double(machine.onlineCount)))
        let free = Int((Double(cores) * (1 - busyShare)).rounded())
        if free < count, count > floor {
            count = max(floor, free)
            reasons.append("\(Int((busyShare * 100).rounded())) % of the machine is busy")
        }
        if let quota = machine.quota, quota < Double(count) {
            count = max(1, Int(quota))
            reasons.append("the control group grants \(Self.rounded(quota)) CPUs")
        }
        self.count = count
        reason = reasons.joined(separator: ", ")
    }

    private static func describe(cores: Int, of all: Int, threads: Int) -> String {
        let kind = cores < all ? "performance core" : "core"
        var text = "\(cores) \(kind)\(cores == 1 ? "" : "s")"
        if cores < all { text += " of \(all) cores" }
        if threads > all { text += " with \(threads) hardware threads" }
        return text
    }

    private static func rounded(_ value: Double) -> String {
        let tenths = Int((min(value, 1e6) * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(tenths % 10)"
    }
}
