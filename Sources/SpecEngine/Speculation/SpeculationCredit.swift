// What one completion may lose to wrong guesses: the bound that keeps a short completion in which everything proposed
// is wrong about as fast as plain decoding. Like TCP's slow start: it begins small and grows with what guesses have
// saved, after a few tokens also by a part of what they saved in earlier completions. What pays on average is
// `SpeculationPolicy`'s business, this is how much may be staked on it.

/// An account in passes of plain decoding, opened anew for each completion. A value.
struct SpeculationCredit: Sendable {
    /// What may be lost now; below zero after a loss that was thought improbable.
    private(set) var passes = SpeculationCredit.initial
    /// What earlier completions add to it once there is room for a wrong guess.
    private var grant: Double
    private var emittedCount = 0

    /// Enough for one cheap guess at the start, and a few per cent of every token that was emitted. These and the grant
    /// were chosen on texts that are in no benchmark.
    private static let initial = 0.1
    private static let perToken = 0.04
    /// The grant's part of what a plain round's time has saved on average lately, and its bound in passes.
    private static let grantShare = 0.5
    private static let greatestGrant = 0.4
    /// Tokens of rounds before it: a shorter completion has no room for a wrong guess.
    private static let grantDelay = 4
    /// Savings beyond this are kept: text changes.
    private static let greatest = 3.0

    /// A completion begins. `gain`: speed relative to plain decoding in what was decoded before it.
    init(gain: Double) { grant = min(Self.greatestGrant, Self.grantShare * max(0, gain - 1)) }

    /// A round that took as long as `plainRounds` rounds of plain decoding.
    mutating func record(emittedCount count: Int, plainRounds: Double) {
        let saved = Double(count) * (1 + Self.perToken) - plainRounds
        passes = min(Self.greatest, passes + saved)
        emittedCount += count
        guard emittedCount >= Self.grantDelay else { return }
        passes = min(Self.greatest, passes + grant)
        grant = 0
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
