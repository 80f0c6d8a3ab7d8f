// Who gets the engine next. It computes one request at a time; where several documents ask at once, the request that
// came last is the one whose user looks at the screen now, so it goes first. Not the engine's own queue, which also
// carries work between requests.

import RepoContext
import SpecEngine
import Synchronization

/// Turns at the engine, the newest first. One per pipeline; any thread. Bounded by `Limits.runningCompletionCount`.
final class RequestTurns: Sendable {
    private struct Waiting {
        let cancellation: CancellationFlag
        let continuation: CheckedContinuation<Void, any Error>
    }

    private struct State {
        var isTaken = false
        /// In order of arrival.
        var waiting: [Waiting] = []
    }

    private let state = Mutex(State())

    /// Requests that wait for their turn.
    var waitingCount: Int { state.withLock { $0.waiting.count } }

    /// Runs `body` when it is this request's turn.
    ///
    /// - Throws: `RepoContextError.cancelled` where the flag was raised before that, or what `body` throws.
    func run<Value: Sendable>(
        _ cancellation: CancellationFlag, _ body: () async throws -> Value
    ) async throws -> Value {
        try await enter(cancellation)
        defer { leave() }
        if cancellation.isRaised { throw RepoContextError.cancelled }
        return try await body()
    }

    private func enter(_ cancellation: CancellationFlag) async throws {
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            let isFree = state.withLock { state in
                if state.isTaken {
                    state.waiting.append(Waiting(cancellation: cancellation, continuation: continuation))
                    return false
                }
                state.isTaken = true
                return true
            }
            if isFree { continuation.resume() }
        }
    }

    private func leave() {
        let (next, given) = state.withLock { state in
            let given = state.waiting.filter { $0.cancellation.isRaised }
            state.waiting.removeAll { $0.cancellation.isRaised }
            let next = state.waiting.popLast()
            state.isTaken = next != nil
            return (next, given)
        }
        next?.continuation.resume()
        for waiting in given { waiting.continuation.resume(throwing: RepoContextError.cancelled) }
    }
}
