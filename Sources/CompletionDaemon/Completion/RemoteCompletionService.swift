// The provider behind `serve` where the user named another engine in settings.json: context, prompt, stop rules and
// post-processing are ours, the tokens come from an OpenAI-compatible server. A file that must not be completed in,
// that holds secrets, or that git or `.foretokenignore` excludes never gets into a prompt: RepositoryContext builds it.

import CompletionEvaluation
import Logging
import RepoContext
import SpecEngine
import Synchronization

/// Makes completions with a server's model.
final class RemoteCompletionService: CompletionProvider {
    /// Settings of a session.
    struct Configuration: Sendable {
        var engine: RemoteEngineSettings
        /// The model whose tokenizer is used where the engine names none; nil looks in the usual places.
        var modelPath: String?
        /// Prompt tokens.
        var contextTokens: Int?
        var includesContext = true
        var disabledSignals: Set<ContextSignal> = []
        var maximumTokens = CompletionPipeline.defaultMaximumTokens
        var cacheDirectory: String?
    }

    /// A server on another machine reads prompts faster than it can be measured from here.
    static let defaultContextTokens = 2_048
    /// A server that is not there is not asked at each keystroke.
    static let retryInterval = Duration.seconds(5)
    private static let connectTimeout = Duration.seconds(3)
    /// Distinct lines on excluded files remembered as reported.
    private static let maximumReportCount = 64

    private struct Model: Sendable {
        let tokenizer: Tokenizer
        let positionLimit: Int
        let endpoint: CompletionEndpoint
    }

    private struct State {
        /// Why the server could not answer, and when: all requests wait a while after that.
        var failure: (message: String, time: ContinuousClock.Instant)?
        var reported: Set<String> = []
    }

    private let configuration: Configuration
    private let logger: Logger
    private let loading: Task<Model, any Error>
    private let contextDeadline: ContextDeadline
    private let state = Mutex(State())
    private let folders: WorkspaceFolders

    init(configuration: Configuration, logger: Logger = DaemonLog.logger("remote")) {
        self.configuration = configuration
        self.logger = logger
        folders = WorkspaceFolders(
            includesContext: configuration.includesContext, disabledSignals: configuration.disabledSignals,
            cacheDirectory: configuration.cacheDirectory, logger: logger)
        contextDeadline = ContextDeadline()
        loading = Task.detached { try Self.load(configuration) }
    }

    private static func load(_ configuration: Configuration) throws -> Model {
        let engine = configuration.engine
        let (tokenizer, limit) = try PromptModel.load(
            explicitPath: engine.tokenizerPath ?? configuration.modelPath)
        return Model(
            tokenizer: tokenizer, positionLimit: limit,
            endpoint: CompletionEndpoint(
                url: engine.url, model: engine.model, key: try EndpointKey.find(file: engine.keyFile), extra: [:],
                timeout: .seconds(engine.timeoutSeconds), connectTimeout: connectTimeout, attemptCount: 1))
    }

    var statusMessage: String { "remote: \(configuration.engine.url)" }

    // MARK: The session

    func workspaceOpened(_ workspace: WorkspaceDescription, progress: any WorkProgress) {
        logger.notice("completions come from \(configuration.engine.url), which is sent parts of your files")
        folders.open(rootPaths: workspace.rootPaths, progress: progress)
    }

    func workspaceChanged(rootPaths: [String]) { folders.change(to: rootPaths) }

    func readAhead(rootPaths: [String]) { folders.readAhead(rootPaths) }

    func documentChanged(_ document: DocumentSnapshot) {}

    func documentSaved(_ document: DocumentSnapshot) {
        guard let path = document.path else { return }
        Task { [context = folders.context] in await context.noteSaved(path) }
    }

    func documentClosed(_ uri: DocumentURI) {}

    func sessionEnded(limit: Duration) { folders.stop() }

    // MARK: Completions

    func complete(_ request: CompletionRequest) async -> CompletionOutcome {
        guard let path = request.document.path else { return .none(reason: "the document is not a file") }
        if let failure = recentFailure { return .failed(message: failure) }
        do {
            return try await answer(request, path: path)
        } catch let error as RepoContextError {
            if case .excluded = error { report("\(error)") }
            return CompletionOutcome(error)
        } catch let error as EvaluationError {
            if request.cancellation.isCancelled { return .cancelled }
            return .failed(message: message(for: error))
        } catch {
            return .failed(message: "\(error)")
        }
    }

    private func answer(_ request: CompletionRequest, path: String) async throws -> CompletionOutcome {
        let model = try await loading.value
        let prompt = try await prompt(for: request, path: path, model)
        if request.cancellation.isCancelled { return .cancelled }
        let body = try body(of: prompt, request, model)
        let first = try await suggestion(body, request, model)
        if request.cancellation.isCancelled { return .cancelled }
        if let doubt = first.doubt { return doubt }
        var texts = [first.text].compactMap { $0 }
        if request.triggerKind == .invoked {
            texts += await alternatives(to: texts, body, request, model)
            if request.cancellation.isCancelled { return .cancelled }
        }
        guard !texts.isEmpty else { return .nothingLeft }
        return .items(
            texts.map { CompletionItem(text: $0, replaceRange: request.byteOffset..<request.byteOffset) })
    }

    private func rules(for request: CompletionRequest) -> StopRules {
        let text = request.document.bytes
        return StopRules(
            prefix: text[..<request.byteOffset], suffix: text[request.byteOffset...],
            languageID: request.document.languageID)
    }

    private func prompt(
        for request: CompletionRequest, path: String, _ model: Model
    ) async throws -> [Int32] {
        let context = folders.context
        let open = request.openDocuments.compactMap { document in
            document.path.map { OpenDocument(path: $0, text: document.bytes) }
        }
        let wanted = min(
            configuration.contextTokens ?? Self.defaultContextTokens, request.contextTokenLimit ?? .max,
            model.positionLimit - tokenLimit(request) - 1)
        let tokenizer = EnginePromptTokenizer(tokenizer: model.tokenizer)
        let cancellation = request.cancellation
        let includesContext = configuration.includesContext
        return try await contextDeadline.run(path: path) { isAbandoned in
            let query = ContextQuery(
                filePath: path, text: request.document.bytes, cursorOffset: request.byteOffset,
                openDocuments: open, recentPaths: request.recentPaths, recentEdits: request.recentEdits,
                tokenBudget: max(PromptBudget.minimumTotalTokenCount, wanted),
                includeContext: includesContext, leavesMachine: true,
                isCancelled: { cancellation.isCancelled || isAbandoned() })
            return try await context.prompt(for: query, tokenizer: tokenizer)
        }.prompt.tokens
    }

    private func tokenLimit(_ request: CompletionRequest) -> Int {
        min(configuration.maximumTokens, request.maximumTokens ?? .max)
    }

    private func body(
        of prompt: [Int32], _ request: CompletionRequest, _ model: Model
    ) throws -> EndpointRequest {
        let parts = try RemotePrompt(form: configuration.engine.promptForm, tokenizer: model.tokenizer).parts(
            of: prompt, document: request.document.bytes, cursor: request.byteOffset)
        return EndpointRequest(
            prompt: parts.prompt, suffix: parts.suffix, maximumTokens: tokenLimit(request), temperature: 0, seed: 0,
            wantsProbabilities: request.minimumConfidence.map { $0 > 0 } ?? false)
    }

    /// The text, if any is left, and what to answer instead where the model is not sure enough of it.
    private func suggestion(
        _ body: EndpointRequest, _ request: CompletionRequest, _ model: Model
    ) async throws -> (text: String?, doubt: CompletionOutcome?) {
        let start = ContinuousClock.now
        let rules = rules(for: request)
        let answer = try await send(body, request, rules, model.endpoint)
        state.withLock { $0.failure = nil }
        logger.debug(
            "completion",
            metadata: [
                "engine": "remote", "first_token_ms": "\(answer.firstTokenTime?.milliseconds ?? 0)",
                "total_ms": "\((ContinuousClock.now - start).milliseconds)",
                "prompt_tokens": "\(answer.promptTokens ?? 0)", "reused_tokens": "\(answer.reusedTokens ?? 0)",
                "stop_reason": "\(answer.stopReason)",
            ])
        let document = request.document.bytes
        let text = PostProcessor(
            prefix: document[..<request.byteOffset], suffix: document[request.byteOffset...], stopRules: rules,
            indentation: request.indentation
        ).process(answer.text, isCut: answer.stopReason == "length")
        return (text, request.doubt(confidence: answer.confidence))
    }

    /// Further texts, none of them among `first`. What fails here costs nothing else: the first answer is there.
    private func alternatives(
        to first: [String], _ body: EndpointRequest, _ request: CompletionRequest, _ model: Model
    ) async -> [String] {
        await Alternatives.find(besides: first, logger: logger) { seed in
            if request.cancellation.isCancelled { throw RepoContextError.cancelled }
            var body = body
            body.temperature = Alternatives.temperature
            body.seed = seed
            let (text, doubt) = try await suggestion(body, request, model)
            return doubt == nil ? text : nil
        }
    }

    /// The transfer blocks, so it has a thread of its own.
    private func send(
        _ body: EndpointRequest, _ request: CompletionRequest, _ rules: StopRules, _ endpoint: CompletionEndpoint
    ) async throws -> EndpointAnswer {
        let stop = GrowingStop(rules)
        let cancellation = request.cancellation
        return try await withCheckedThrowingContinuation { continuation in
            let isStarted = BlockingThread.start(name: "remote-http") {
                continuation.resume(
                    with: Result {
                        try endpoint.complete(
                            body, isCancelled: { cancellation.isCancelled },
                            shouldStop: { stop.shouldStop(generated: $0) })
                    })
            }
            if !isStarted {
                continuation.resume(
                    throwing: EvaluationError(.data, "no thread could be started", fix: "check ulimit -u"))
            }
        }
    }

    // MARK: What goes wrong

    private var recentFailure: String? {
        state.withLock { state in
            guard let failure = state.failure, ContinuousClock.now - failure.time < Self.retryInterval else {
                return nil
            }
            return failure.message
        }
    }

    /// What the user is told. A server that cannot answer now is left alone for a while; what it refuses in one
    /// document it may well answer in another.
    private func message(for error: EvaluationError) -> String {
        let problem = "\(error.message): \(error.fix)"
        switch error.kind {
        case .endpoint:
            let message = "the remote engine does not answer: \(problem) (settings.json names it as \"engine\")"
            state.withLock { $0.failure = (message, .now) }
            return message
        case .refusal:
            return "the remote engine refuses to answer: \(problem) (settings.json names it as \"engine\")"
        case .usage, .data, .broken:
            return "remote engine: \(problem)"
        }
    }

    /// Says a thing once.
    private func report(_ line: String) {
        let isNew = state.withLock { state in
            if state.reported.count >= Self.maximumReportCount { state.reported.removeAll() }
            return state.reported.insert(line).inserted
        }
        if isNew { logger.notice("\(line)") }
    }
}

extension EndpointAnswer {
    /// As `Generation.confidence`; nil where the server does not tell probabilities.
    fileprivate var confidence: Double? {
        Confidence.of(logProbabilities)
    }
}
