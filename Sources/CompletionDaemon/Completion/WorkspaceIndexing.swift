// Reads the repositories of a session's folders before the first request, as long as it takes, between other queries
// and with progress in editors that show it. What a query needs it reads by itself; the index is RepositoryContext's.

import RepoContext
import SpecEngine
import Synchronization

/// The reading of one session's folders. Any thread.
final class WorkspaceIndexing: Sendable {
    private let context: RepositoryContext
    private let progress: any WorkProgress
    private let running = Mutex<CancellationFlag?>(nil)

    init(context: RepositoryContext, progress: any WorkProgress) {
        self.context = context
        self.progress = progress
    }

    /// Reads these folders, the first ones that a context keeps, in place of those before.
    func start(rootPaths: [String]) {
        let flag = CancellationFlag()
        replace(with: flag)
        Task.detached(priority: .low) { [context, progress] in
            for rootPath in rootPaths.prefix(RepositoryContext.maximumCheckoutCount) {
                await Self.read(rootPath, context, progress, flag)
            }
        }
    }

    /// Reading ends with the step that is being done.
    func stop() { replace(with: nil) }

    private func replace(with flag: CancellationFlag?) {
        running.withLock { running in
            running?.raise()
            running = flag
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
