// What is asked of the engine, and what it answers: plain values that cross threads.

/// One prompt to continue.
package struct GenerationRequest: Sendable {
    /// The whole prompt; at least one token.
    package var prompt: [TokenID]
    /// The most tokens to generate.
    package var maximumTokens: Int
    package var sampling: SamplingParameters
    /// Text that follows the prompt already: the first tokens are drawn among those that agree with it, and it is no
    /// part of `Generation.text`.
    package var requiredPrefix: [UInt8] = []
    /// Tokens that end the text; they are not part of it.
    package var endTokens: [TokenID]
    /// Asked after each token with all text so far (complete UTF-8 only); true ends the generation. Runs on the
    /// compute thread and must be quick.
    package var shouldStop: (@Sendable ([UInt8]) -> Bool)?
    package var cancellation: CancellationFlag
    /// Whether `Generation.margins` is wanted: a second look at every row of logits.
    package var recordsMargins = false

    package init(
        prompt: [TokenID], maximumTokens: Int, sampling: SamplingParameters, endTokens: [TokenID],
        shouldStop: (@Sendable ([UInt8]) -> Bool)? = nil, cancellation: CancellationFlag
    ) {
        self.prompt = prompt
        self.maximumTokens = maximumTokens
        self.sampling = sampling
        self.endTokens = endTokens
        self.shouldStop = shouldStop
        self.cancellation = cancellation
    }
}

/// Why a generation ended. Raw values are the names in JSON.
package enum StopReason: String, Sendable {
    case endOfText = "end_of_text"
    case stopRule = "stop_rule"
    case maximumTokens = "max_tokens"
    case cancelled
    case contextFull = "context_full"
}

/// The engine's answer. A cancelled generation holds what there was.
package struct Generation: Sendable {
    /// Generated tokens, without the one that ended the text.
    package var tokens: [TokenID] = []
    /// Their bytes without the required ones: whole characters only.
    package var text: [UInt8] = []
    /// Natural logarithm of each token's probability under the model (temperature 1, no truncation), among the tokens
    /// that agree with the required text where there is some.
    package var logProbabilities: [Float] = []
    /// By how much each token's logit exceeds the best of all others (negative where another was more probable);
    /// empty unless the request asked for it.
    package var margins: [Float] = []
    package var stopReason = StopReason.maximumTokens
    package var promptTokenCount = 0
    /// Leading prompt tokens whose keys and values were there from before.
    package var reusedTokenCount = 0
    /// Prompt tokens that were computed: all others, unless it was cancelled before.
    package var computedTokenCount = 0
    /// From the start to the first token's logits.
    package var prefillTime = Duration.zero
    /// From then to the end.
    package var decodeTime = Duration.zero
    /// Nil after plain decoding.
    package var speculation: SpeculationTelemetry?

    package init() {}
}
