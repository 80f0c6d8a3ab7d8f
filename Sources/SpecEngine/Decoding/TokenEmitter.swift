// What plain and speculative decoding have in common: drawing a token, turning it into text, and every reason to stop.
// One piece of code for both loops, so that they cannot come to differ in what they emit.

/// The output of one generation as it grows. A value; engine thread only.
struct TokenEmitter {
    /// What became of one draw.
    enum Step {
        case emitted(TokenID)
        case stopped(StopReason)
    }

    private(set) var generation = Generation()
    /// The most tokens that may be emitted.
    let limit: Int
    private let atLimit: StopReason
    /// Code has about three bytes per token; more than this on average would be all indentation.
    private static let reservedBytesPerToken = 16
    private let tokenizer: Tokenizer
    private let request: GenerationRequest
    private var sampler: Sampler
    private var required: RequiredPrefix
    private var detokenizer = StreamingDetokenizer()

    /// `room` is how many positions are free behind the prompt.
    init(request: GenerationRequest, tokenizer: Tokenizer, sampler: Sampler, room: Int) {
        self.request = request
        self.tokenizer = tokenizer
        self.sampler = sampler
        required = RequiredPrefix(request.requiredPrefix)
        limit = min(request.maximumTokens, room)
        atLimit = limit == room && limit < request.maximumTokens ? .contextFull : .maximumTokens
        generation.promptTokenCount = request.prompt.count
    }

    /// Tokens that may still be emitted.
    var remainingCount: Int { limit - generation.tokens.count }

    /// Draws the next token from a row of logits and emits it. `onEmit` hears of the token before the stop rules do.
    mutating func drawAndEmit(
        _ logits: UnsafeBufferPointer<Float>, onEmit: (TokenID) -> Void = { _ in }
    ) -> Step {
        if remainingCount == 0 { return .stopped(atLimit) }
        if request.cancellation.isRaised { return .stopped(.cancelled) }
        guard let sampled = draw(logits) else { return .stopped(.stopRule) }
        if request.endTokens.contains(sampled.token) { return .stopped(.endOfText) }
        append(sampled)
        if request.recordsMargins { generation.margins.append(Sampler.margin(of: sampled.token, in: logits)) }
        onEmit(sampled.token)
        if let shouldStop = request.shouldStop, shouldStop(generation.text) { return .stopped(.stopRule) }
        return remainingCount == 0 ? .stopped(atLimit) : .emitted(sampled.token)
    }

    /// Nil where no token agrees with the text that is required.
    private mutating func draw(_ logits: UnsafeBufferPointer<Float>) -> SampledToken? {
        if required.isMet { return sampler.sample(logits: logits) }
        return required.draw(logits, tokenizer, &sampler)
    }

    private mutating func append(_ sampled: SampledToken) {
        generation.tokens.append(sampled.token)
        generation.logProbabilities.append(sampled.logProbability)
        // A model may have more rows than its tokenizer has tokens; those, like control tokens, stand for no text.
        if sampled.token.rawValue < tokenizer.vocabularySize, !tokenizer.isControl(sampled.token) {
            // A character that the last token leaves unfinished stays in the detokenizer: half of one is not text.
            let bytes = tokenizer.bytes(of: sampled.token)
            let fresh = required.isMet ? bytes : bytes.dropFirst(required.meet(bytes))
            detokenizer.append(fresh, to: &generation.text)
        }
    }

    /// Prefills by `model` and decodes by `decode`, and notes how long each took. `prepare` is part of reading the
    /// prompt.
    mutating func run(
        on model: some LanguageModel, prepare: () -> Void, decode: (inout TokenEmitter) -> StopReason
    ) {
        let clock = ContinuousClock()
        let start = clock.now
        // Everything is allocated before the first token.
        generation.tokens.reserveCapacity(limit)
        generation.logProbabilities.reserveCapacity(limit)
        generation.text.reserveCapacity(limit * Self.reservedBytesPerToken)
        let (reused, computed, isPrefilled) = model.prefill(
            request.prompt, room: limit, cancellation: request.cancellation)
        if isPrefilled { prepare() }
        let prefillEnd = clock.now
        generation.reusedTokenCount = reused
        generation.computedTokenCount = computed
        generation.prefillTime = prefillEnd - start
        generation.stopReason = isPrefilled ? decode(&self) : .cancelled
        generation.decodeTime = clock.now - prefillEnd
    }
}
