// One result of several that may come, for one that waits: the work's own, or that of a clock which lets the waiting
// one go. What comes later is dropped. It starts and ends no work.

import Synchronization

/// Resumes whoever waits with what comes first. Any thread.
final class FirstResult<Value: Sendable>: Sendable {
    private let waiting = Mutex<CheckedContinuation<Value, Never>?>(nil)
    private let abandoned = Atomic<Bool>(false)

    /// Whether nobody waits for the work any more.
    var isAbandoned: Bool { abandoned.load(ordering: .relaxed) }

    /// Before anybody may finish.
    func wait(_ continuation: CheckedContinuation<Value, Never>) {
        waiting.withLock { $0 = continuation }
    }

    /// False when another was first.
    ///
    /// - Parameter abandonsWork: whether this is not the work's own result.
    @discardableResult
    func finish(_ value: Value, abandonsWork: Bool = false) -> Bool {
        let continuation = waiting.withLock { waiting in
            defer { waiting = nil }
            if waiting != nil, abandonsWork { abandoned.store(true, ordering: .relaxed) }
            return waiting
        }
        continuation?.resume(returning: value)
        return continuation != nil
    }
}
