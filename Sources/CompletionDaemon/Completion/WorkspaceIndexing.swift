// Reads the repositories of a session's folders before the first request, as long as it takes, between other queries
// and with progress in editors that show it. What a query needs it reads by itself; the index is RepositoryContext's.

import RepoContext
import SpecEngine
import Synchronization

/// The reading of one session's folders. Any thread.
final class WorkspaceIndexing: Sendable {
    private let context: RepositoryContext
    private let progress: any WorkProgress
    private let state = Mutex(State())

    private struct State {
        /// What is read, or was.
        var rootPaths: [String] = []
        var running: CancellationFlag?
        var isOver = false
    }

    init(context: RepositoryContext, progress: any WorkProgress) {
        self.context = context
        self.progress = progress
    }

    /// Reads these folders, the first ones that a context keeps, in place of those before. The same ones again, or any
    /// after the end, change nothing: false then.
    @discardableResult
    func read(_ rootPaths: [String]) -> Bool {
        let rootPaths = Array(rootPaths.prefix(RepositoryContext.maximumCheckoutCount))
        let flag = CancellationFlag()
        let isNew = state.withLock { state in
            guard !state.isOver, state.rootPaths != rootPaths else { return false }
            state.rootPaths = rootPaths
            state.running?.raise()
            state.running = flag
            return true
        }
        guard isNew else { return false }
        Task.detached(priority: .low) { [context, progress] in
            for rootPath in rootPaths { await Self.read(rootPath, context, progress, flag) }
        }
        return true
    }

    /// Reading ends with the step that is being done.
    func stop() {
        state.withLock { state in
            state.isOver = true
            state.running?.raise()
        }
    }

    private static func read(
        _ rootPath: String, _ context: RepositoryContext, _ progress: any WorkProgress, _ flag: CancellationFlag
    ) async {
        // An index from the cache needs one step, and nothing is shown.
        let shown = Mutex<(any WorkProgressReporter)?>(nil)
        // Located like a file in the folder, which need not exist.
        await context.prepare(file: rootPath + "/x", isCancelled: { flag.isRaised }) { share in
            let reporter = shown.withLock { reporter in
                if reporter == nil { reporter = progress.begin("Reading the repository") }
                return reporter
            }
            reporter?.report(percentage: Int(100 * share))
        }
        shown.withLock { $0 }?.end()
    }
}
