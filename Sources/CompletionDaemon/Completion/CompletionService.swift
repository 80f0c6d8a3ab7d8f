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
            let result = try await ready.pipeline.complete(
                pipelineRequest(request, path: path, tokenBudget: ready.tokenBudget, flag: flag))
            promptSize.note(result.generation)
            return outcome(result, request)
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
                recentPaths: request.recentPaths, recentEdits: request.recentEdits, tokenBudget: tokenBudget,
                includeContext: configuration.includesContext),
            languageID: request.document.languageID, maximumTokens: configuration.maximumTokens,
            sampling: .greedy, cancellation: flag)
    }

    private func outcome(_ result: CompletionPipeline.Result, _ request: CompletionRequest)
        -> CompletionOutcome
    {
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
            ])
        if generation.stopReason == .cancelled { return .cancelled }
        guard let text = result.text else { return .none(reason: "the model has nothing to add here") }
        // Where the menu highlights an item, the server fits the text to it.
        return .items([CompletionItem(text: text, replaceRange: request.byteOffset..<request.byteOffset)])
    }
}

extension Duration {
    /// Milliseconds with three decimals, as logs and JSON give times.
    var milliseconds: Double {
        (self / .milliseconds(1) * 1_000).rounded() / 1_000
    }
}
