// How often proposals turn out right, by what they rest on: for a suffix match the length of the match, for the draft
// layer its own probability, for text seen before that the draft layer has looked at too, the draft's probability.
// Counted from what was emitted, forgotten slowly.

/// What the estimate of a node rests on: a kind of evidence, and how strong it is.
struct Evidence: Equatable, Sendable {
    enum Kind: UInt8, Sendable, CaseIterable {
        /// The draft layer alone proposed the token.
        case longSpec
        /// It followed an equal text in the prompt.
        case promptLookup
        /// It stood next in the last completion.
        case lastCompletion
        /// Text seen before proposed it and the draft layer has given it a probability.
        case weighed
    }

    let kind: Kind
    /// The row of the kind's table.
    let row: UInt8

    /// For matches of 1, 2, 3, 4, 5–6, 7–9, 10–15, 16–31 and more tokens.
    init(kind: Kind, matchLength: Int) {
        self.kind = kind
        row =
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
    init(kind: Kind, draftProbability: Float) {
        self.kind = kind
        row = UInt8(min(9, max(0, draftProbability * 10)))
    }
}

/// Acceptance (given that the parent was reached) by strength of one kind of evidence. A value; cheap to update.
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

    func estimate(_ row: UInt8) -> Float { accepted[Int(row)] / tried[Int(row)] }

    mutating func record(_ row: UInt8, isAccepted: Bool) {
        let index = Int(row)
        tried[index] = tried[index] * Self.decay + 1
        accepted[index] = accepted[index] * Self.decay + (isAccepted ? 1 : 0)
    }

    /// Before anything was seen: what matches in source code usually give.
    static let promptLookup = AcceptanceTable(prior: [0.1, 0.25, 0.4, 0.5, 0.6, 0.7, 0.78, 0.85, 0.9])
    static let lastCompletion = AcceptanceTable(prior: [0.5, 0.7, 0.8, 0.85, 0.9, 0.9, 0.92, 0.95, 0.95])
    /// Before anything was seen: a trained draft is about as right as it thinks it is.
    static let longSpec = AcceptanceTable(prior: (0..<10).map { (Float($0) + 0.5) / 10 })
    /// Two sources that agree are righter than either.
    static let weighed = AcceptanceTable(prior: [0.12, 0.3, 0.42, 0.52, 0.62, 0.7, 0.77, 0.84, 0.9, 0.97])
}

/// All tables of one engine. A value.
struct AcceptanceRecord: Sendable {
    private var tables: [AcceptanceTable] = [.longSpec, .promptLookup, .lastCompletion, .weighed]  // by kind
    /// Of the present text: how many proposals of a kind were right, and how many its table expected.
    private var right = [Float](repeating: 0, count: Evidence.Kind.allCases.count)
    private var expected = [Float](repeating: 0, count: Evidence.Kind.allCases.count)

    /// A text is easy or hard for a source within a dozen tokens; tables follow over hundreds.
    private static let textDecay: Float = 0.9
    private static let textPriorWeight: Float = 3
    private static let greatestEstimate: Float = 0.98

    func estimate(_ evidence: Evidence) -> Float {
        let kind = Int(evidence.kind.rawValue)
        let ease = (right[kind] + Self.textPriorWeight) / (expected[kind] + Self.textPriorWeight)
        return min(Self.greatestEstimate, tables[kind].estimate(evidence.row) * ease)
    }

    mutating func record(_ evidence: Evidence, isAccepted: Bool) {
        let kind = Int(evidence.kind.rawValue)
        right[kind] = right[kind] * Self.textDecay + (isAccepted ? 1 : 0)
        expected[kind] = expected[kind] * Self.textDecay + tables[kind].estimate(evidence.row)
        tables[kind].record(evidence.row, isAccepted: isAccepted)
    }

    /// Another text begins: what the last one was like says nothing.
    mutating func beginText() {
        for kind in right.indices { (right[kind], expected[kind]) = (0, 0) }
    }

    /// Learns from what was emitted after the root of a proposed tree: every child of an emitted path's nodes was
    /// right or wrong, whether it was verified or dropped.
    mutating func learn(from tree: TokenTree, emitted: ArraySlice<TokenID>) {
        var parent = 0
        for token in emitted {
            var next: Int?
            for node in parent + 1..<max(parent + 1, tree.count) where tree.parents[node] == parent {
                let isAccepted = tree.tokens[node] == token
                if let evidence = tree.evidence[node] { record(evidence, isAccepted: isAccepted) }
                if let evidence = tree.formerEvidence[node] { record(evidence, isAccepted: isAccepted) }
                if isAccepted { next = node }
            }
            guard let next else { break }
            parent = next
        }
    }
}
