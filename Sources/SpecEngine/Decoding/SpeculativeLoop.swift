// Speculative decoding: like DecodeLoop, but every pass of the target verifies a tree of draft tokens and emits as
// many of them as the target itself would have drawn, and one more. Read it beside DecodeLoop: the draws, their order
// and all reasons to stop are the same, and so is every emitted token.

/// Decodes one request on one model. A value made per request; engine thread only.
struct SpeculativeLoop {
    let model: TransformerModel
    let speculator: Speculator
    private let request: GenerationRequest
    private var emitter: TokenEmitter
    private var telemetry = SpeculationTelemetry()

    init(
        model: TransformerModel, speculator: Speculator, tokenizer: Tokenizer, request: GenerationRequest,
        sampler: Sampler
    ) {
        self.model = model
        self.speculator = speculator
        self.request = request
        emitter = TokenEmitter(
            request: request, tokenizer: tokenizer, sampler: sampler,
            room: model.positionLimit - request.prompt.count)
    }

    /// Runs to the end.
    func run() -> Generation {
        var loop = self
        var emitter = loop.emitter
        emitter.run(on: model) {
            speculator.begin(prompt: request.prompt, endTokens: request.endTokens)
        } decode: {
            loop.decode(&$0)
        }
        var generation = emitter.generation
        generation.speculation = loop.telemetry
        speculator.end(
            completion: generation.tokens, prompt: request.prompt, isCancelled: request.cancellation.isRaised)
        return generation
    }

    private mutating func decode(_ emitter: inout TokenEmitter) -> StopReason {
        let attentionBefore = model.attentionTime
        defer { telemetry.attentionTime = model.attentionTime - attentionBefore }
        var step = drawAndEmit(row: 0, &emitter)
        while true {
            switch step {
            case .stopped(let reason): return reason
            case .emitted(let token): step = round(root: token, &emitter)
            }
        }
    }

    private func drawAndEmit(row: Int, _ emitter: inout TokenEmitter) -> TokenEmitter.Step {
        emitter.drawAndEmit(model.logits(row: row)) { speculator.append($0) }
    }

    /// One pass of the target over `root`, which is emitted but not yet in the cache, and what was proposed after it.
    private mutating func round(root: TokenID, _ emitter: inout TokenEmitter) -> TokenEmitter.Step {
        let clock = ContinuousClock()
        let depth = model.tokens.count
        // The last token that may be emitted needs no node: it is drawn, not verified.
        let tree = speculator.propose(root: root, depthLimit: emitter.remainingCount - 1)
        let start = clock.now
        let round = KVRound(on: model.cache, rowCount: tree.isChain ? tree.count : tree.depth + 1)
        guard model.compute(tree, in: round) else { return .stopped(.cancelled) }
        let passEnd = clock.now
        let emittedBefore = emitter.generation.tokens.count
        var stopReason: StopReason?
        let outcome = Verifier.walk(tree) { node in
            switch drawAndEmit(row: node, &emitter) {
            case .emitted(let token): return token
            case .stopped(let reason):
                stopReason = reason
                return nil
            }
        }
        let walkEnd = clock.now
        model.commit(path: outcome.path, of: tree, in: round)
        let end = clock.now
        let emitted = emitter.generation.tokens[emittedBefore...]
        speculator.observe(
            tree, emitted: emitted, depth: depth, passSeconds: (passEnd - start) / .seconds(1),
            commitSeconds: (end - walkEnd) / .seconds(1))
        telemetry.record(
            tree, path: outcome.path, emitted: emitted.count, levelRowCounts: speculator.lastLevelRowCounts)
        telemetry.draftTime += speculator.lastDraftTime
        telemetry.targetTime += passEnd - start
        telemetry.verificationTime += end - passEnd
        if let stopReason { return .stopped(stopReason) }
        guard let next = outcome.next else { preconditionFailure("a walk ends in a token or in a reason") }
        return .emitted(next)
    }
}
