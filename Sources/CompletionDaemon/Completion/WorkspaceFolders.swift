// The folders of a session and what follows from them: the repository context that they give, and that their
// repositories are read before anybody asks. Changes are applied in their order, the newest last, while the session
// runs. Who completes with the context is not its business.

import Logging
import RepoContext
import Synchronization

/// Context, folders and indexing of one session. Any thread.
final class WorkspaceFolders: Sendable {
    private struct State {
        var context: RepositoryContext?
        var rootPaths: [String] = []
        /// Those of them whose repositories are read ahead.
        var readAheadPaths: [String] = []
        var indexing: WorkspaceIndexing?
        var onChange: @Sendable ([String]) -> Void = { _ in }
    }

    private let state = Mutex(State())
    private let changes = LatestWork()
    private let readsAhead: Bool
    private let makeContext: @Sendable (_ rootPaths: [String]) -> RepositoryContext

    /// - Parameters:
    ///   - readsAhead: false where prompts have no context.
    ///   - makeContext: called when the session begins, or where it does not, when somebody asks.
    init(readsAhead: Bool, makeContext: @escaping @Sendable (_ rootPaths: [String]) -> RepositoryContext) {
        self.readsAhead = readsAhead
        self.makeContext = makeContext
    }

    /// With the context that completions are made from, whoever makes them.
    convenience init(
        includesContext: Bool, disabledSignals: Set<ContextSignal>, cacheDirectory: String?, logger: Logger
    ) {
        self.init(readsAhead: includesContext) { rootPaths in
            RepositoryContext(
                RepositoryContext.Configuration(
                    workspaceFolders: rootPaths, cacheFolder: cacheDirectory, disabledSignals: disabledSignals
                ) { logger.notice("\($0)") })
        }
    }

    var rootPaths: [String] { state.withLock { $0.rootPaths } }

    /// The session's; where no workspace was opened it knows no folders.
    var context: RepositoryContext {
        state.withLock { state in
            let context = state.context ?? makeContext([])
            state.context = context
            return context
        }
    }

    /// The session begins.
    ///
    /// - Parameter onChange: called with the folders when the context has others.
    func open(
        rootPaths: [String], progress: any WorkProgress, onChange: @escaping @Sendable ([String]) -> Void = { _ in }
    ) {
        let context = makeContext(rootPaths)
        state.withLock { state in
            (state.context, state.rootPaths, state.onChange) = (context, rootPaths, onChange)
            if readsAhead { state.indexing = WorkspaceIndexing(context: context, progress: progress) }
        }
    }

    /// The folders are these now.
    func change(to rootPaths: [String]) {
        state.withLock { $0.rootPaths = rootPaths }
        apply()
    }

    /// Reads the repositories of these folders, in place of those before.
    func readAhead(_ rootPaths: [String]) {
        state.withLock { $0.readAheadPaths = rootPaths }
        apply()
    }

    /// Does what follows from the folders as they are by then.
    private func apply() {
        changes.submit { [self] in
            let state = state.withLock { $0 }
            await state.context?.setWorkspaceFolders(state.rootPaths)
            state.onChange(state.rootPaths)
            state.indexing?.read(state.readAheadPaths)
        }
    }

    /// The session is over: nothing is read any more.
    func stop() { state.withLock { $0.indexing }?.stop() }
}
