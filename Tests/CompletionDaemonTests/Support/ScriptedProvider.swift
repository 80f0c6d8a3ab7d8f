// A provider that answers from a script. A held call stays open until the test releases it or, if the script
// says so, until the request is cancelled, which is how tests decide who finishes first.

import Synchronization

@testable import CompletionDaemon

/// The provider of tests.
final class ScriptedProvider: CompletionProvider {
    /// What to do with one call.
    enum Step: Sendable {
        case answer(CompletionOutcome)
        /// Keep the call until `release`; cancelling changes nothing, as with a provider that is slow to
        /// notice.
        case hold
        /// Keep the call until the request is cancelled, then return `cancelled`.
        case holdUntilCancelled
    }

    /// One call that is being held.
    private struct Held: Sendable {
        let request: CompletionRequest
        let continuation: CheckedContinuation<CompletionOutcome, Never>
    }

    private let script: @Sendable (CompletionRequest) -> Step
    private let held = Mutex<[Held]>([])
    private let saved = Mutex<[DocumentURI]>([])
    private let closed = Mutex<[DocumentURI]>([])
    private let workspaces = Mutex<[WorkspaceDescription]>([])
    let readAheadPaths = Mutex<[String]>([])
    private let shown = Mutex<(any WorkProgress)?>(nil)
    private let callContinuation: AsyncStream<CompletionRequest>.Continuation
    /// Every call in the order of arrival.
    let calls: AsyncStream<CompletionRequest>

    init(_ script: @escaping @Sendable (CompletionRequest) -> Step) {
        self.script = script
        (calls, callContinuation) = AsyncStream.makeStream()
    }

    /// Always the same text, inserted at the cursor.
    static func inserting(_ text: String) -> ScriptedProvider {
        ScriptedProvider { .answer(.items([CompletionItem(text: text, at: $0.byteOffset)])) }
    }

    var savedDocuments: [DocumentURI] { saved.withLock { $0 } }
    var closedDocuments: [DocumentURI] { closed.withLock { $0 } }
    var openedWorkspaces: [WorkspaceDescription] { workspaces.withLock { $0 } }

    /// Ends the held calls whose request fits, all by default.
    func release(
        _ outcome: CompletionOutcome, where fits: (CompletionRequest) -> Bool = { _ in true }
    ) {
        let released = held.withLock { held in
            let released = held.filter { fits($0.request) }
            held.removeAll { fits($0.request) }
            return released
        }
        for call in released { call.continuation.resume(returning: outcome) }
    }

    func complete(_ request: CompletionRequest) async -> CompletionOutcome {
        switch script(request) {
        case .answer(let outcome):
            callContinuation.yield(request)
            return outcome
        case .hold:
            return await withCheckedContinuation { continuation in
                held.withLock { $0.append(Held(request: request, continuation: continuation)) }
                callContinuation.yield(request)
            }
        case .holdUntilCancelled:
            return await withCheckedContinuation { continuation in
                callContinuation.yield(request)
                request.cancellation.onCancel { continuation.resume(returning: .cancelled) }
            }
        }
    }

    /// What the server gave to show work with.
    var progress: (any WorkProgress)? { shown.withLock { $0 } }

    func workspaceOpened(_ workspace: WorkspaceDescription, progress: any WorkProgress) {
        workspaces.withLock { $0.append(workspace) }
        shown.withLock { $0 = progress }
    }
    func readAhead(rootPaths: [String]) { readAheadPaths.withLock { $0 = rootPaths } }
    func documentChanged(_ document: DocumentSnapshot) {}
    func sessionEnded(limit: Duration) {}
    func documentSaved(_ document: DocumentSnapshot) { saved.withLock { $0.append(document.uri) } }
    func documentClosed(_ uri: DocumentURI) { closed.withLock { $0.append(uri) } }
}

extension CompletionItem {
    /// A plain insertion.
    init(text: String, at offset: Int) {
        self.init(text: text, replaceRange: offset..<offset)
    }
}
