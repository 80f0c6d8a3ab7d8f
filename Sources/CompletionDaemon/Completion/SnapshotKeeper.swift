// What of a session's prompts is on the disk: writes it, gives it to the engine after a restart, and removes what
// must not be there any more. A snapshot with the text of a file that by now is denied, ignored or deleted is never
// attached, and its file goes.

import Logging
import RepoContext
import SpecEngine
import Synchronization

/// The snapshots of one engine. Any thread.
final class SnapshotKeeper: Sendable {
    let kept = KeptContext()
    let store: SnapshotStore
    private let cacheDirectory: String
    private let checksums: ChecksumCache
    private let logger: Logger
    private let key = Mutex<SnapshotKey?>(nil)

    private struct State {
        /// Paths of files that the engine has.
        var attached: [String: SnapshotFile] = [:]
        /// What was logged before: each problem once.
        var reported: Set<String> = []
        var hasSharedWeights = false
        /// When a root's folder was last looked through, and its stamp then.
        var looked: [String: (stamp: Int64, time: ContinuousClock.Instant)] = [:]
    }

    /// A folder in which nothing came or went is looked through this often: its files' sources may have changed.
    private static let recheckInterval = Duration.seconds(30)

    private let state = Mutex(State())
    /// Distinct problems remembered as reported.
    private static let maximumReportCount = 256

    init(cacheDirectory: String, logger: Logger = DaemonLog.logger("snapshots")) {
        store = SnapshotStore(directory: cacheDirectory + "/snapshots")
        self.cacheDirectory = cacheDirectory
        checksums = ChecksumCache(directory: cacheDirectory)
        self.logger = logger
        try? SnapshotStore.makePrivateFolder(cacheDirectory)  // reported when something is stored
    }

    private func key(of engine: InferenceEngine) async -> SnapshotKey? {
        if let known = key.withLock({ $0 }) { return known }
        let (checksums, path, identity) = (checksums, engine.modelPath, engine.modelIdentity)
        let found = await BlockingThread.value { try? checksums.sha256(path, openedAs: identity) }
        guard let checksum = found ?? nil else {
            report("\(path) was replaced since it was read: nothing is kept on the disk until the next start")
            return nil
        }
        let made = engine.snapshotKey(modelChecksum: checksum)
        key.withLock { $0 = made }
        return made
    }

    private func report(_ line: String) {
        let isNew = state.withLock { state in
            state.reported.count < Self.maximumReportCount && state.reported.insert(line).inserted
        }
        if isNew { logger.warning("\(line)") }
    }

    /// Lets the engine use the same pages for its weights as the user's other daemons, once.
    func shareWeights(of engine: InferenceEngine) async {
        let isFirst = state.withLock { state in
            defer { state.hasSharedWeights = true }
            return !state.hasSharedWeights
        }
        guard isFirst, let key = await key(of: engine) else { return }
        let folder = WeightsFolder(cacheDirectory: cacheDirectory)
        let path = folder.path(modelChecksum: key.modelChecksum, instructionSet: key.instructionSet)
        // Two that write at once would end with a file each. The next look tries again.
        guard let lock = try? FileLock.take(file: cacheDirectory + "/weights.lock") else {
            state.withLock { $0.hasSharedWeights = false }
            return
        }
        defer { withExtendedLifetime(lock) {} }
        guard await !engine.shareWeights(with: path), let weights = await engine.packedWeights() else {
            folder.noteUse(of: path)
            return
        }
        let result = await BlockingThread.value { Result { try weights.write(to: path) } }
        if case .failure(let error)? = result {
            report("\(error)")
        } else {
            _ = await engine.shareWeights(with: path)
            folder.removeLeastRecentlyUsed(sparing: path)
        }
    }

    // MARK: Storing

    /// Writes a prompt's keys and values, as far as its text is on the disk anyway: what an editor has not saved, what
    /// git ignores and what is denied is not written. False when it was not written to its end.
    func store(_ record: PromptRecord, engine: InferenceEngine, context: RepositoryContext) async -> Bool {
        guard let rootPath = record.rootPath, let document = record.relativePath,
            let key = await key(of: engine),
            let (origin, tokenCount) = await storable(
                record, rootPath: rootPath, document: document, context: context),
            let sequence = await engine.storedSequence(of: Array(record.tokens[..<tokenCount]))
        else { return false }
        let store = store
        // Context alone is one file; where a document follows, others can build on it.
        let contextTokenCount = origin.documentPath.isEmpty ? 0 : record.contextTokenCount
        let result = await BlockingThread.value {
            Result {
                try sequence.write(to: store, key: key, origin: origin, contextTokenCount: contextTokenCount)
            }
        }
        switch result {
        case .success(let files):
            removeOlder(than: files, document: document, rootPath: rootPath)
            await attach(files, engine: engine)
            return tokenCount == record.tokens.count
        case .failure(let error):
            report("\(error)")
            return false
        case nil: return false
        }
    }

    /// Where a prompt's text comes from, and how many of its leading tokens may be kept: those up to the first file
    /// that is not on the disk as the prompt shows it. Nil when that is nothing.
    private func storable(
        _ record: PromptRecord, rootPath: String, document: String, context: RepositoryContext
    ) async -> (origin: SnapshotOrigin, tokenCount: Int)? {
        let query = record.request.query
        let sources = record.contextSources
        let ids = await context.blobIDs(of: sources.map(\.path) + [document], beneath: rootPath)
        let shown = await context.blobIDs(
            of: [document], beneath: rootPath,
            openDocuments: [OpenDocument(path: record.path, text: query.text)])
        let good = zip(sources, ids).prefix { $0.blobID == $1 }.map(\.0)
        var origin = SnapshotOrigin(
            rootPath: rootPath, documentPath: document, cursorOffset: query.cursorOffset, sources: good)
        if good.count == sources.count, let id = ids.last ?? nil, id == shown[0] {
            let range = record.contextTokenCount..<record.tokens.count
            origin.sources.append(SnapshotSource(path: document, blobID: id, tokenRange: range))
            return (origin, record.tokens.count)
        }
        guard let end = good.last?.tokenRange.upperBound, end >= KeptContext.allowedTokenCount else { return nil }
        origin.documentPath = ""
        return (origin, end)
    }

    /// A document has one snapshot: that of its last prompt.
    private func removeOlder(than files: [SnapshotFile], document: String, rootPath: String) {
        let newPaths = Set(files.map(\.path))
        guard files.contains(where: { $0.origin.documentPath == document }) else { return }
        let older = state.withLock { state in
            let older = state.attached.values.filter {
                $0.origin.documentPath == document && $0.origin.rootPath == rootPath
                    && !newPaths.contains($0.path)
            }
            for file in older { state.attached[file.path] = nil }
            return older
        }
        // What the engine holds of them stays good and goes when there is no room.
        for file in older { store.remove(file.path) }
    }

    // MARK: Attaching

    /// Gives the engine what is stored of a repository and new since the last call, and removes what must not be
    /// stored.
    func attach(rootPath: String, engine: InferenceEngine, context: RepositoryContext) async {
        guard let stamp = store.stamp(of: rootPath) else { return }
        let now = ContinuousClock.now
        let isDue = state.withLock { state in
            if let last = state.looked[rootPath], last.stamp == stamp, now - last.time < Self.recheckInterval
            {
                return false
            }
            state.looked[rootPath] = (stamp, now)
            return true
        }
        guard isDue, let key = await key(of: engine) else { return }
        let store = store
        guard let (files, damaged) = await BlockingThread.value({ store.files(of: rootPath, key: key) })
        else { return }
        for path in damaged { report("the snapshot \(path) is damaged and was removed") }
        let servable = await servable(files, rootPath: rootPath, engine: engine, context: context)
        let known = state.withLock { Set($0.attached.keys) }
        let new = servable.filter { !known.contains($0.path) }
        guard !new.isEmpty else { return }
        await attach(new, engine: engine)
        for file in new { keepContext(of: file) }
    }

    private func attach(_ files: [SnapshotFile], engine: InferenceEngine) async {
        let refused = await engine.attach(files) { [weak self] file in
            self?.report("the snapshot \(file.path) is damaged and was removed")
            self?.store.remove(file.path)
        }
        for file in refused { store.remove(file.path) }
        let paths = Set(refused.map(\.path))
        state.withLock { state in
            for file in files where !paths.contains(file.path) { state.attached[file.path] = file }
        }
    }

    /// Those whose every file may still be shown; the others are removed.
    private func servable(
        _ files: [SnapshotFile], rootPath: String, engine: InferenceEngine, context: RepositoryContext
    ) async -> [SnapshotFile] {
        let paths = Set(files.flatMap { $0.origin.sources.map(\.path) }).sorted()
        let ids = await context.blobIDs(of: paths, beneath: rootPath)
        let gone = Set(zip(paths, ids).filter { $0.1 == nil }.map(\.0))
        guard !gone.isEmpty else { return files }
        var servable: [SnapshotFile] = []
        for file in files {
            guard let source = file.origin.sources.first(where: { gone.contains($0.path) }) else {
                servable.append(file)
                continue
            }
            logger.info("a snapshot with \(source.path), which is deleted, ignored or denied, was removed")
            store.remove(file.path)
            if state.withLock({ $0.attached.removeValue(forKey: file.path) }) != nil {
                await engine.detach(file)
            }
        }
        return servable
    }

    private func keepContext(of file: SnapshotFile) {
        let origin = file.origin
        var sources = origin.sources
        // Behind the context comes the document; a context on its own may be cut in its last file.
        guard let last = sources.popLast(), origin.documentPath.isEmpty || last.path == origin.documentPath,
            let end = sources.last?.tokenRange.upperBound
        else { return }
        let document = origin.documentPath.isEmpty ? file.path : origin.rootPath + "/" + origin.documentPath
        kept.restore(
            KeptContext.Entry(
                rootPath: origin.rootPath, documentPath: document, tokens: file.tokens(before: end),
                sources: sources, isRestored: true))
    }
}

extension BlockingThread {
    /// Runs what blocks on a thread of its own; nil when no thread can be had.
    static func value<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value? {
        await withCheckedContinuation { continuation in
            if !start(name: "disk", { continuation.resume(returning: body()) }) {
                continuation.resume(returning: nil)
            }
        }
    }
}
