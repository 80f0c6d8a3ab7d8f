// The requests that were read and not yet answered, shared by the reader thread and the server loop. This is
// how a cancellation overtakes the queue: the reader marks the request the moment the cancellation is read,
// although the server may not even have reached the request itself. Its size is bounded by the event queue
// and by the number of running completions.

import Synchronization

/// Unanswered requests by id.
final class InFlightRequests: Sendable {
    private struct Entry: Sendable {
        let cancellation: RequestCancellation
        /// Set for completion requests, which supersede each other by document.
        let document: DocumentURI?
    }

    private let entries = Mutex<[RequestID: Entry]>([:])

    var count: Int { entries.withLock { $0.count } }

    /// Adds a request and marks the older completion requests of `document` superseded. Nil when the id is
    /// in use: the client broke the protocol, and only the first request can be told from the second.
    func register(_ id: RequestID, completionOf document: DocumentURI?) -> RequestCancellation? {
        let cancellation = RequestCancellation()
        let older: [RequestCancellation]? = entries.withLock { entries in
            guard entries[id] == nil else { return nil }
            let older = document.map { document in
                entries.values.filter { $0.document == document }.map(\.cancellation)
            }
            entries[id] = Entry(cancellation: cancellation, document: document)
            return older ?? []
        }
        guard let older else { return nil }
        // Outside the lock, since cancelling runs handlers.
        for cancellation in older { cancellation.cancel(.superseded) }
        return cancellation
    }

    /// Marks a request. One that was answered already is no error: the two messages crossed on the way.
    func cancel(_ id: RequestID) {
        entries.withLock { $0[id] }?.cancellation.cancel(.client)
    }

    /// The request was answered.
    func remove(_ id: RequestID) {
        entries.withLock { _ = $0.removeValue(forKey: id) }
    }
}
