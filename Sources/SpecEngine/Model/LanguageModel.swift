// What a decoding loop needs of a model: append tokens to the one resident sequence and read logits. Two
// conformers: the quantised model that serves, and the float reference that checks it.

/// A model with the keys and values of one sequence. Engine thread only.
protocol LanguageModel: AnyObject {
    var configuration: ModelConfiguration { get }
    /// The threads it computes on; they take part within a live request.
    var team: ThreadTeam { get }
    /// The most positions a sequence can have.
    var positionLimit: Int { get }
    /// The tokens of the resident sequence.
    var tokens: [TokenID] { get }

    /// Forgets all positions from `count` on.
    func truncate(to count: Int)

    /// Makes room for a sequence of `count` positions, so that passes allocate nothing.
    func reserve(upTo count: Int)

    /// Appends tokens (at most `EngineLimits.rowsPerPass`) and computes the logits of the last `logitRowCount`
    /// of them (at most `EngineLimits.logitRowsPerPass`). False when cancelled: then nothing was appended.
    func append(_ tokens: ArraySlice<TokenID>, logitRowCount: Int) -> Bool

    /// Logits of the last pass, [vocabulary]; row 0 is the first row that was asked for.
    func logits(row: Int) -> UnsafeBufferPointer<Float>
}
