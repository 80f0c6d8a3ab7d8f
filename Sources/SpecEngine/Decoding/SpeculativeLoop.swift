// Speculative decoding: like DecodeLoop, but every pass of the target verifies a tree of draft tokens and emits as
// many of them as the target itself would have drawn, and one more. Read it beside DecodeLoop: the draws, their order
// and all reasons to stop are the same, and so is every emitted token.

/// Decodes one request on one model. A value made per request; engine thread only.
struct SpeculativeLoop {
    let model: TransformerModel
    let speculator: Speculator
    let tokenizer: Tokenizer
    let request: GenerationRequest
    private var sampler: Sampler
    private var detokenizer = StreamingDetokenizer()
    private var generation = Generation()
    private var telemetry = SpeculationTelemetry()

    init(
        model: TransformerModel, speculator: Speculator, tokenizer: Tokenizer, request: GenerationRequest,
        sampler: Sampler
    ) {
        self.model = model
        self.speculator = speculator
        self.tokenizer = tokenizer
        self.request = request
        self.sampler = sampler
        generation.promptTokenCount = request.prompt.count
    }

    /// Runs to the end. Everything but the trees is allocated before the first token.
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
        generation.speculation = telemetry
        speculator.end(completion: generation.tokens, prompt: request.prompt)
        return generation
    }

    private mutating func decode(limit: Int, room: Int) -> StopReason {
        speculator.begin(prompt: request.prompt)
        let atLimit: StopReason =
            limit == room && limit < request.maximumTokens ? .contextFull : .maximumTokens
        guard limit > 0 else { return atLimit }
        switch drawAndEmit(row: 0, limit: limit, atLimit: atLimit) {
        case .stopped(let reason): return reason
        case .emitted(var pending):
            while true {
                switch round(root: pending, limit: limit, atLimit: atLimit) {
                case .stopped(let reason): return reason
                case .emitted(let next): pending = next
                }
            }
        }
    }

    private enum Step {
        case emitted(TokenID)
        case stopped(StopReason)
    }

    /// One pass of the target over `root`, which is emitted but not yet in the cache, and what was proposed after it.
    private mutating func round(root: TokenID, limit: Int, atLimit: StopReason) -> Step {
        let clock = ContinuousClock()
        let depth = model.tokens.count
        // The last token that may be emitted needs no node: it is drawn, not verified.
        let tree = speculator.propose(root: root, depthLimit: limit - generation.tokens.count - 1)
        let start = clock.now
        let round = KVRound(on: model.cache, rowCount: tree.isChain ? tree.count : tree.depth + 1)
        guard model.compute(tree, in: round) else { return .stopped(.cancelled) }
        let passEnd = clock.now
        let emittedBefore = generation.tokens.count
        var stopReason: StopReason?
        let outcome = Verifier.walk(tree) { node in
            switch drawAndEmit(row: node, limit: limit, atLimit: atLimit) {
            case .emitted(let token): return token
            case .stopped(let reason):
                stopReason = reason
                return nil
            }
        }
        model.commit(path: outcome.path, of: tree, in: round)
        let emitted = generation.tokens[emittedBefore...]
        speculator.observe(tree, emitted: emitted, depth: depth, passSeconds: (passEnd - start) / .seconds(1))
        telemetry.record(tree, path: outcome.path, emitted: emitted.count)
        telemetry.draftTime += speculator.lastDraftTime
        telemetry.targetTime += passEnd - start
        telemetry.verificationTime += clock.now - passEnd
        if let stopReason { return .stopped(stopReason) }
        guard let next = outcome.next else { preconditionFailure("a walk ends in a token or in a reason") }
        return .emitted(next)
    }

    /// Draws the next token from a row of logits and emits it: the body of DecodeLoop's loop up to the next pass.
    private mutating func drawAndEmit(row: Int, limit: Int, atLimit: StopReason) -> Step {
        if request.cancellation.isRaised { return .stopped(.cancelled) }
        let sampled = sampler.sample(logits: model.logits(row: row))
        if request.endTokens.contains(sampled.token) { return .stopped(.endOfText) }
        generation.tokens.append(sampled.token)
        generation.logProbabilities.append(sampled.logProbability)
        // As in DecodeLoop.
        if sampled.token.rawValue < tokenizer.vocabularySize, !tokenizer.isControl(sampled.token) {
            generation.text.append(contentsOf: detokenizer.append(tokenizer.bytes(of: sampled.token)).utf8)
        }
        speculator.append(sampled.token)
        if let shouldStop = request.shouldStop, shouldStop(generation.text) { return .stopped(.stopRule) }
        if generation.tokens.count == limit { return .stopped(atLimit) }
        return .emitted(sampled.token)
    }
}
