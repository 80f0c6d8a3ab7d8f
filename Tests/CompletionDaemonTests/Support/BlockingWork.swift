// Lets a test wait for something that blocks without holding one of Swift's few threads, which the server
// under test needs for its own tasks.

@testable import CompletionDaemon

/// Runs `body` on a thread of its own and waits for it asynchronously.
func onBlockingThread<Result: Sendable>(_ body: @escaping @Sendable () -> Result) async -> Result {
    await withCheckedContinuation { continuation in
        let isStarted = BlockingThread.start(name: "test-blocking") { continuation.resume(returning: body()) }
        precondition(isStarted, "no thread to be had")
    }
}
