// What speculation really gave against what plain decoding would have: the check on estimates. Choosing the most
// promising of many estimates favours the ones that are too high; only the clock knows.

/// Tokens emitted and time spent in rounds that a source promised to gain in, forgotten slowly. Time is counted in
/// plain rounds, so that a change of the machine's speed does not look like a gain or a loss. A value.
struct GainRecord: Sendable {
    private var emitted: Double
    private var spent: Double  // plain rounds that would have taken as long

    /// A round's weight is halved after about 70 further ones.
    private static let decay = 0.99
    /// Rounds that the first impression counts for: a few unlucky ones at the start must not switch a source off.
    private static let priorRoundCount = 32.0
    /// What a source must give to be used whenever it promises to pay. Rounds that it is left out of count as what
    /// they give, plain decoding's speed: a source that loses a fifth is used in every tenth promising round then, and
    /// all of these rounds together lose this little.
    private static let leastGain = 0.98

    /// Begins with an assumed gain.
    init(gain: Double) {
        spent = Self.priorRoundCount
        emitted = gain * spent
    }

    /// Speed relative to plain decoding.
    var gain: Double { emitted / spent }
    /// Whether the source has paid of late.
    var mayUse: Bool { gain >= Self.leastGain }

    /// A round that took as long as `plainRounds` rounds of plain decoding.
    mutating func record(emittedCount: Int, plainRounds: Double) {
        emitted = emitted * Self.decay + Double(emittedCount)
        spent = spent * Self.decay + plainRounds
    }

    /// A promising round that the source was left out of.
    mutating func recordSkipped() { record(emittedCount: 1, plainRounds: 1) }
}
