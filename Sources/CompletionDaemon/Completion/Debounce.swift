// How long a request that came while typing waits before its prompt is read. Reading what a later keystroke will change
// costs the machine, not the user; so the wait is a part of what reading will cost on this machine, and nothing where
// that is little, which is nearly always: what was read before is kept. Pure.

/// The wait before an expensive prompt.
enum Debounce {
    /// Prompts that are read faster than this are read at once.
    static let freeCost = Duration.milliseconds(60)
    /// A share of the cost: who pauses for the wait pays this much more.
    static let share = 0.25
    static let longest = Duration.milliseconds(200)

    /// - Parameters:
    ///   - newTokenCount: what the engine has to read.
    ///   - rate: tokens that this machine reads in a second; nil where that is not known yet.
    ///   - sinceChange: time since the text last changed: editors that wait themselves have waited that long.
    static func wait(newTokenCount: Int, rate: Double?, sinceChange: Duration?) -> Duration {
        guard let rate, rate > 0 else { return .zero }
        let cost = Duration.seconds(Double(newTokenCount) / rate)
        guard cost > freeCost, let sinceChange else { return .zero }
        return max(.zero, min(cost * share, longest) - sinceChange)
    }
}
