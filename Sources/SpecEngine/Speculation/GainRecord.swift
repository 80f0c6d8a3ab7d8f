// What speculation gives against what plain decoding would have: how much a second is worth now.

/// Tokens emitted and time spent in all rounds, forgotten slowly. Time is counted in plain rounds, so that a change of
/// the machine's speed does not look like a gain or a loss. A value.
struct GainRecord: Sendable {
    private var emitted = GainRecord.priorRoundCount
    private var spent = GainRecord.priorRoundCount  // plain rounds that would have taken as long

    /// A round's weight is halved after about 70 further ones.
    private static let decay = 0.99
    /// Plain rounds that the first impression counts for.
    private static let priorRoundCount = 32.0

    /// Speed relative to plain decoding.
    var gain: Double { emitted / spent }

    /// A round that took as long as `plainRounds` rounds of plain decoding.
    mutating func record(emittedCount: Int, plainRounds: Double) {
        emitted = emitted * Self.decay + Double(emittedCount)
        spent = spent * Self.decay + plainRounds
    }
}
