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
        /// Where indexes, snapshots, checksums and shared weights are kept; nil keeps nothing on the disk.
        var cacheDirectory: String?
        /// Where the user's daemons tell each other what memory they use.
        var runtimeDirectory: String?
    }

    private struct Ready: Sendable {
        let pipeline: CompletionPipeline
        let keeper: PrefixKeeper
    }

    private let configuration: Configuration
    private let logger: Logger
    /// Starts with the session, so that the model is there when the first request is.
    private let loading: Task<InferenceEngine, any Error>
    private let promptSize: PromptSizeEstimate
    private let deadline: ContextDeadline
    private let context = Mutex<RepositoryContext?>(nil)
    private let session = Mutex(Session())
    private let folderChanges = LatestWork()
    /// When a document was last changed.
    private let lastChange = Mutex<ContinuousClock.Instant?>(nil)

    /// What `initialize` brought, and what is made of it once the model is there.
    private struct Session {
        var rootPaths: [String] = []
        /// Those of them whose repositories are read before anybody asks.
        var readAheadPaths: [String] = []
        var progress: any WorkProgress = NoProgress()
        var indexing: WorkspaceIndexing?
        var ready: Ready?
    }

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
        let calibration = Calibration(cacheDirectory: configuration.cacheDirectory)
        let loading = Task.detached {
            let engine = try configuration.engine.load()
            if let known = calibration.tokenBudget(for: Calibration.key(of: engine)) {
                promptSize.use(tokenBudget: known)
            }
            return engine
        }
        self.loading = loading
        Task.detached {
            // A failed load is reported by each request.
            guard let engine = try? await loading.value, !promptSize.isMeasured else { return }
            await promptSize.measure(on: engine)
            if promptSize.isMeasured {
                calibration.keep(promptSize.tokenBudget, for: Calibration.key(of: engine))
            }
        }
    }

    func workspaceOpened(_ workspace: WorkspaceDescription, progress: any WorkProgress) {
        let logger = logger
        let made = RepositoryContext(
            RepositoryContext.Configuration(
                workspaceFolders: workspace.rootPaths, cacheFolder: configuration.cacheDirectory,
                disabledSignals: configuration.disabledSignals
            ) { line in
                logger.notice("\(line)")
            })
        context.withLock { $0 = made }
        let indexing = configuration.includesContext ? WorkspaceIndexing(context: made, progress: progress) : nil
        session.withLock { session in
            session.rootPaths = workspace.rootPaths
            session.progress = progress
            session.indexing = indexing
        }
        // Stored prompts are attached while the user has not asked for anything yet.
        Task.detached { [weak self] in
            let reporter = progress.begin("Loading the model")
            _ = try? await self?.ready()
            reporter.end()
        }
    }

    func workspaceChanged(rootPaths: [String]) {
        session.withLock { $0.rootPaths = rootPaths }
        followFolders()
    }

    func readAhead(rootPaths: [String]) {
        session.withLock { $0.readAheadPaths = rootPaths }
        followFolders()
    }

    /// Does what follows from the folders as they are by then.
    private func followFolders() {
        guard let context = context.withLock({ $0 }) else { return }
        folderChanges.submit { [weak self] in
            guard let session = self?.session.withLock({ $0 }) else { return }
            await context.setWorkspaceFolders(session.rootPaths)
            session.ready?.keeper.watch(rootPaths: session.rootPaths)
            session.indexing?.start(rootPaths: session.readAheadPaths)
        }
    }

    func complete(_ request: CompletionRequest) async -> CompletionOutcome {
        promptSize.requestArrived()
        let ready: Ready
        do {
            ready = try await self.ready()
        } catch {
            return .failed(message: "\(error)")
        }
        ready.keeper.requestArrived()
        if request.cancellation.isCancelled { return .cancelled }
        guard let path = request.document.path else { return .none(reason: "the document is not a file") }
        let flag = CancellationFlag()
        request.cancellation.onCancel { flag.raise() }
        do {
            try await deadline.run(path: path) { _ in await ready.keeper.prepare(forFile: path) }
            let asked = pipelineRequest(request, path: path, tokenBudget: promptSize.tokenBudget, flag: flag)
            let result = try await ready.pipeline.complete(asked)
            promptSize.note(result.generation)
            ready.keeper.requestFinished(
                PromptRecord(asked, prompt: result.prompt, tokens: result.tokens), text: result.text,
                isHypothetical: request.isHypothetical)
            log(result)
            if result.generation.stopReason == .cancelled { return .cancelled }
            if let doubt = request.doubt(confidence: result.generation.confidence) { return doubt }
            var texts = [result.text].compactMap { $0 }
            if request.triggerKind == .invoked {
                texts += await alternatives(to: texts, asked, ready.pipeline)
            }
            guard !texts.isEmpty else { return .nothingLeft }
            // Where the menu highlights an item, the server fits the texts to it.
            return .items(
                texts.map { CompletionItem(text: $0, replaceRange: request.byteOffset..<request.byteOffset) })
        } catch let error as RepoContextError {
            if case .overdue = error { logger.warning("\(error)") }
            return CompletionOutcome(error)
        } catch {
            return .failed(message: "\(error)")
        }
    }

    func documentChanged(_ document: DocumentSnapshot) {
        lastChange.withLock { $0 = .now }
        guard let path = document.path, let ready = session.withLock({ $0.ready }) else { return }
        ready.keeper.documentChanged(path: path, text: document.bytes)
    }

    func sessionEnded(limit: Duration) {
        session.withLock { $0.indexing }?.stop()
        guard let keeper = session.withLock({ $0.ready?.keeper }) else { return }
        keeper.requestArrived()
        let isDone = Monitor(false)
        Task.detached {
            await keeper.storeRecords()
            isDone.withLock { $0 = true }
        }
        _ = isDone.wait(timeout: limit) { $0 ? true : nil }
    }

    func documentSaved(_ document: DocumentSnapshot) {
        guard let path = document.path, let context = context.withLock({ $0 }) else { return }
        let keeper = session.withLock { $0.ready?.keeper }
        Task {
            await context.noteSaved(path)
            keeper?.documentSaved()
        }
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
        return session.withLock { session in
            if let ready = session.ready { return ready }
            let ready = makeReady(engine: engine, context: context, progress: session.progress)
            session.ready = ready
            ready.keeper.watch(rootPaths: session.rootPaths)
            return ready
        }
    }

    private func makeReady(
        engine: InferenceEngine, context: RepositoryContext, progress: any WorkProgress
    ) -> Ready {
        let disk = configuration.cacheDirectory.map { SnapshotKeeper(cacheDirectory: $0) }
        let pipeline = CompletionPipeline(
            engine: engine, context: context, deadline: deadline, keptContext: disk?.kept ?? KeptContext())
        let share = configuration.runtimeDirectory.flatMap {
            MemoryShare(
                folder: $0, byteLimit: configuration.engine.cacheByteLimit ?? MemoryShare.standardByteLimit)
        }
        let keeper = PrefixKeeper(
            engine: engine, context: context, pipeline: pipeline, disk: disk, memory: share,
            progress: progress)
        return Ready(pipeline: pipeline, keeper: keeper)
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
            sampling: .greedy, cancellation: flag, indentation: request.indentation,
            debounce: request.triggerKind == .automatic ? debounce : nil)
    }

    /// Other texts for a user who asked and may choose. The prompt is the same, so each costs its own tokens alone.
    private func alternatives(
        to texts: [String], _ request: CompletionPipeline.Request, _ pipeline: CompletionPipeline
    ) async -> [String] {
        await Alternatives.find(besides: texts, logger: logger) { seed in
            var request = request
            request.sampling = try SamplingParameters(
                temperature: Alternatives.temperature, topP: Alternatives.topP, seed: seed)
            let result = try await pipeline.complete(request)
            if result.generation.stopReason == .cancelled { throw RepoContextError.cancelled }
            return result.text
        }
    }

    /// Waits before a prompt is read that takes long to read.
    private var debounce: @Sendable (Int) -> Duration {
        let sinceChange = lastChange.withLock { $0.map { ContinuousClock.now - $0 } }
        return { [promptSize] newTokenCount in
            Debounce.wait(newTokenCount: newTokenCount, rate: promptSize.rate, sinceChange: sinceChange)
        }
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
                "waited_ms": "\(result.waitingTime.milliseconds)",
                "processing_ms": "\(result.processingTime.milliseconds)",
                "confidence": "\(generation.confidence.map { ($0 * 100).rounded() / 100 } ?? 0)",
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
