// The time limit on repository context. A prompt is built on one thread out of files and libgit2, either of which
// can be made to wait for ever (a pipe in place of a file, a file system that does not answer). The call that is
// stuck cannot be ended from outside; whoever waits for it can be let go, and that is what happens here.

import RepoContext
import Synchronization

/// Lets requests go that wait too long for their context. One per session; any thread.
final class ContextDeadline: Sendable {
    /// Fifty times what a query of a large repository takes; an editor's user has long typed on.
    static let defaultLimit = Duration.seconds(5)
    /// Calls that were let go and have not returned. Each keeps a document's text; with so many waiting, a
    /// further one would only wait behind them, so it is let go at once.
    static let maximumAbandonedCount = 4

    private let limit: Duration
    private let abandonedCount = Atomic<Int>(0)

    init(limit: Duration = defaultLimit) {
        self.limit = limit
    }

    /// Runs `body`, for at most the limit. A body that is let go runs on and should look at `isAbandoned`.
    ///
    /// - Parameter path: the file, for the message.
    /// - Throws: `overdue`, or what `body` throws.
    func run<Value: Sendable>(
        path: String,
        _ body: @escaping @Sendable (_ isAbandoned: @escaping @Sendable () -> Bool) async throws -> Value
    ) async throws -> Value {
        let overdue = RepoContextError.overdue(path: path, limit: limit)
        guard abandonedCount.load(ordering: .relaxed) < Self.maximumAbandonedCount else { throw overdue }
        let call = FirstResult<Result<Value, any Error>>()
        return try await withCheckedContinuation { continuation in
            call.wait(continuation)
            // Not in a task group, which would wait for the body.
            let timer = Task.detached { [self, limit] in
                // Cancelled when the body was in time.
                guard (try? await Task.sleep(for: limit)) != nil else { return }
                abandonedCount.wrappingAdd(1, ordering: .relaxed)
                if !call.finish(.failure(overdue)) {
                    abandonedCount.wrappingSubtract(1, ordering: .relaxed)
                }
            }
            Task.detached { [self] in
                let result: Result<Value, any Error>
                do {
                    result = .success(try await body { call.isFinished })
                } catch {
                    result = .failure(error)
                }
                timer.cancel()
                if !call.finish(result) {
                    abandonedCount.wrappingSubtract(1, ordering: .relaxed)
                }
            }
        }.get()
    }
}
