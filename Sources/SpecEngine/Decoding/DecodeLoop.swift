// Plain decoding, one token per pass: forward, sample, emit. Prefill comes first and keeps whatever leading part of
// the prompt the resident sequence already holds.

/// Decodes one request on one model. A value made per request; engine thread only.
struct DecodeLoop<Model: LanguageModel> {
    let model: Model
    private var emitter: TokenEmitter

    init(model: Model, tokenizer: Tokenizer, request: GenerationRequest, sampler: Sampler) {
        self.model = model
        emitter = TokenEmitter(
            request: request, tokenizer: tokenizer, sampler: sampler,
            room: model.positionLimit - request.prompt.count)
    }

    /// Runs to the end.
    consuming func run() -> Generation {
        let model = model
        emitter.run(on: model, prepare: {}) { emitter in
            while true {
                switch emitter.drawAndEmit(model.logits(row: 0)) {
                case .stopped(let reason): return reason
                case .emitted:
                    // A slice of what was emitted: an array of its own would be an allocation per token.
                    guard model.append(emitter.generation.tokens.suffix(1), logitRowCount: 1) else {
                        return .cancelled
                    }
                }
            }
        }
        return emitter.generation
    }
}
