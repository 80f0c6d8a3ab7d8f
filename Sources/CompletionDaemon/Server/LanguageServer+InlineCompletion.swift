// The life of a completion request: started with a snapshot, answered by its outcome, or answered early when
// it is cancelled or superseded (LSP 3.18: a cancelled request is still answered; a superseded one gets null,
// since an error would show up in front of the user). The provider's late outcome is then dropped.

import Logging

extension LanguageServer {
    /// Starts a completion, or answers at once when there is nothing to start.
    func inlineCompletion(_ params: InlineCompletionParams, _ pending: PendingRequest) {
        let uri = params.textDocument.uri
        supersedeCompletions(of: uri, isForMenu: false)
        guard let document = startable(uri, pending) else { return }
        start(describe(params, pending, in: document))
    }

    /// `textDocument/completion`: the same as one item of the menu.
    func menuCompletion(_ params: MenuCompletionParams, _ pending: PendingRequest) {
        let uri = params.textDocument.uri
        supersedeCompletions(of: uri, isForMenu: true)
        guard let document = startable(uri, pending) else { return }
        start(
            RunningCompletion(
                request: pending, document: document,
                byteOffset: document.resolve(params.position, encoding: encoding).offset, triggerKind: .automatic,
                selectedCompletion: nil, isForMenu: true, start: .now))
    }

    /// The document of a request that can be started; nil once it was answered.
    private func startable(_ uri: DocumentURI, _ pending: PendingRequest) -> DocumentSnapshot? {
        if let reason = pending.cancellation.reason {
            answerStopped(pending, reason)
            return nil
        }
        guard let document = documents.snapshot(uri) else {
            logger.warning("completion in \(uri), which is not open or whose text is not held")
            answerNothing(pending)
            return nil
        }
        guard startedCallCount < limits.runningCompletionCount else {
            logger.warning("\(startedCallCount) completions are still running; this one is not started")
            answerNothing(pending)
            return nil
        }
        documents.touch(uri)
        noteKept(document)
        return document
    }

    private func describe(
        _ params: InlineCompletionParams, _ pending: PendingRequest, in document: DocumentSnapshot
    ) -> RunningCompletion {
        let cursor = document.resolve(params.position, encoding: encoding)
        if cursor.wasClamped {
            logger.warning("completion at a position outside \(document.uri); the nearest place is used")
        }
        let selected = params.context?.selectedCompletionInfo.map { info in
            SelectedCompletion(
                replaceRange: document.resolve(info.range, encoding: encoding).bytes, text: info.text)
        }
        return RunningCompletion(
            request: pending,
            document: document,
            byteOffset: cursor.offset,
            triggerKind: params.triggerKind,
            selectedCompletion: selected,
            indentation: IndentationStyle(params.formattingOptions),
            start: .now)
    }

    private func start(_ completion: RunningCompletion) {
        ticketCount += 1
        let ticket = CompletionTicket(number: ticketCount)
        running[ticket] = completion
        startedCallCount += 1
        let request = CompletionRequest(
            document: completion.document,
            byteOffset: completion.byteOffset,
            triggerKind: completion.triggerKind,
            selectedCompletion: completion.selectedCompletion,
            openDocuments: documents.openDocuments(except: completion.document.uri),
            recentPaths: documents.recentPaths,
            recentEdits: documents.recentEdits.edits,
            cancellation: completion.request.cancellation,
            indentation: completion.indentation)
        tellStatus(.normal, provider.statusMessage, isBusy: true)
        Task.detached { [provider, events] in
            let outcome = await provider.complete(request)
            // Bounded by the number of started calls.
            events.pushWithoutWaiting(.completionFinished(ticket, outcome))
        }
    }

    // MARK: Ends

    /// The provider returned. The request may have been answered long before.
    func completionFinished(_ ticket: CompletionTicket, _ outcome: CompletionOutcome) {
        startedCallCount -= 1
        guard let completion = running.removeValue(forKey: ticket) else { return }
        logger.debug(
            "answered",
            metadata: [
                "id": "\(completion.request.id)",
                "total_ms": "\((ContinuousClock.now - completion.start).milliseconds)",
                "outcome": "\(outcome.name)",
            ])
        let pending = completion.request
        // Marked while the outcome was on its way: the mark's own message comes later and finds nothing.
        if let reason = pending.cancellation.reason {
            answerStopped(pending, reason)
            return
        }
        tellStatus(after: outcome)
        switch outcome {
        case .items(let items):
            // A failure that comes back is said again.
            (lastLoggedFailure, lastShownFailure) = (nil, nil)
            answer(completion, items)
        case .none(let reason), .inactive(let reason):
            logger.debug("no completion: \(reason)")
            noteAnswer(completion, isEmpty: true)
            answerNothing(pending)
        case .cancelled:
            answerNothing(pending)
        case .failed(let message):
            answerFailure(completion, message)
        }
    }

    /// `$/cancelRequest` in its place in the queue; the work itself was told when the message was read.
    func cancel(_ id: RequestID) {
        guard let (ticket, completion) = running.first(where: { $0.value.request.id == id }) else { return }
        running[ticket] = nil
        answerStopped(completion.request, .client)
    }

    /// A newer request for the document was read: older ones get their answer now.
    private func supersedeCompletions(of uri: DocumentURI, isForMenu: Bool) {
        for (ticket, completion) in running
        where completion.document.uri == uri && completion.isForMenu == isForMenu {
            running[ticket] = nil
            completion.request.cancellation.cancel(.superseded)
            answerStopped(completion.request, completion.request.cancellation.reason ?? .superseded)
        }
    }

    // MARK: Answers

    private func answer(_ completion: RunningCompletion, _ items: [CompletionItem]) {
        if completion.isForMenu { return answerMenu(completion, items) }
        let answer = InlineCompletionAnswer(
            document: completion.document,
            selectedCompletion: completion.selectedCompletion,
            encoding: encoding)
        let (list, invalidItemCount) = answer.list(items) { texts in
            ledger.send(texts, in: completion.document, now: .now)
        }
        if invalidItemCount > 0 {
            logger.critical("\(invalidItemCount) completions with a range outside one line were not sent")
        }
        noteAnswer(completion, isEmpty: list == nil)
        guard let list else { return answerNothing(completion.request) }
        finish(completion.request) { $0.send(result: list) }
    }

    private func answerMenu(_ completion: RunningCompletion, _ items: [CompletionItem]) {
        let answer = MenuCompletionAnswer(
            document: completion.document, byteOffset: completion.byteOffset, encoding: encoding)
        let list = answer.list(items) { ledger.send($0, in: completion.document, now: .now) }
        noteAnswer(completion, isEmpty: list == nil)
        guard let list else { return answerNothing(completion.request) }
        finish(completion.request) { $0.send(result: list) }
    }

    private func noteAnswer(_ completion: RunningCompletion, isEmpty: Bool) {
        usage?.noteAnswer(
            languageID: completion.document.languageID, isEmpty: isEmpty,
            latency: ContinuousClock.now - completion.start)
    }

    private func answerNothing(_ pending: PendingRequest) {
        finish(pending) { $0.send(result: NullResult()) }
    }

    private func answerStopped(_ pending: PendingRequest, _ reason: RequestCancellation.Reason) {
        switch reason {
        case .client: finish(pending) { $0.send(error: .requestCancelled) }
        case .superseded: answerNothing(pending)
        case .sessionEnded: finish(pending) { $0.send(error: .sessionEnded) }
        }
    }

    /// Somebody who asked gets the error. While typing it goes to the log once: many editors would show an
    /// error at every key.
    private func answerFailure(_ completion: RunningCompletion, _ message: String) {
        // A server that refuses is asked at each keystroke, and refuses each time.
        logger.log(level: message == lastLoggedFailure ? .debug : .error, "completion failed: \(message)")
        lastLoggedFailure = message
        switch completion.triggerKind {
        case .invoked:
            finish(completion.request) {
                $0.send(error: ResponseError(code: .requestFailed, message: message))
            }
        case .automatic:
            if lastShownFailure != message {
                lastShownFailure = message
                showToUser(.error, message)
            }
            answerNothing(completion.request)
        }
    }
}

extension CompletionOutcome {
    /// For the log.
    fileprivate var name: String {
        switch self {
        case .items(let items): "\(items.count) items"
        case .none: "none"
        case .inactive: "inactive"
        case .cancelled: "cancelled"
        case .failed: "failed"
        }
    }
}

extension IndentationStyle {
    /// Nil where the editor does not say.
    fileprivate init?(_ options: InlineCompletionParams.FormattingOptions?) {
        guard let options, let insertSpaces = options.insertSpaces, let width = options.tabSize,
            Self.widths.contains(width)
        else { return nil }
        self.init(usesTabs: !insertSpaces, width: width)
    }
}
