// The engine's public face: an actor on a thread of its own that owns one model and its resident sequences.
// Calls are synchronous inside: no suspension between the start and the end of a generation, so no reentrancy.

/// Loads a model and continues prompts. One generation at a time, in order of the calls; a generation ends early
/// when its cancellation flag is raised, within a ticket of work.
package actor InferenceEngine {
    private let thread: ComputeThread
    let team: ThreadTeam
    let model: Model
    private let speculator: Speculator?
    private let alternatives: [Speculator?]

    /// The model's tokenizer; usable from any thread.
    package nonisolated let tokenizer: Tokenizer
    /// Tokens that structure a prompt: a completion that reaches one has ended.
    package nonisolated let controlTokens: [TokenID]
    package nonisolated let configuration: ModelConfiguration
    /// The most positions a prompt and its continuation can have together.
    package nonisolated let positionLimit: Int
    package nonisolated let threadCount: Int
    package nonisolated let instructionSet: InstructionSet
    /// Where the model was read from.
    package nonisolated let modelPath: String

    /// Bytes of one block of keys and values; nil for the float reference, which has none.
    nonisolated let blockByteCount: Int?

    enum Model {
        case quantized(TransformerModel)
        case reference(ReferenceModel)
    }

    package nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    /// Reads and prepares a model. Takes about a tenth of a second for the default model.
    package init(modelPath: String, options: EngineOptions) throws(EngineError) {
        let (file, configuration) = try Self.open(modelPath)
        try configuration.checkKernelShapes(path: modelPath)
        let tokenizer = try Self.tokenizer(of: file)
        guard tokenizer.vocabularySize <= configuration.vocabularySize else {
            throw .unsupportedShape(
                path: modelPath,
                reason:
                    "the tokenizer has \(tokenizer.vocabularySize) tokens, the model \(configuration.vocabularySize)"
            )
        }
        let threadCount = options.threadCount ?? EngineOptions.automaticThreadCount
        guard let team = ThreadTeam(threadCount: threadCount, instructionSet: options.instructionSet) else {
            throw EngineError.threadsUnavailable(count: threadCount)
        }
        let positionLimit = min(options.positionLimit ?? configuration.contextLength, EngineLimits.positions)
        if options.usesReference {
            model = .reference(
                try ReferenceModel(
                    file: file, configuration: configuration, team: team, positionLimit: positionLimit))
            blockByteCount = nil
            speculator = nil
            alternatives = []
        } else {
            let quantized = try TransformerModel(
                weights: try TransformerWeights(file: file, configuration: configuration), team: team,
                positionLimit: positionLimit, path: modelPath)
            model = .quantized(quantized)
            quantized.cache.prefixes.byteLimit = options.cacheByteLimit ?? MemoryShare.standardByteLimit
            blockByteCount = quantized.cache.blockByteCount
            speculator = try Self.speculator(options.speculation, model: quantized, modelPath: modelPath)
            var alternatives: [Speculator?] = []
            for each in options.speculationAlternatives {
                alternatives.append(try Self.speculator(each, model: quantized, modelPath: modelPath))
            }
            self.alternatives = alternatives
        }
        self.team = team
        self.tokenizer = tokenizer
        controlTokens = (0..<tokenizer.vocabularySize).map { TokenID(Int32($0)) }.filter(tokenizer.isControl)
        self.configuration = configuration
        self.positionLimit = positionLimit
        self.threadCount = threadCount
        self.modelPath = modelPath
        instructionSet = options.instructionSet
        thread = ComputeThread(name: "compute")
    }

    private static func speculator(
        _ options: SpeculationOptions, model: TransformerModel, modelPath: String
    ) throws(EngineError) -> Speculator? {
        // In so few positions there is nothing to gain, and no room to measure costs.
        guard options.mode != .off, model.positionLimit >= 64 else { return nil }
        var draft: LongSpecDraft?
        if let path = options.draftPath, options.mode != .lookup {
            let file: GGUFFile
            do { file = try GGUFFile.open(path) } catch { throw .model(error) }
            draft = try LongSpecDraft(file: file, target: model, targetPath: modelPath)
        }
        let longSpec = draft
        return model.team.withLiveRequest(cancellation: nil) {
            Speculator(model: model, options: options, longSpec: longSpec)
        }
    }

    /// Continues a prompt. Errors are about the request; a cancelled generation is a result.
    package func generate(_ request: GenerationRequest) throws(EngineError) -> Generation {
        try generate(request, with: speculator)
    }

    /// The same with one of the options' alternatives instead of the engine's own way to speculate.
    package func generate(_ request: GenerationRequest, alternative: Int) throws(EngineError) -> Generation {
        try generate(request, with: alternatives[alternative])
    }

    /// What an alternative believes about costs behind `depth` positions, in seconds: passes of the given row counts,
    /// and one level of the draft layer (0 without one). Nil where it does not speculate.
    package func believedCosts(
        alternative: Int, rowCounts: [Int], depth: Int
    ) -> (passes: [Double], draftLevel: Double)? {
        guard let speculator = alternatives[alternative] else { return nil }
        return (
            rowCounts.map { speculator.rowCosts.seconds(rows: $0, depth: depth) },
            speculator.draftLevelSeconds
        )
    }

    private func generate(
        _ request: GenerationRequest, with speculator: Speculator?
    ) throws(EngineError) -> Generation {
        try check(request.prompt)
        let sampler = Sampler(
            request.sampling, vocabularySize: configuration.vocabularySize, instructionSet: instructionSet)
        return team.withLiveRequest(cancellation: request.cancellation) {
            switch model {
            case .quantized(let model):
                if let speculator {
                    SpeculativeLoop(
                        model: model, speculator: speculator, tokenizer: tokenizer, request: request,
                        sampler: sampler
                    ).run()
                } else {
                    DecodeLoop(model: model, tokenizer: tokenizer, request: request, sampler: sampler).run()
                }
            case .reference(let model):
                DecodeLoop(model: model, tokenizer: tokenizer, request: request, sampler: sampler).run()
            }
        }
    }

    /// Tokens per second of prefill on this machine as it is now, from two passes. Empties the resident sequence.
    package func measurePrefillRate() -> Double {
        let rows = EngineLimits.rowsPerPass
        let tokens = [TokenID](repeating: TokenID(0), count: 2 * rows)
        let clock = ContinuousClock()
        return team.withLiveRequest(cancellation: nil) {
            let model = languageModel
            model.truncate(to: 0)
            guard model.positionLimit >= tokens.count else { return 0 }
            _ = model.append(tokens[..<rows], logitRowCount: 0)
            let time = clock.measure { _ = model.append(tokens[rows...], logitRowCount: 0) }
            model.truncate(to: 0)
            return Double(rows) / (time / .seconds(1))
        }
    }

    /// Times for reading `promptTokenCount` tokens and for decoding `decodeTokenCount` tokens one by one, both
    /// behind `depth` tokens. The tokens are arbitrary; their values do not change the work. Keeps the depth's keys
    /// and values for the next call.
    package func measureSpeed(
        depth: Int, promptTokenCount: Int, decodeTokenCount: Int
    ) -> (prompt: Duration, decode: Duration) {
        let model = languageModel
        precondition(depth + max(promptTokenCount, decodeTokenCount) <= model.positionLimit)
        let token = TokenID(Int32(configuration.vocabularySize / 2))
        let clock = ContinuousClock()
        return team.withLiveRequest(cancellation: nil) {
            if model.tokens.contains(where: { $0 != token }) { model.truncate(to: 0) }
            model.truncate(to: min(depth, model.tokens.count))
            model.reserve(upTo: depth + max(promptTokenCount, decodeTokenCount))
            func append(_ count: Int) {
                var rest = count
                while rest > 0 {
                    let rows = min(rest, EngineLimits.rowsPerPass)
                    _ = model.append(
                        [TokenID](repeating: token, count: rows)[...], logitRowCount: rest == rows ? 1 : 0)
                    rest -= rows
                }
            }
            append(depth - model.tokens.count)
            let prompt = clock.measure { append(promptTokenCount) }
            model.truncate(to: depth)
            let decode = clock.measure {
                for _ in 0..<decodeTokenCount {
                    _ = model.append([token], logitRowCount: 1)
                }
            }
            model.truncate(to: depth)
            return (prompt, decode)
        }
    }

    /// Bytes of weights and of keys and values in memory.
    package func memoryByteCounts() -> (weights: Int, cache: Int) {
        switch model {
        case .quantized(let model): (model.weightByteCount, model.cache.byteCount)
        case .reference: (0, 0)
        }
    }

    private static func open(_ path: String) throws(EngineError) -> (GGUFFile, ModelConfiguration) {
        do {
            let file = try GGUFFile.open(path)
            return (file, try ModelConfiguration(file))
        } catch {
            throw .model(error)
        }
    }

    private static func tokenizer(of file: GGUFFile) throws(EngineError) -> Tokenizer {
        do {
            return try Tokenizer(file)
        } catch {
            throw .tokenizer(error)
        }
    }

    var languageModel: any LanguageModel {
        switch model {
        case .quantized(let model): model
        case .reference(let model): model
        }
    }

    func check(_ prompt: [TokenID]) throws(EngineError) {
        guard !prompt.isEmpty else { throw .emptyPrompt }
        guard prompt.count < positionLimit else {
            throw .promptTooLong(tokenCount: prompt.count, limit: positionLimit - 1)
        }
        let size = configuration.vocabularySize
        if let bad = prompt.first(where: { !(0..<size).contains(Int($0.rawValue)) }) {
            throw .invalidToken(bad, vocabularySize: size)
        }
    }
}
