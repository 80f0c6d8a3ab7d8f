// What one completion may lose to wrong guesses: the bound that keeps a short completion in which everything proposed
// is wrong about as fast as plain decoding. Like TCP's slow start: it begins small, less so where earlier completions
// went well, and grows with what guesses have saved. What pays on average is `SpeculationPolicy`'s business, this is
// how much may be staked on it.

/// An account in passes of plain decoding, opened anew for each completion. A value.
struct SpeculationCredit: Sendable {
    /// What may be lost now; below zero after a loss that was thought improbable.
    private(set) var passes: Double

    /// Enough for one cheap guess at the start, and a few per cent of every token that was emitted. These and the two
    /// below were chosen by replaying recorded proposals of texts that are in no benchmark.
    private static let initial = 0.1
    private static let perToken = 0.04
    /// Of what a token has saved on average lately, in passes, and what may come of it.
    private static let gainShare = 0.5
    private static let greatestInitial = 0.5
    /// Savings beyond this are kept: text changes.
    private static let greatest = 3.0

    /// A completion begins. `gain`: speed relative to plain decoding in what was decoded before it.
    init(gain: Double) {
        passes = min(Self.greatestInitial, Self.initial + Self.gainShare * max(0, gain - 1))
    }

    /// A round that took as long as `plainRounds` rounds of plain decoding.
    mutating func record(emittedCount: Int, plainRounds: Double) {
        let saved = Double(emittedCount) * (1 + Self.perToken) - plainRounds
        passes = min(Self.greatest, passes + saved)
    }

    /// Whether a credit of `passes` covers a round that is lost with `loss` passes unless its first node is right,
    /// which it is with probability `firstReach`. A near certainty may be staked before the credit covers all of it.
    static func covers(_ passes: Double, loss: Double, firstReach: Float) -> Bool {
        let isTrusted = loss <= greatestTrust && loss * certainty * (1 - Double(firstReach)) <= passes
        return isTrusted || loss <= passes
    }

    private static let certainty = 4.0
    private static let greatestTrust = 0.3
}
