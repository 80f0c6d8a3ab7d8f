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
        /// How long an answer that nobody asked for may take; nil lets it take as long as it does.
        var automaticLimit: Duration? = AnswerDeadline.standardLimit
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
    private let contextDeadline: ContextDeadline
    private let folders: WorkspaceFolders
    private let session = Mutex(Session())
    /// When a document was last changed.
    private let lastChange = Mutex<ContinuousClock.Instant?>(nil)
    private let requestCount = Atomic<Int>(0)
    /// Requests with a deadline that are worked on, also behind their answers.
    private let workCount = Atomic<Int>(0)
    /// Such requests at once. The server's own bound counts answers, and theirs is out before the work ends.
    static let maximumWorkCount = 64

    /// What `initialize` brought, and what is made of it once the model is there.
    private struct Session {
        var progress: any WorkProgress = NoProgress()
        var ready: Ready?
    }

    /// - Parameter contextTimeLimit: a request whose context takes longer is answered with nothing.
    init(
        configuration: Configuration, logger: Logger = DaemonLog.logger("completion"),
        contextTimeLimit: Duration = ContextDeadline.defaultLimit
    ) {
        self.configuration = configuration
        self.logger = logger
        contextDeadline = ContextDeadline(limit: contextTimeLimit)
        folders = WorkspaceFolders(
            includesContext: configuration.includesContext, disabledSignals: configuration.disabledSignals,
            cacheDirectory: configuration.cacheDirectory, logger: logger)
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
        folders.open(rootPaths: workspace.rootPaths, progress: progress) { [weak self] rootPaths in
            self?.session.withLock { $0.ready }?.keeper.watch(rootPaths: rootPaths)
        }
        session.withLock { $0.progress = progress }
        // Stored prompts are attached while the user has not asked for anything yet.
        Task.detached { [weak self] in
            let reporter = progress.begin("Loading the model")
            _ = try? await self?.ready()
            reporter.end()
        }
    }

    func workspaceChanged(rootPaths: [String]) { folders.change(to: rootPaths) }

    func readAhead(rootPaths: [String]) { folders.readAhead(rootPaths) }

    func complete(_ request: CompletionRequest) async -> CompletionOutcome {
        promptSize.requestArrived()
        guard let path = request.document.path else { return .none(reason: "the document is not a file") }
        let requestNumber = requestCount.wrappingAdd(1, ordering: .relaxed).newValue
        guard request.triggerKind == .automatic, let limit = configuration.automaticLimit else {
            return await answer(request, path: path, requestNumber: requestNumber)
        }
        guard startWork() else { return Self.unread }
        let deadline = AnswerDeadline(end: request.arrival + limit, rate: { [promptSize] in promptSize.rate })
        return await deadline.result { [self, deadline] in
            defer { workCount.wrappingSubtract(1, ordering: .relaxed) }
            return await answer(request, path: path, requestNumber: requestNumber, deadline: deadline)
        } ?? Self.unread
    }

    /// False where as many requests are worked on as may be, because what they wait for never comes.
    private func startWork() -> Bool {
        guard workCount.wrappingAdd(1, ordering: .relaxed).newValue > Self.maximumWorkCount else { return true }
        workCount.wrappingSubtract(1, ordering: .relaxed)
        return false
    }

    /// Of a request whose time was over before its prompt was read.
    private static let unread = CompletionOutcome.none(reason: "the prompt is not read yet")

    /// - Parameters:
    ///   - requestNumber: which of the session's requests it is.
    ///   - deadline: nil for an answer that is waited for.
    private func answer(
        _ request: CompletionRequest, path: String, requestNumber: Int, deadline: AnswerDeadline? = nil
    ) async -> CompletionOutcome {
        // Raised when nobody wants the answer any more.
        let flag = CancellationFlag()
        request.cancellation.onCancel { [stop = deadline?.stop] in
            flag.raise()
            stop?.raise()
        }
        let ready: Ready
        do {
            ready = try await self.ready()
        } catch {
            return .failed(message: "\(error)")
        }
        // Who waited for the model and is wanted no more is no activity: that would end what the newest request does.
        if flag.isRaised { return .cancelled }
        // Behind an answer that did not wait for the model only the newest request's work goes on.
        if deadline?.hasPassed ?? false, requestCount.load(ordering: .relaxed) != requestNumber { return .cancelled }
        let activity = ready.keeper.requestArrived()
        do {
            try await contextDeadline.run(path: path) { _ in await ready.keeper.prepare(forFile: path) }
            var asked = pipelineRequest(request, path: path, tokenBudget: promptSize.tokenBudget, flag: flag)
            asked.deadline = deadline
            asked.isOutdated = { [keeper = ready.keeper] in !keeper.isIdle(since: activity) }
            let result = try await ready.pipeline.complete(asked)
            promptSize.note(result.generation)
            log(result)
            let record = result.record(of: asked)
            if result.isUnread, !flag.isRaised {
                ready.keeper.requestUnread(record, since: activity, isHypothetical: request.isHypothetical)
                return Self.unread
            }
            ready.keeper.requestFinished(
                record, text: result.text, since: activity, isHypothetical: request.isHypothetical)
            return await outcome(of: result, asked, request, ready.pipeline)
        } catch let error as RepoContextError {
            if case .overdue = error { logger.warning("\(error)") }
            return CompletionOutcome(error)
        } catch {
            return .failed(message: "\(error)")
        }
    }

    private func outcome(
        of result: CompletionPipeline.Result, _ asked: CompletionPipeline.Request, _ request: CompletionRequest,
        _ pipeline: CompletionPipeline
    ) async -> CompletionOutcome {
        if request.cancellation.isCancelled { return .cancelled }
        if result.generation.stopReason == .cancelled, !result.isOverdue { return .cancelled }
        if let doubt = request.doubt(confidence: result.generation.confidence) { return doubt }
        var texts = [result.text].compactMap { $0 }
        if request.triggerKind == .invoked {
            texts += await alternatives(to: texts, asked, pipeline)
        }
        guard !texts.isEmpty else {
            return result.isOverdue ? .none(reason: "no line was written in time") : .nothingLeft
        }
        // Where the menu highlights an item, the server fits the texts to it.
        return .items(
            texts.map {
                CompletionItem(
                    text: $0, replaceRange: request.byteOffset..<request.byteOffset,
                    isUnfinished: result.isOverdue)
            })
    }

    func documentChanged(_ document: DocumentSnapshot) {
        lastChange.withLock { $0 = .now }
        guard let path = document.path, let ready = session.withLock({ $0.ready }) else { return }
        ready.keeper.documentChanged(path: path, text: document.bytes)
    }

    func sessionEnded(limit: Duration) {
        folders.stop()
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
        guard let path = document.path else { return }
        let keeper = session.withLock { $0.ready?.keeper }
        Task { [context = folders.context] in
            await context.noteSaved(path)
            keeper?.documentSaved()
        }
    }

    func documentClosed(_ uri: DocumentURI) {}

    private func ready() async throws -> Ready {
        let engine = try await loading.value
        let context = folders.context
        return session.withLock { session in
            if let ready = session.ready { return ready }
            let ready = makeReady(engine: engine, context: context, progress: session.progress)
            session.ready = ready
            ready.keeper.watch(rootPaths: folders.rootPaths)
            return ready
        }
    }

    private func makeReady(
        engine: InferenceEngine, context: RepositoryContext, progress: any WorkProgress
    ) -> Ready {
        let disk = configuration.cacheDirectory.map { SnapshotKeeper(cacheDirectory: $0) }
        let pipeline = CompletionPipeline(
            engine: engine, context: context, contextDeadline: contextDeadline,
            keptContext: disk?.kept ?? KeptContext())
        let share = configuration.runtimeDirectory.flatMap {
            MemoryShare(
                folder: $0, byteLimit: configuration.engine.cacheByteLimit ?? MemoryShare.standardByteLimit)
        }
        let keeper = PrefixKeeper(
            engine: engine, context: context, pipeline: pipeline, disk: disk, memory: share,
            progress: progress, promptSize: promptSize)
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
                "computed_tokens": "\(generation.computedTokenCount)",
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
