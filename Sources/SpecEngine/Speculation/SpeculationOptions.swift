// The user's choice of how to speculate.

/// Which drafts are used.
package enum SpeculationMode: String, Sendable, CaseIterable {
    /// Every draft there is, as much as pays by this machine's measured costs.
    case auto
    /// Plain decoding.
    case off
    /// The trained draft layer alone.
    case longspec
    /// Text seen before alone: the prompt and the last completion.
    case lookup
}

/// A tree of the same shape in every round, whatever it costs: for measuring and for tests.
package enum FixedShape: Sendable, Equatable {
    /// The most probable nodes, this many.
    case tree(nodeCount: Int)
    /// The most probable child of the most probable child, this many levels.
    case chain(levelCount: Int)
}

/// Settings of one engine.
package struct SpeculationOptions: Sendable {
    package var mode: SpeculationMode
    /// The most draft tokens verified per pass.
    package var nodeLimit: Int
    /// The draft's file; nil where there is none.
    package var draftPath: String?
    /// The policy is off, every round has this shape.
    package var fixedShape: FixedShape?
    /// Propose the rest of the last completion. Off where the same prompt is run again and again to measure it.
    package var usesLastCompletion = true
    /// Tokens that the draft layer chooses from: the first ones of the vocabulary.
    package var draftHeadTokenCount = SpeculationOptions.standardDraftHeadTokenCount

    /// One tile of the linear kernels takes 8 rows; more than two tiles have not paid on any machine measured.
    package static let standardNodeLimit = 15
    package static let nodeLimits = 1...(EngineLimits.logitRowsPerPass - 1)
    /// Byte-pair merges order the vocabulary by frequency: a quarter of a 32k head costs a quarter of its time and
    /// holds all but a few per cent of code's tokens.
    package static let standardDraftHeadTokenCount = 8_192

    package static let off = SpeculationOptions(mode: .off)

    package init(
        mode: SpeculationMode, nodeLimit: Int = SpeculationOptions.standardNodeLimit,
        draftPath: String? = nil, fixedShape: FixedShape? = nil
    ) {
        self.mode = mode
        self.nodeLimit = nodeLimit
        self.draftPath = draftPath
        self.fixedShape = fixedShape
    }
}
