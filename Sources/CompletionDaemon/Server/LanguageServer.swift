// The server: one loop over events, on one thread, holding all of a session's state. Handlers never wait for
// completions: they start the provider with a snapshot and get the outcome back as an event. All answers are
// sent from this loop, which is what makes "exactly once" easy to see.

import Logging

/// How a session is served.
struct ServerOptions: Sendable {
    /// Shown to the client as the server's version.
    var version: String
    var limits = Limits()
    /// Writes the session to a file when set.
    var recorder: TranscriptRecorder?
    /// Counts what becomes of suggestions when set.
    var usage: UsageRecorder?
    /// The editor's process; the session ends with it.
    var clientProcessID: Int64?
    var logger = DaemonLog.logger("server")
}

/// The state and the handlers. Confined to the thread that calls `run`.
final class LanguageServer {
    /// A completion whose provider call has not returned, or whose request is not answered.
    struct RunningCompletion {
        let request: PendingRequest
        let document: DocumentSnapshot
        let byteOffset: Int
        let triggerKind: InlineCompletionTriggerKind
        let selectedCompletion: SelectedCompletion?
        var indentation: IndentationStyle?
        /// Answered as an item of the completion menu.
        var isForMenu = false
        let start: ContinuousClock.Instant
    }

    let provider: any CompletionProvider
    let events: EventQueue
    let inFlight: InFlightRequests
    let sink: any MessageSink
    let limits: Limits
    let logger: Logger
    let usage: UsageRecorder?
    private let version: String
    private let clientProcessID: Int64?

    private var lifecycle = LifecycleState.started
    var encoding = PositionEncoding.utf16
    var documents: DocumentStore
    /// Unanswered completions by ticket.
    var running: [CompletionTicket: RunningCompletion] = [:]
    /// Provider calls that have not returned, those already answered included.
    var startedCallCount = 0
    var ticketCount = 0
    var ledger = SuggestionLedger()
    var client = ClientState()
    var requests = ServerRequests()
    /// Nil for clients that cannot show it.
    private var progress: WorkDoneProgress?
    /// The failure last shown to the user, so that typing does not repeat it.
    var lastShownFailure: String?
    /// The same for the log, which holds requests of all kinds.
    var lastLoggedFailure: String?

    init(
        provider: any CompletionProvider, events: EventQueue, inFlight: InFlightRequests,
        sink: any MessageSink, options: ServerOptions
    ) {
        self.provider = provider
        self.events = events
        self.inFlight = inFlight
        self.sink = sink
        limits = options.limits
        logger = options.logger
        usage = options.usage
        version = options.version
        clientProcessID = options.clientProcessID
        documents = DocumentStore(limits: options.limits)
    }

    /// Handles events until the session ends; the exit code. Blocks the calling thread.
    func run() -> Int32 {
        if let clientProcessID { watch(clientProcessID) }
        while let event = events.pop() {
            if let exitCode = handle(event) {
                endSession()
                return exitCode
            }
        }
        endSession()
        return lifecycle.exitCode
    }

    /// Handles one event; the exit code when it ends the session.
    func handle(_ event: Event) -> Int32? {
        switch event {
        case .request(let request, let pending):
            handle(request, pending)
        case .notification(.exit):
            logger.info("exit")
            return lifecycle.exitCode
        case .notification(let notification):
            handle(notification)
        case .response(let id, let response):
            if let id, let handler = requests.handler(for: id) {
                handler(response)
                break
            }
            guard let id, progress?.answered(id, isError: response == .error) ?? false else {
                logger.debug("response to no request of this server: id \(id?.description ?? "null")")
                break
            }
        case .invalidMessage(let reply, let error):
            logger.warning("invalid message: \(error.message)")
            reply.send(error: error)
        case .malformedFrame(let error):
            logger.warning("malformed message frame: \(error)")
            let error = ResponseError(code: .parseError, message: error.description)
            ReplyToken(id: nil, sink: sink, logger: logger).send(error: error)
        case .completionFinished(let ticket, let outcome):
            completionFinished(ticket, outcome)
        case .inputEnded(let end):
            logEnd(end)
            return lifecycle.exitCode
        case .outputBroken:
            return lifecycle.exitCode
        }
        return nil
    }

    private func logEnd(_ end: InputEnd) {
        switch end {
        case .closed:
            logger.info("the client closed the input")
        case .exitReceived:
            break
        case .closedInsideMessage:
            logger.error("the input ended inside a message; the client may have crashed")
        case .unusable(let error):
            logger.error(
                "giving up after \(limits.consecutiveFrameErrorCount) malformed frames, the last: \(error)")
        case .failed(let code):
            logger.error("cannot read from the client (errno \(code))")
        }
    }

    /// Answers all that is unanswered: nothing may be left waiting, even now.
    private func endSession() {
        events.close()
        while let event = events.popIfAvailable() {
            switch event {
            case .request(_, let pending): finish(pending) { $0.send(error: .sessionEnded) }
            case .invalidMessage(let reply, let error): reply.send(error: error)
            case .notification, .response, .malformedFrame, .completionFinished, .inputEnded, .outputBroken:
                break
            }
        }
        stopAllCompletions()
    }

    private func stopAllCompletions() {
        for (_, completion) in running {
            completion.request.cancellation.cancel(.sessionEnded)
            finish(completion.request) { $0.send(error: .sessionEnded) }
        }
        running = [:]
    }

    /// Answers a request and forgets it. Forgotten first: the client may use the id again once it has the
    /// answer.
    func finish(_ request: PendingRequest, _ answer: (ReplyToken) -> Void) {
        inFlight.remove(request.id)
        answer(request.reply)
    }

    // MARK: Requests

    private func handle(_ request: ClientRequest, _ pending: PendingRequest) {
        if let refusal = lifecycle.refusal(of: request) {
            finish(pending) { $0.send(error: refusal) }
            return
        }
        switch request {
        case .initialize(let params):
            initialize(params, pending)
        case .shutdown:
            lifecycle = .shutDown
            stopAllCompletions()
            finish(pending) { $0.send(result: NullResult()) }
        case .inlineCompletion(let params):
            inlineCompletion(params, pending)
        case .menuCompletion(let params):
            menuCompletion(params, pending)
        case .executeCommand(let params):
            executeCommand(params, pending)
        case .unknown(let method):
            logger.debug("unknown request \(method)")
            finish(pending) { $0.send(error: .methodNotFound(method)) }
        case .invalidParams(let method, let reason):
            logger.warning("invalid parameters of \(method): \(reason)")
            finish(pending) { $0.send(error: ResponseError(code: .invalidParams, message: reason)) }
        }
    }

    private func initialize(_ params: InitializeParams, _ pending: PendingRequest) {
        encoding = .negotiated(clientPreference: params.capabilities?.general?.positionEncodings)
        lifecycle = .serving
        client = ClientState(params, maximumRootCount: limits.workspaceFolderCount)
        let result = InitializeResult(
            capabilities: .offered(
                encoding: encoding, registersInlineCompletion: client.registersInlineCompletion,
                offersMenu: provider.offersMenuCompletions(params.initializationOptions)),
            serverInfo: InitializeResult.ServerInfo(name: "foretoken", version: version))
        finish(pending) { $0.send(result: result) }
        let client = params.clientInfo?.name ?? "unknown client"
        logger.info(
            "initialized by \(client), \(encoding.rawValue), \(params.rootPaths.count) workspace folders")
        if let parent = params.processId { watch(parent) }
        if params.capabilities?.window?.workDoneProgress == true {
            progress = WorkDoneProgress(sink: sink, logger: logger)
        }
        provider.workspaceOpened(
            WorkspaceDescription(
                rootPaths: params.rootPaths,
                clientName: params.clientInfo?.name,
                initializationOptions: params.initializationOptions),
            progress: progress ?? NoProgress())
    }

    /// The session ends with the process, as if the input had been closed.
    func watch(_ processID: Int64) {
        ParentWatch.start(processID: processID) { [events] in events.pushWithoutWaiting(.inputEnded(.closed)) }
    }

    // MARK: Notifications

    private func handle(_ notification: ClientNotification) {
        guard lifecycle.acceptsNotifications else {
            logger.debug("notification outside the session's serving time, ignored")
            return
        }
        switch notification {
        case .initialized:
            begin()
        case .exit:
            break
        case .didOpen(let params):
            report(documents.open(params.textDocument), about: params.textDocument.uri)
        case .didChange(let params):
            let uri = params.textDocument.uri
            noteEdit(params)
            report(documents.change(params, encoding: encoding), about: uri)
            if let document = documents.snapshot(uri) { provider.documentChanged(document) }
        case .didSave(let params):
            let uri = params.textDocument.uri
            report(documents.save(uri), about: uri)
            if let document = documents.snapshot(uri) {
                noteKept(document)
                provider.documentSaved(document)
            }
        case .didClose(let params):
            report(documents.close(params.textDocument.uri), about: params.textDocument.uri)
            provider.documentClosed(params.textDocument.uri)
        case .didFocus(let params):
            if let uri = params.textDocument?.uri { documents.touch(uri) }
        case .cancelRequest(let params):
            cancel(params.id)
        case .didChangeConfiguration(let params):
            configurationChanged(params)
        case .didChangeWorkspaceFolders(let params):
            workspaceFoldersChanged(params)
        case .didShowCompletion(let params):
            if let id = params.item.suggestionID { count(ledger.noteShown(id)) }
        case .didPartiallyAcceptCompletion(let params):
            if let id = params.item.suggestionID {
                count(ledger.notePartiallyAccepted(id, utf16Length: params.acceptedLength))
            }
        case .unknown(let method):
            logger.debug("unknown notification \(method)")
        case .invalidParams(let method, let reason):
            logger.warning("invalid parameters of \(method), ignored: \(reason)")
        }
    }

    private func report(_ problems: [DocumentProblem], about uri: DocumentURI) {
        for problem in problems {
            logger.warning("\(uri): \(problem)")
            switch problem {
            case .documentTooLarge, .tooManyDocuments, .textDropped, .tooManyEdits:
                showToUser(.warning, "\(uri): \(problem)")
            case .notOpen, .alreadyOpen, .positionOutsideText, .versionNotNewer, .textUnavailable:
                break
            }
        }
    }

    /// A line in the editor's log of this server.
    func showToUser(_ kind: LogMessageParams.Kind, _ message: String) {
        sink.notify(LogMessageParams.method, LogMessageParams(type: kind, message: message), logger: logger)
    }
}
