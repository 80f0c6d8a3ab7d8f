// How often proposals of one source turn out right, by the strength of their evidence: for a suffix match the length
// of the match, for the draft layer its own probability. Counted from what was emitted, forgotten slowly.

#if canImport(Glibc)
    import Glibc
#endif

/// Conditional acceptance (given that the parent was reached) by evidence. A value; cheap to update.
struct AcceptanceTable: Sendable {
    /// Weighted counts; they begin as a prior of `priorWeight` observations.
    private var accepted: [Float]
    private var tried: [Float]

    private static let priorWeight: Float = 12
    /// Half of an observation's weight is gone after about 140 further ones of the same evidence.
    private static let decay: Float = 0.995

    init(prior: [Float]) {
        accepted = prior.map { $0 * Self.priorWeight }
        tried = prior.map { _ in Self.priorWeight }
    }

    func estimate(_ evidence: UInt8) -> Float { accepted[Int(evidence)] / tried[Int(evidence)] }

    mutating func record(_ evidence: UInt8, isAccepted: Bool) {
        let index = Int(evidence)
        tried[index] = tried[index] * Self.decay + 1
        accepted[index] = accepted[index] * Self.decay + (isAccepted ? 1 : 0)
    }

    // MARK: Evidence

    /// For matches of 1, 2, 3, 4, 5–6, 7–9, 10–15, 16–31 and more tokens.
    static func evidence(matchLength: Int) -> UInt8 {
        switch matchLength {
        case ..<5: UInt8(max(1, matchLength) - 1)
        case 5...6: 4
        case 7...9: 5
        case 10...15: 6
        case 16...31: 7
        default: 8
        }
    }

    /// Ten equal steps of the draft's own probability.
    static func evidence(draftProbability: Float) -> UInt8 { UInt8(min(9, max(0, draftProbability * 10))) }

    /// Before anything was seen: what matches in source code usually give.
    static let promptLookup = AcceptanceTable(prior: [0.1, 0.25, 0.4, 0.5, 0.6, 0.7, 0.78, 0.85, 0.9])
    static let lastCompletion = AcceptanceTable(prior: [0.5, 0.7, 0.8, 0.85, 0.9, 0.9, 0.92, 0.95, 0.95])
    /// Before anything was seen: a trained draft is about as right as it thinks it is.
    static let longSpec = AcceptanceTable(prior: (0..<10).map { (Float($0) + 0.5) / 10 })
}
