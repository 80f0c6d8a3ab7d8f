// The engine's public face: an actor on a thread of its own that owns one model and its resident sequences.
// Calls are synchronous inside: no suspension between the start and the end of a generation, so no reentrancy.

/// Loads a model and continues prompts. One generation at a time, in order of the calls; a generation ends early
/// when its cancellation flag is raised, within a ticket of work.
package actor InferenceEngine {
    private let thread: ComputeThread
    let team: ThreadTeam
    let model: Model
    let speculator: Speculator?
    let alternatives: [Speculator?]
    private var isMeasuring = false

    /// The model's tokenizer; usable from any thread.
    package nonisolated let tokenizer: Tokenizer
    /// Tokens that structure a prompt: a completion that reaches one has ended.
    package nonisolated let controlTokens: [TokenID]
    package nonisolated let configuration: ModelConfiguration
    /// The most positions a prompt and its continuation can have together.
    package nonisolated let positionLimit: Int
    package nonisolated let threadCount: Int
    /// Whether the number of threads is `ThreadChoice.automatic`'s.
    package nonisolated let choseThreads: Bool
    package nonisolated let instructionSet: InstructionSet
    /// Where the model was read from.
    package nonisolated let modelPath: String
    /// The file that was read; by now there may be another one at `modelPath`.
    package nonisolated let modelIdentity: FileIdentity

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
        let threadCount = options.threadCount ?? ThreadChoice.automatic.count
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
            let weights = try Self.weights(of: file, configuration, team: team)
            let quantized = try TransformerModel(
                weights: weights, team: team, positionLimit: positionLimit, path: modelPath)
            model = .quantized(quantized)
            quantized.cache.prefixes.byteLimit = options.cacheByteLimit ?? MemoryShare.standardByteLimit
            blockByteCount = quantized.cache.blockByteCount
            speculator = try Self.speculator(
                options.speculation, model: quantized, in: options, modelPath: modelPath)
            var alternatives: [Speculator?] = []
            for each in options.speculationAlternatives {
                alternatives.append(
                    try Self.speculator(each, model: quantized, in: options, modelPath: modelPath))
            }
            self.alternatives = alternatives
        }
        self.team = team
        self.tokenizer = tokenizer
        controlTokens = (0..<tokenizer.vocabularySize).map { TokenID(Int32($0)) }.filter(tokenizer.isControl)
        self.configuration = configuration
        self.positionLimit = positionLimit
        self.threadCount = threadCount
        choseThreads = options.threadCount == nil
        self.modelPath = modelPath
        modelIdentity = file.identity
        instructionSet = options.instructionSet
        thread = ComputeThread(name: "compute")
    }

    /// Repacks the weights on all threads.
    private static func weights(
        of file: GGUFFile, _ configuration: ModelConfiguration, team: ThreadTeam
    ) throws(EngineError) -> TransformerWeights {
        let loaded = team.withLiveRequest(cancellation: nil) {
            Result { () throws(EngineError) in
                try TransformerWeights(file: file, configuration: configuration, team: team)
            }
        }
        return try loaded.get()
    }

    private static func speculator(
        _ options: SpeculationOptions, model: TransformerModel, in engine: EngineOptions, modelPath: String
    ) throws(EngineError) -> Speculator? {
        // In so few positions there is nothing to gain, and no room to measure costs.
        guard options.mode != .off, model.positionLimit >= 64 else { return nil }
        var draft: LongSpecDraft?
        if let path = options.draftPath, options.mode != .lookup {
            let file: GGUFFile
            do { file = try GGUFFile.open(path) } catch { throw .model(error) }
            draft = try LongSpecDraft(
                file: file, target: model, targetPath: modelPath, checksum: engine.checksum,
                headTokenCount: options.draftHeadTokenCount)
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

    func generate(
        _ request: GenerationRequest, with speculator: Speculator?
    ) throws(EngineError) -> Generation {
        try check(request.prompt)
        let sampler = Sampler(
            request.sampling, vocabularySize: configuration.vocabularySize, instructionSet: instructionSet)
        defer { measureFurtherSoon() }
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

    // MARK: Costs of speculation behind further depths

    /// Measuring waits until the answer is out and lets requests come first: every pass is a job of its own.
    private func measureFurtherSoon() {
        guard !isMeasuring, speculatorToMeasure != nil else { return }
        isMeasuring = true
        Task { [weak self] in
            while await self?.measureFurther() ?? false {}
        }
    }

    private var speculatorToMeasure: Speculator? {
        ([speculator] + alternatives).lazy.compactMap { $0 }.first(where: \.needsMeasuring)
    }

    /// One pass; false when nothing is left to measure.
    func measureFurther() -> Bool {
        guard let speculator = speculatorToMeasure else {
            isMeasuring = false
            return false
        }
        team.withLiveRequest(cancellation: nil) { speculator.measureFurther() }
        return true
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
