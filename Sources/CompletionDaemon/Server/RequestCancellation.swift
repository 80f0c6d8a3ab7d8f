// The one-way flag that tells running work that its request is over. Set by the reader thread or the server
// loop, polled by the provider from any thread or observed through a handler.

import Synchronization

/// Whether, and why, a request need not be worked on any more. The first reason stays.
final class RequestCancellation: Sendable {
    enum Reason: UInt8, Sendable {
        /// `$/cancelRequest`.
        case client = 1
        /// A newer request for the same document.
        case superseded = 2
        /// Shutdown, or the client has gone.
        case sessionEnded = 3
    }

    private let rawReason = Atomic<UInt8>(0)
    private let handlers = Mutex<[@Sendable () -> Void]>([])

    /// Nil while the request is wanted. Costs one load; may be polled at any rate.
    var reason: Reason? { Reason(rawValue: rawReason.load(ordering: .acquiring)) }

    var isCancelled: Bool { reason != nil }

    /// Sets the flag and runs the handlers on this thread. Later calls change nothing.
    func cancel(_ reason: Reason) {
        let (isFirst, _) = rawReason.compareExchange(
            expected: 0, desired: reason.rawValue, ordering: .acquiringAndReleasing)
        guard isFirst else { return }
        let waiting = handlers.withLock { handlers in
            let waiting = handlers
            handlers = []
            return waiting
        }
        for handler in waiting { handler() }
    }

    /// Runs `handler` once when the flag is set, at once if it already is. It runs on the thread that reads
    /// the client's messages, so it must not block.
    func onCancel(_ handler: @escaping @Sendable () -> Void) {
        let isTooLate = handlers.withLock { handlers in
            // The flag is set before the handlers are taken, so one of the two sides always sees the other.
            if isCancelled { return true }
            handlers.append(handler)
            return false
        }
        if isTooLate { handler() }
    }
}
