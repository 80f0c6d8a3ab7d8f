// What the client tells about suggestions, and what its edits tell, on their way into the statistics.

extension LanguageServer {
    /// `workspace/executeCommand`.
    func executeCommand(_ params: ExecuteCommandParams, _ pending: PendingRequest) {
        switch params.command {
        case AcceptCommand.name:
            if let id = params.suggestionID { count(ledger.noteAccepted(id)) }
        case SnoozeCommand.name:
            guard let minutes = params.snoozeMinutes else {
                return refuse(pending, "the argument must be a number of minutes, at most a day")
            }
            provider.silence(for: .seconds(minutes * 60))
        default:
            return refuse(pending, "unknown command; there are \(AcceptCommand.name) and \(SnoozeCommand.name)")
        }
        finish(pending) { $0.send(result: NullResult()) }
    }

    private func refuse(_ pending: PendingRequest, _ message: String) {
        finish(pending) { $0.send(error: ResponseError(code: .invalidParams, message: message)) }
    }

    /// Must be told before the edit is applied.
    func noteEdit(_ params: DidChangeParams) {
        let change = params.contentChanges.count == 1 ? params.contentChanges.first : nil
        let isInsertion = change?.range.map { $0.start == $0.end } ?? false
        count(
            ledger.noteEdit(
                of: params.textDocument.uri, insertion: isInsertion ? change?.text : nil, now: .now))
    }

    /// Counts what of the texts that were taken a while ago is still in a document.
    func noteKept(_ document: DocumentSnapshot) {
        count(ledger.noteKept(in: document, now: .now))
    }

    func count(_ events: [UsageEvent]) {
        for event in events { usage?.note(event) }
    }
}
