// The named bounds of the engine: nothing in it grows without one.

/// Sizes that the engine never exceeds.
package enum EngineLimits {
    /// Threads of one engine, its own compute thread included.
    package static let threadCounts = 1...64
    /// Rows of one forward pass. 128 rows of activations stay in a core's second-level cache, and more rows no
    /// longer make the weights cheaper.
    package static let rowsPerPass = 128
    /// Rows of one pass whose logits are computed: a tree of draft tokens, or the rows a test looks at.
    package static let logitRowsPerPass = 64
    /// Tokens of one generation.
    package static let maximumTokens = 32_768
    /// Activations of one model. A header that asks for more is damaged or hostile; the default model takes 25 MB.
    package static let scratchByteCount = 1 << 30
    /// Positions that a model must have at least.
    package static let minimumPositions = 256
    /// Positions of one sequence, whatever the model says it was trained for.
    package static let positions = 1 << 17
}
