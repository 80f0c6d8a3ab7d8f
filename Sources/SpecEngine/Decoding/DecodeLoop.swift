// Plain decoding, one token per pass: forward, sample, emit. Prefill comes first and keeps whatever leading part of
// the prompt the resident sequence already holds.

/// Decodes one request on one model. A value made per request; engine thread only.
struct DecodeLoop<Model: LanguageModel> {
    let model: Model
    let tokenizer: Tokenizer
    let request: GenerationRequest
    private var sampler: Sampler
    private var detokenizer = StreamingDetokenizer()
    private var generation = Generation()

    init(model: Model, tokenizer: Tokenizer, request: GenerationRequest, sampler: Sampler) {
        self.model = model
        self.tokenizer = tokenizer
        self.request = request
        self.sampler = sampler
        generation.promptTokenCount = request.prompt.count
    }

    /// Runs to the end. Everything is allocated before the first token.
    consuming func run() -> Generation {
        let clock = ContinuousClock()
        let start = clock.now
        let room = model.positionLimit - request.prompt.count
        let limit = min(request.maximumTokens, room)
        model.reserve(upTo: request.prompt.count + limit)
        generation.tokens.reserveCapacity(limit)
        generation.logProbabilities.reserveCapacity(limit)
        generation.text.reserveCapacity(limit * 8)

        let (reused, prefilled) = model.prefill(request.prompt, cancellation: request.cancellation)
        generation.reusedTokenCount = reused
        let prefillEnd = clock.now
        generation.prefillTime = prefillEnd - start
        generation.stopReason = prefilled ? decode(limit: limit, room: room) : .cancelled
        generation.decodeTime = clock.now - prefillEnd
        return generation
    }

    private mutating func decode(limit: Int, room: Int) -> StopReason {
        while generation.tokens.count < limit {
            if request.cancellation.isRaised { return .cancelled }
            let sampled = sampler.sample(logits: model.logits(row: 0))
            if request.endTokens.contains(sampled.token) { return .endOfText }
            emit(sampled)
            if let shouldStop = request.shouldStop, shouldStop(generation.text) { return .stopRule }
            if generation.tokens.count == limit { break }
            guard model.append([sampled.token], logitRowCount: 1) else { return .cancelled }
        }
        return limit == room && limit < request.maximumTokens ? .contextFull : .maximumTokens
    }

    private mutating func emit(_ sampled: SampledToken) {
        generation.tokens.append(sampled.token)
        generation.logProbabilities.append(sampled.logProbability)
        // A model may have more rows than its tokenizer has tokens; those, like control tokens, stand for no text.
        if sampled.token.rawValue < tokenizer.vocabularySize, !tokenizer.isControl(sampled.token) {
            // A character that the last token leaves unfinished stays in the detokenizer: half of one is not text.
            generation.text.append(contentsOf: detokenizer.append(tokenizer.bytes(of: sampled.token)).utf8)
        }
    }
}
