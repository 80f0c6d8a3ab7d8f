// The real provider behind `serve`: loads the model in the background while the editor is already being answered,
// keeps one repository context per session, and maps the engine's outcomes to the protocol's.

import Logging
import RepoContext
import SpecEngine
import Synchronization

/// Makes completions for one session.
final class CompletionService: CompletionProvider {
    /// Settings of a session.
    struct Configuration: Sendable {
        var engine: EngineConfiguration
        /// Prompt tokens; nil follows the prefill rate, and is the smallest size until that is known.
        var contextTokens: Int?
        var includesContext = true
        /// Signals that count for nothing.
        var disabledSignals: Set<ContextSignal> = []
        var maximumTokens = CompletionPipeline.defaultMaximumTokens
        /// Where indexes are kept between sessions; nil keeps none.
        var cacheFolder = CacheDirectory.path()
    }

    /// Further suggestions where the user asked for completions.
    private static let alternativeCount = 2
    /// Warm enough to differ from the most probable text, narrow enough to stay sensible.
    private static let alternativeTemperature: Float = 0.8
    private static let alternativeTopP: Float = 0.95

    private struct Ready: Sendable {
        let pipeline: CompletionPipeline
        let tokenBudget: Int
    }

    private let configuration: Configuration
    private let logger: Logger
    /// Starts with the session, so that the model is there when the first request is.
    private let loading: Task<InferenceEngine, any Error>
    private let promptSize: PromptSizeEstimate
    private let deadline: ContextDeadline
    private let context = Mutex<RepositoryContext?>(nil)

    /// - Parameter contextTimeLimit: a request whose context takes longer is answered with nothing.
    init(
        configuration: Configuration, logger: Logger = DaemonLog.logger("completion"),
        contextTimeLimit: Duration = ContextDeadline.defaultLimit
    ) {
        self.configuration = configuration
        self.logger = logger
        deadline = ContextDeadline(limit: contextTimeLimit)
        let promptSize = PromptSizeEstimate(fixedTokenBudget: configuration.contextTokens)
        self.promptSize = promptSize
        let loading = Task.detached { try configuration.engine.load() }
        self.loading = loading
        Task.detached {
            // A failed load is reported by each request.
            guard let engine = try? await loading.value else { return }
            await promptSize.measure(on: engine)
        }
    }

    func workspaceOpened(_ workspace: WorkspaceDescription) {
        let logger = logger
        let made = RepositoryContext(
            RepositoryContext.Configuration(
                workspaceFolders: workspace.rootPaths, cacheFolder: configuration.cacheFolder,
                disabledSignals: configuration.disabledSignals
            ) { line in
                logger.notice("\(line)")
            })
        context.withLock { $0 = made }
    }

    func complete(_ request: CompletionRequest) async -> CompletionOutcome {
        promptSize.requestArrived()
        let ready: Ready
        do {
            ready = try await self.ready()
        } catch {
            return .failed(message: "\(error)")
        }
        if request.cancellation.isCancelled { return .cancelled }
        guard let path = request.document.path else { return .none(reason: "the document is not a file") }
        let flag = CancellationFlag()
        request.cancellation.onCancel { flag.raise() }
        do {
            let asked = pipelineRequest(request, path: path, tokenBudget: ready.tokenBudget, flag: flag)
            let result = try await ready.pipeline.complete(asked)
            promptSize.note(result.generation)
            log(result)
            if result.generation.stopReason == .cancelled { return .cancelled }
            var texts = [result.text].compactMap { $0 }
            if request.triggerKind == .invoked {
                texts += try await alternatives(to: texts, asked, ready.pipeline)
            }
            // Where the menu highlights an item, the server fits the texts to it.
            return .items(
                texts.map { CompletionItem(text: $0, replaceRange: request.byteOffset..<request.byteOffset) })
        } catch let error as RepoContextError {
            switch error {
            case .cancelled: return .cancelled
            case .overdue: logger.warning("\(error)")
            case .secretFile, .privateKey, .credential, .unusablePath: break
            }
            return .none(reason: "\(error)")
        } catch {
            return .failed(message: "\(error)")
        }
    }

    func documentSaved(_ document: DocumentSnapshot) {
        guard let path = document.path, let context = context.withLock({ $0 }) else { return }
        Task { await context.noteSaved(path) }
    }

    func documentClosed(_ uri: DocumentURI) {}

    private func ready() async throws -> Ready {
        let engine = try await loading.value
        let context = context.withLock { context in
            if let context { return context }
            let made = RepositoryContext(RepositoryContext.Configuration { _ in })
            context = made
            return made
        }
        return Ready(
            pipeline: CompletionPipeline(engine: engine, context: context, deadline: deadline),
            tokenBudget: promptSize.tokenBudget)
    }

    private func pipelineRequest(
        _ request: CompletionRequest, path: String, tokenBudget: Int, flag: CancellationFlag
    ) -> CompletionPipeline.Request {
        let open = request.openDocuments.compactMap { document in
            document.path.map { OpenDocument(path: $0, text: document.bytes) }
        }
        return CompletionPipeline.Request(
            query: ContextQuery(
                filePath: path, text: request.document.bytes, cursorOffset: request.byteOffset,
                openDocuments: open,
                recentPaths: request.recentPaths, recentEdits: request.recentEdits,
                tokenBudget: min(tokenBudget, request.contextTokenLimit ?? .max),
                includeContext: configuration.includesContext),
            languageID: request.document.languageID,
            maximumTokens: min(configuration.maximumTokens, request.maximumTokens ?? .max),
            sampling: .greedy, cancellation: flag)
    }

    /// Other texts for a user who asked and may choose. The prompt is the same, so each costs its own tokens alone.
    private func alternatives(
        to texts: [String], _ request: CompletionPipeline.Request, _ pipeline: CompletionPipeline
    ) async throws -> [String] {
        var found: [String] = []
        for seed in 1...UInt64(Self.alternativeCount) {
            var request = request
            request.sampling = try SamplingParameters(
                temperature: Self.alternativeTemperature, topP: Self.alternativeTopP, seed: seed)
            let result = try await pipeline.complete(request)
            if result.generation.stopReason == .cancelled { break }
            if let text = result.text, !texts.contains(text), !found.contains(text) { found.append(text) }
        }
        return found
    }

    private func log(_ result: CompletionPipeline.Result) {
        let generation = result.generation
        logger.debug(
            "completion",
            metadata: [
                "prompt_tokens": "\(generation.promptTokenCount)",
                "reused_tokens": "\(generation.reusedTokenCount)",
                "context_ms": "\(result.contextTime.milliseconds)",
                "prefill_ms": "\(generation.prefillTime.milliseconds)",
                "decode_ms": "\(generation.decodeTime.milliseconds)", "tokens": "\(generation.tokens.count)",
                "stop_reason": "\(generation.stopReason.rawValue)",
                "speculation": generation.speculation.map { telemetry in
                    "\(telemetry.rounds) rounds, \(telemetry.accepted)/\(telemetry.drafted) accepted"
                } ?? "off",
            ])
    }
}

extension Duration {
    /// Milliseconds with three decimals, as logs and JSON give times.
    var milliseconds: Double {
        (self / .milliseconds(1) * 1_000).rounded() / 1_000
    }
}
