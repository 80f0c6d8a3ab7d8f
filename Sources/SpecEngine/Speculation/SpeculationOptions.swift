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

/// Settings of one engine.
package struct SpeculationOptions: Sendable {
    package var mode: SpeculationMode
    /// The most draft tokens verified per pass.
    package var nodeLimit: Int
    /// The draft's file; nil where there is none.
    package var draftPath: String?
    /// Draft this many levels of these widths in every round and verify all nodes, whatever it costs: for measuring.
    package var fixedWidths: [Int]?
    /// Propose the rest of the last completion. Off where the same prompt is run again and again to measure it.
    package var usesLastCompletion = true

    /// One tile of the linear kernels takes 8 rows; more than two tiles have not paid on any machine measured.
    package static let standardNodeLimit = 15
    package static let nodeLimits = 1...(EngineLimits.logitRowsPerPass - 1)

    package static let off = SpeculationOptions(mode: .off)

    package init(
        mode: SpeculationMode, nodeLimit: Int = SpeculationOptions.standardNodeLimit,
        draftPath: String? = nil,
        fixedWidths: [Int]? = nil
    ) {
        self.mode = mode
        self.nodeLimit = nodeLimit
        self.draftPath = draftPath
        self.fixedWidths = fixedWidths
    }
}
