// Work of which only the newest counts, done in the order in which it was given: an older setting can never overtake
// a newer one. It exists because tasks begin in no particular order.

import Synchronization

/// Does one piece of work at a time. Any thread.
final class LatestWork: Sendable {
    typealias Work = @Sendable () async -> Void

    private struct State {
        /// What comes next: work that a newer one replaced before its turn is never done.
        var waiting: Work?
        var isRunning = false
    }

    private let state = Mutex(State())

    /// Does not wait.
    func submit(_ work: @escaping Work) {
        let isFirst = state.withLock { state in
            state.waiting = work
            defer { state.isRunning = true }
            return !state.isRunning
        }
        guard isFirst else { return }
        Task.detached { [self] in
            while let work = next() { await work() }
        }
    }

    private func next() -> Work? {
        state.withLock { state in
            defer { state.waiting = nil }
            state.isRunning = state.waiting != nil
            return state.waiting
        }
    }
}
