// What one completion may lose to wrong guesses: the bound that keeps a short completion in which everything proposed
// is wrong about as fast as plain decoding. Like TCP's slow start: it begins small and grows with what guesses have
// saved. What pays on average is `SpeculationPolicy`'s business, this is how much may be staked on it.

/// An account in passes of plain decoding, opened anew for each completion. A value.
struct SpeculationCredit: Sendable {
    /// What may be lost now; below zero after a loss that was thought improbable.
    private(set) var passes = SpeculationCredit.initial

    /// Enough for one cheap guess at the start, and a few per cent of every token that was emitted.
    private static let initial = 0.2
    private static let perToken = 0.04
    /// Savings beyond this are kept: text changes.
    private static let greatest = 3.0

    /// A round that took as long as `plainRounds` rounds of plain decoding.
    mutating func record(emittedCount: Int, plainRounds: Double) {
        let saved = Double(emittedCount) * (1 + Self.perToken) - plainRounds
        passes = min(Self.greatest, passes + saved)
    }

    /// The part of a round's extra cost that counts against the credit where its first node is right with probability
    /// `firstReach`: all of it, but for near certainties.
    static func risk(firstReach: Float) -> Double {
        min(1, certainty * (1 - Double(firstReach)))
    }

    private static let certainty = 4.0
}
