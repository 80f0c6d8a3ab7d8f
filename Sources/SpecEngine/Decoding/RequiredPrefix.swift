// Text that a generation must begin with: what the user has typed of a word. A prompt that ends inside a word ends in
// tokens that the model never saw there ("inte" is no beginning of the tokens of "integer"), so the prompt ends before
// the word, and the first tokens are drawn among those that agree with what is typed. One draw per token as ever: the
// row of logits is another one, nothing else, so speculation and reuse of prompts stay exact.

/// What is left of the required text, and the logits among tokens that agree with it. A value made per generation.
struct RequiredPrefix {
    private let bytes: [UInt8]
    private var metCount = 0
    /// The model's logits with those of all other tokens at minus infinity; empty where nothing is required.
    private var row: [Float] = []

    /// Taken from the logits of tokens that end inside the required text. After such a token the text goes on as the
    /// tokenizer would not have cut it, which its own probability does not show: "int" is a likely token after "inte"
    /// was typed, but what is written then is no longer "integer".
    static let shortTokenPenalty: Float = 4

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    var isMet: Bool { metCount == bytes.count }

    /// Draws among the tokens that agree; nil where no token does.
    mutating func draw(
        _ logits: UnsafeBufferPointer<Float>, _ tokenizer: Tokenizer, _ sampler: inout Sampler
    ) -> SampledToken? {
        // Before the first token there may be allocations.
        if row.count != logits.count { row = [Float](repeating: 0, count: logits.count) }
        let wanted = bytes[metCount...]
        var isPossible = false
        row.withUnsafeMutableBufferPointer { row in
            row.update(repeating: -.infinity)
            tokenizer.forEachToken(agreeingWith: wanted) { token, coversAll in
                let place = Int(token.rawValue)
                guard place < logits.count, logits[place] > -.infinity else { return }
                row[place] = coversAll ? logits[place] : logits[place] - Self.shortTokenPenalty
                isPossible = true
            }
        }
        return isPossible ? row.withUnsafeBufferPointer { sampler.sample(logits: $0) } : nil
    }

    /// Takes a token's bytes off what is required; how many of them were.
    mutating func meet(_ tokenBytes: ArraySlice<UInt8>) -> Int {
        let count = min(bytes.count - metCount, tokenBytes.count)
        metCount += count
        return count
    }
}
