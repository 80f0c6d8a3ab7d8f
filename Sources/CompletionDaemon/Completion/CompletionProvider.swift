// What the language server asks of whatever makes completions, in the server's inner terms: snapshots, byte
// offsets, a flag to stop. No wire type appears here. The real provider joins repository context and the
// engine; the tests' provider answers from a script.

import RepoContext

/// Makes completions. Called by the server; every method may be called from any thread.
protocol CompletionProvider: Sendable {
    /// Once, after `initialize` was answered and before any other call. Must not block.
    func workspaceOpened(_ workspace: WorkspaceDescription, progress: any WorkProgress)

    /// Reads the repositories of these folders before anybody asks, in place of those before. Must not block.
    func readAhead(rootPaths: [String])

    /// The completions for one place in one snapshot. May take long; should return `cancelled` soon after
    /// `request.cancellation` is set. Calls overlap: a newer request may start before an older one returns.
    func complete(_ request: CompletionRequest) async -> CompletionOutcome

    /// The text is another one now. Must not block.
    func documentChanged(_ document: DocumentSnapshot)

    /// The text is now on disk. Must not block.
    func documentSaved(_ document: DocumentSnapshot)

    /// The client let go of the document; what was kept for it may be freed. Must not block.
    func documentClosed(_ uri: DocumentURI)

    /// The workspace's folders are these now. Must not block.
    func workspaceChanged(rootPaths: [String])

    /// The client's settings are these now. Must not block.
    func settingsChanged(_ settings: JSONValue?)

    /// The client's settings for the files of a workspace folder are these now. Must not block.
    func settingsChanged(_ settings: JSONValue?, forFolder path: String)

    /// Whether the user wants completions as items of the completion menu, too. Asked before the session's answer to
    /// `initialize`. Must not block.
    func offersMenuCompletions(_ initializationOptions: JSONValue?) -> Bool

    /// What a status line says beside "Normal"; empty for nothing in particular.
    var statusMessage: String { get }

    /// Nothing is to be suggested while typing for so long; zero ends that. Must not block.
    func silence(for duration: Duration)

    /// The session is over: keeps what the next one can use. Blocks until that is done, for at most `limit`.
    func sessionEnded(limit: Duration)
}

extension CompletionProvider {
    var statusMessage: String { "" }
    func workspaceChanged(rootPaths: [String]) {}
    func settingsChanged(_ settings: JSONValue?) {}
    func settingsChanged(_ settings: JSONValue?, forFolder path: String) {}
    func offersMenuCompletions(_ initializationOptions: JSONValue?) -> Bool { false }
    func silence(for duration: Duration) {}
}

/// What `initialize` said.
struct WorkspaceDescription: Sendable {
    /// Absolute paths, in the client's order; empty when the client opened single files.
    let rootPaths: [String]
    /// The editor's own name, nil when it gave none.
    let clientName: String?
    /// The client's settings, as sent.
    let initializationOptions: JSONValue?
}

/// One request for completions.
struct CompletionRequest: Sendable {
    /// The text at the time of the request. Later edits do not show in it.
    let document: DocumentSnapshot
    /// The cursor in UTF-8 bytes of `document.bytes`, on a character boundary.
    let byteOffset: Int
    let triggerKind: InlineCompletionTriggerKind
    /// The item that the editor's completion menu highlights. Completions that do not begin with it
    /// are not shown.
    let selectedCompletion: SelectedCompletion?
    /// The other open documents, the most recently touched first.
    let openDocuments: [DocumentSnapshot]
    /// Absolute paths of recently touched files, the most recent first, closed ones included.
    let recentPaths: [String]
    /// Places edited in this session, the most recent first.
    var recentEdits: [RecentEdit] = []
    /// Set when nobody waits for the answer any more.
    let cancellation: RequestCancellation
    /// Upper bounds that the user or the repository set.
    var contextTokenLimit: Int?
    var maximumTokens: Int?
    /// The document's text is not what the editor has: an item of its menu stands in it as if it were taken.
    var isHypothetical = false
    /// Less sure completions are not shown; nil shows all.
    var minimumConfidence: Double?
    /// How the editor indents the document, where it says so.
    var indentation: IndentationStyle?
    /// When it came.
    var arrival = ContinuousClock.now
}

extension CompletionRequest {
    /// What a request is answered with whose completion is not sure enough; nil where it is.
    func doubt(confidence: Double?) -> CompletionOutcome? {
        guard let minimumConfidence, let confidence, confidence < minimumConfidence else { return nil }
        let shown = (confidence * 100).rounded() / 100
        return .none(reason: "the model is not sure enough (\(shown) of \(minimumConfidence))")
    }
}

/// The completion menu's highlighted item.
struct SelectedCompletion: Equatable, Sendable {
    /// Bytes of the document that accepting it would replace.
    let replaceRange: Range<Int>
    let text: String
}

/// What came of a request.
enum CompletionOutcome: Equatable, Sendable {
    /// The best first. Empty is the same as `none`.
    case items([CompletionItem])
    /// Nothing to suggest; the reason is for the log and holds no document text.
    case none(reason: String)
    /// Nothing is completed here and now because somebody said so; the reason is for the user.
    case inactive(reason: String)
    /// Stopped because of the request's cancellation.
    case cancelled
    /// Something is wrong that the user can act on; the message says what to do.
    case failed(message: String)

    static let nothingLeft = CompletionOutcome.none(reason: "nothing is left of what the model wrote")
}

extension CompletionOutcome {
    /// What a request is answered with that has no prompt.
    init(_ error: RepoContextError) {
        switch error {
        case .cancelled: self = .cancelled
        case .secretFile, .privateKey, .credential, .excluded: self = .inactive(reason: "\(error)")
        case .unusablePath, .overdue: self = .none(reason: "\(error)")
        }
    }
}

/// One suggestion.
struct CompletionItem: Equatable, Sendable {
    let text: String
    /// Bytes of the snapshot to replace, within one line, ends on character boundaries. Empty at the cursor
    /// for a plain insertion.
    let replaceRange: Range<Int>
    /// Whether there would have been more with more time: worth showing, not worth remembering.
    var isUnfinished = false
}
