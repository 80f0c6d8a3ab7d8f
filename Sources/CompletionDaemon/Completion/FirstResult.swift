// One result of several that may come, for one that waits: the work's own, or that of a clock which lets the waiting
// one go. What comes later is dropped. It starts and ends no work.

import Synchronization

/// Resumes whoever waits with what comes first. Any thread.
final class FirstResult<Value: Sendable>: Sendable {
    private let waiting = Mutex<CheckedContinuation<Value, Never>?>(nil)
    private let finished = Atomic<Bool>(false)

    /// Whether there is a result: work that goes on then works for nobody.
    var isFinished: Bool { finished.load(ordering: .relaxed) }

    /// Before anybody may finish.
    func wait(_ continuation: CheckedContinuation<Value, Never>) {
        waiting.withLock { $0 = continuation }
    }

    /// False when another was first.
    @discardableResult
    func finish(_ value: Value) -> Bool {
        let continuation = waiting.withLock { waiting in
            defer { waiting = nil }
            return waiting
        }
        finished.store(true, ordering: .relaxed)
        continuation?.resume(returning: value)
        return continuation != nil
    }
}
