// How work in the background is shown to the user, in the daemon's inner terms. The protocol's side is
// WorkDoneProgress.

/// Shows work that takes a while.
protocol WorkProgress: Sendable {
    /// Begins to show some work, beside what is shown already.
    func begin(_ title: String) -> any WorkProgressReporter
}

/// What is shown of one piece of work.
protocol WorkProgressReporter: Sendable {
    /// - Parameter percentage: 0 to 100; only what is more than before is shown.
    func report(percentage: Int)
    /// To be called once.
    func end()
}

/// Shows nothing.
struct NoProgress: WorkProgress, WorkProgressReporter {
    func begin(_ title: String) -> any WorkProgressReporter { self }
    func report(percentage: Int) {}
    func end() {}
}
