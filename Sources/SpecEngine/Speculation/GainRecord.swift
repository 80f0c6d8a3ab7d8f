// What speculation really gave against what plain decoding would have: the check on estimates. Choosing the most
// promising of many estimates favours the ones that are too high; only the clock knows.

/// Tokens emitted and seconds spent in rounds of one kind, forgotten slowly. A value.
struct GainRecord: Sendable {
    private var plainSeconds: Double  // that plain decoding would have taken for the tokens emitted
    private var spentSeconds: Double

    /// A round's weight is halved after about 70 further ones.
    private static let decay = 0.99
    /// Rounds that the first impression counts for: a few unlucky ones at the start must not switch a source off,
    /// because a source that is off is tried too seldom to recover soon.
    private static let priorRoundCount = 32.0

    /// Begins with an assumed gain. `roundSeconds` is about what a round takes.
    init(roundSeconds: Double, gain: Double) {
        spentSeconds = Self.priorRoundCount * roundSeconds
        plainSeconds = gain * spentSeconds
    }

    /// Speed relative to plain decoding.
    var gain: Double { plainSeconds / spentSeconds }

    mutating func record(emittedCount: Int, plainRoundSeconds: Double, seconds: Double) {
        plainSeconds = plainSeconds * Self.decay + Double(emittedCount) * plainRoundSeconds
        spentSeconds = spentSeconds * Self.decay + seconds
    }
}
