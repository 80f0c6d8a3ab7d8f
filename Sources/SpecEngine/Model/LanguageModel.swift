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

    /// Makes a sequence resident that begins like `prompt`, as long as one is known, and returns its length: all tokens
    /// but the last at most.
    func resume(_ prompt: [TokenID]) -> Int

    /// Makes room for a sequence of `count` positions, so that passes allocate nothing.
    func reserve(upTo count: Int)

    /// Appends tokens (at most `EngineLimits.rowsPerPass`) and computes the logits of the last `logitRowCount`
    /// of them (at most `EngineLimits.logitRowsPerPass`). False when cancelled: then nothing was appended.
    func append(_ tokens: ArraySlice<TokenID>, logitRowCount: Int) -> Bool

    /// Logits of the last pass, [vocabulary]; row 0 is the first row that was asked for.
    func logits(row: Int) -> UnsafeBufferPointer<Float>
}

extension LanguageModel {
    /// Makes the resident sequence equal to `prompt`, with the logits of its last token: resumes the longest known
    /// beginning and computes the rest. Returns how much was kept and computed, and whether it came to the end; when it
    /// was cancelled, the passes done so far stay. Allocates for `room` more tokens, too.
    func prefill(
        _ prompt: [TokenID], room: Int = 0, cancellation: CancellationFlag
    ) -> (reused: Int, computed: Int, isComplete: Bool) {
        // A request that nobody waits for any more must not cost the next one its common prefix.
        if cancellation.isRaised { return (0, 0, false) }
        let reused = resume(prompt)
        reserve(upTo: prompt.count + room)
        var position = reused
        while position < prompt.count {
            let end = min(position + EngineLimits.rowsPerPass, prompt.count)
            guard append(prompt[position..<end], logitRowCount: end == prompt.count ? 1 : 0) else {
                return (reused, position - reused, false)
            }
            position = end
        }
        return (reused, prompt.count - reused, true)
    }
}

/// How many leading tokens two sequences share.
package func commonPrefixLength(_ a: [TokenID], _ b: [TokenID]) -> Int {
    var length = 0
    let limit = min(a.count, b.count)
    while length < limit, a[length] == b[length] { length += 1 }
    return length
}
