// Work between requests, so that the next one finds its prompt read: after a completion the prompt that follows when it
// is accepted, after an edit the prompt of the last cursor in that document, after a checkout the prompts of the files
// that are worked in; and, when nothing has happened for a while, what is worth keeping goes to the disk. Any request
// ends all of it within a ticket of work, and what was read by then is kept. What prompts hold that are worth their
// memory no more is freed here, too.

import Logging
import RepoContext
import SpecEngine
import Synchronization

/// The idle work of one session. Any thread.
final class PrefixKeeper: Sendable {
    /// How long nothing may have happened, by what is done then.
    struct Delays: Sendable {
        var prefetch: Duration = .milliseconds(100)
        var store: Duration = .seconds(5)
        /// Between two looks at HEAD and at what other daemons have stored.
        var watch: Duration = .seconds(2)
    }

    /// Documents whose prompts are remembered and stored.
    static let documentCount = 8
    /// Folders that are known to be prepared.
    private static let folderCount = 1_024
    /// Looks in a row, two seconds apart, that must find other daemons: one that ends while its editor starts it anew
    /// is no company.
    static let leastLooksWithOthers = 5

    private struct State {
        /// Looks in a row that found other daemons of the user.
        var looksWithOthers = 0
        /// The last used first.
        var records: [PromptRecord] = []
        var branches = PromptBranches()
        /// Whether freeing waits for the engine.
        var isFreeing = false
        /// What to read next, and whether it is only a guess at what the text will be.
        var ahead: (request: CompletionPipeline.Request, isGuess: Bool)?
        /// Counts whatever the user does.
        var activity: UInt64 = 0
        /// End what is under way: an idle moment's reading, and a new checkout's beside it.
        var running: [CancellationFlag] = []
        var heads: [String: String] = [:]
        /// Nil before `watch`.
        var watchedRoots: [String]?
        /// Folders whose repository's snapshots the engine has.
        var preparedFolders: Set<String> = []
    }

    private let engine: InferenceEngine
    private let context: RepositoryContext
    private let pipeline: CompletionPipeline
    private let disk: SnapshotKeeper?
    private let memory: Mutex<MemoryShare?>
    private let progress: any WorkProgress
    private let promptSize: PromptSizeEstimate?
    private let logger: Logger
    private let delays: Delays
    private let state = Mutex(State())

    /// - Parameter promptSize: told how fast prompts were read.
    init(
        engine: InferenceEngine, context: RepositoryContext, pipeline: CompletionPipeline,
        disk: SnapshotKeeper?,
        memory: sending MemoryShare?, progress: any WorkProgress, promptSize: PromptSizeEstimate? = nil,
        delays: Delays = Delays(), logger: Logger = DaemonLog.logger("prefix")
    ) {
        self.engine = engine
        self.context = context
        self.pipeline = pipeline
        self.disk = disk
        self.memory = Mutex(memory)
        self.progress = progress
        self.promptSize = promptSize
        self.delays = delays
        self.logger = logger
    }

    // MARK: What happens

    /// A request came: whatever runs ends, nothing new begins before the next idle moment. Returns what tells the time
    /// until the next one from what comes later.
    @discardableResult
    func requestArrived() -> UInt64 {
        let (running, activity) = state.withLock { state in
            state.activity += 1
            state.ahead = nil
            return (state.running, state.activity)
        }
        for flag in running { flag.raise() }
        return activity
    }

    /// A request was answered, or given up.
    ///
    /// - Parameters:
    ///   - activity: as `requestArrived` gave it: behind a later request nothing is read for this one, because what
    ///     waits on purpose would wait for that, too.
    ///   - isHypothetical: the text is not the document's: what it would be with an item of a menu taken. It is not
    ///     remembered, and so never stored.
    func requestFinished(
        _ record: PromptRecord, text: String?, since activity: UInt64, isHypothetical: Bool = false
    ) {
        note(record, isDocuments: !isHypothetical)
        guard isIdle(since: activity) else { return }
        guard record.hasOwnContext || isHypothetical else {
            // Answered with what was there: now the document's own context.
            return expect(record.request, isGuess: false)
        }
        expect(text.map { record.request(accepting: $0) }, isGuess: true)
    }

    /// A request was answered before its prompt was read. Reading goes on at once, for the next key finds what was read
    /// by then; what ends it and is no request leaves the rest to the next idle moment.
    ///
    /// - Parameter activity: as `requestArrived` gave it: behind a later request there is nothing to go on with.
    func requestUnread(_ record: PromptRecord, since activity: UInt64, isHypothetical: Bool = false) {
        // What there was time for is known, so that it stays until the document's own prompt is there.
        note(record, isDocuments: false)
        state.withLock { state in
            guard state.activity == activity else { return }
            state.ahead = (record.request, isHypothetical)
            guard !isHypothetical, let known = state.records.firstIndex(where: { $0.path == record.path }) else {
                return
            }
            // The next key goes on from this cursor, not from that of the prompt that was read last.
            state.records[known].lastRequest = record.request
        }
        Task.detached { [weak self] in
            var record = record
            guard let self, let flag = begin(since: activity) else { return }
            let isRead = await read(&record, flag)
            finish(flag)
            guard isRead == true else { return }
            requestFinished(record, text: nil, since: activity, isHypothetical: isHypothetical)
        }
    }

    /// A document was saved: what is remembered of it may now be stored, once nothing happens for a while. It ends
    /// nothing: the next key needs what is being read as it did before.
    func documentSaved() {
        let activity = state.withLock { $0.activity }
        Task.detached(priority: .low) { [weak self] in await self?.storeWhenIdle(since: activity) }
    }

    /// A document's text changed.
    func documentChanged(path: String, text: [UInt8]) {
        let record = state.withLock { $0.records.first { $0.path == path } }
        guard let record else {
            // Its first prompt may still be read, behind an answer that came before: the text is no longer that.
            if state.withLock({ $0.ahead?.request.query.filePath == path }) { requestArrived() }
            return
        }
        guard record.lastRequest.query.text != text else { return }
        requestArrived()
        expect(record.request(in: text), isGuess: false)
    }

    /// Remembers a prompt as far as it was read, and frees what is worth its memory no more.
    ///
    /// - Parameter isDocuments: whether its text is what the user has, and no guess.
    private func note(_ record: PromptRecord, isDocuments: Bool) {
        // Context that was not read to its end is none to come back to.
        if isDocuments, record.readTokenCount >= record.contextTokenCount {
            if let kept = record.keptContext {
                pipeline.keptContext?.keep(kept)
            } else if record.hasOwnContext {
                pipeline.keptContext?.forget(record.path)
            }
        }
        state.withLock { state in
            if isDocuments { Self.remember(record, in: &state.records) }
            guard record.readTokenCount > 0 else { return }
            state.branches.note(
                record.isRead ? record.tokens : Array(record.tokens[..<record.readTokenCount]), of: record.path,
                isPassing: !record.hasOwnContext || !record.isRead,
                keeping: state.records.first { $0.path == record.path }?.tokens)
        }
        Task { await freeUnused() }
    }

    /// A prompt that was not read does not take the place of one that was, which can be stored whenever the session
    /// ends; only its question is newer.
    private static func remember(_ record: PromptRecord, in records: inout [PromptRecord]) {
        var record = record
        if let known = records.firstIndex(where: { $0.path == record.path }) {
            var old = records.remove(at: known)
            if old.isRead, !record.isRead {
                old.lastRequest = record.request
                record = old
            } else {
                record.isStored = record.isStored || (old.isStored && old.tokens == record.tokens)
            }
        }
        records.insert(record, at: 0)
        if records.count > documentCount { records.removeLast() }
    }

    /// Frees what the engine holds beyond the prompts that may come back, and beyond context that other prompts may
    /// borrow. What is noted while this waits for the engine is seen, so that one at a time is enough.
    private func freeUnused() async {
        let isWaiting = state.withLock { state in
            defer { state.isFreeing = true }
            return state.isFreeing
        }
        guard !isWaiting else { return }
        await engine.retain { [self] in
            let (prompts, documents) = state.withLock { state in
                state.isFreeing = false
                return (state.branches.sequences + state.records.map(\.tokens), state.branches.documentPaths)
            }
            return (prompts + (pipeline.keptContext?.sequences ?? []), documents)
        }
    }

    // MARK: Idle

    private func expect(_ request: CompletionPipeline.Request?, isGuess: Bool) {
        let activity = state.withLock { state in
            state.ahead = request.map { ($0, isGuess) }
            return state.activity
        }
        Task.detached(priority: .low) { [weak self] in await self?.idle(since: activity) }
    }

    private func idle(since activity: UInt64) async {
        guard (try? await Task.sleep(for: delays.prefetch)) != nil, await readAhead(since: activity) else {
            return
        }
        // Again: what was in use the last time may go now.
        await freeUnused()
        await shareMemory()
        await storeWhenIdle(since: activity)
    }

    private func storeWhenIdle(since activity: UInt64) async {
        guard (try? await Task.sleep(for: delays.store)) != nil, isIdle(since: activity) else { return }
        await storeRecords()
    }

    /// Whether something is to be read in the next idle moment.
    var expectsReading: Bool { state.withLock { $0.ahead != nil } }

    /// Whether nothing has happened since.
    func isIdle(since activity: UInt64) -> Bool { state.withLock { $0.activity == activity } }

    /// A flag for work that ends with the next activity; nil when there was some.
    func begin(since activity: UInt64) -> CancellationFlag? {
        state.withLock { state in
            guard state.activity == activity else { return nil }
            let flag = CancellationFlag()
            state.running.append(flag)
            return flag
        }
    }

    private func finish(_ flag: CancellationFlag) {
        state.withLock { $0.running.removeAll { $0 === flag } }
    }

    /// False when something happened meanwhile.
    private func readAhead(since activity: UInt64) async -> Bool {
        guard let flag = begin(since: activity) else { return false }
        defer { finish(flag) }
        guard let (request, isGuess) = state.withLock({ $0.ahead }) else { return true }
        return await read(request, flag, isGuess: isGuess)
    }

    /// Reads the prompt of a request. False when it was ended.
    @discardableResult
    private func read(
        _ request: CompletionPipeline.Request, _ flag: CancellationFlag, isGuess: Bool = false
    ) async -> Bool {
        var request = request
        request.cancellation = flag
        // A prompt that cannot be made now is the next request's business.
        guard let prompt = try? await pipeline.prompt(for: request, usesKeptContext: isGuess) else {
            return !flag.isRaised
        }
        var record = PromptRecord(request, prompt)
        guard let isRead = await read(&record, flag) else { return !flag.isRaised }
        // What is remembered, and stored, is what the user has.
        if isRead { note(record, isDocuments: !isGuess) }
        return isRead
    }

    /// Reads a prompt. False when it was ended: what was read by then is known here too, so that it can be freed. Nil
    /// where the tokens cannot be read, which is the next request's business.
    private func read(_ record: inout PromptRecord, _ flag: CancellationFlag) async -> Bool? {
        guard let done = try? await engine.prefetch(record.tokens, cancellation: flag) else { return nil }
        promptSize?.note(tokenCount: done.computedTokenCount, prefillTime: done.time)
        logger.debug(
            "read ahead",
            metadata: [
                "tokens": "\(record.tokens.count)", "reused": "\(done.reusedTokenCount)",
                "computed": "\(done.computedTokenCount)", "read_ms": "\(done.time.milliseconds)",
            ])
        record.readTokenCount = done.isComplete ? record.tokens.count : done.reusedTokenCount + done.computedTokenCount
        if !done.isComplete { note(record, isDocuments: false) }
        return done.isComplete
    }

    /// Tells the user's other daemons how much this one uses, and keeps to what they leave.
    private func shareMemory() async {
        let used = await engine.cacheByteCount()
        let (allowed, hasOthers) = memory.withLock { memory in
            (memory?.update(usedByteCount: used), memory.map { $0.otherCount > 0 } ?? true)
        }
        state.withLock { $0.looksWithOthers = hasOthers ? $0.looksWithOthers + 1 : 0 }
        logger.trace("memory", metadata: ["kept_bytes": "\(used)"])
        if let allowed { await engine.setCacheByteLimit(allowed) }
    }

    /// Shares the weights' pages with the user's other daemons, where there may be any that stay. A lone daemon keeps
    /// its own: a file's pages are small, and decoding from them takes a tenth longer.
    func shareWeights() async {
        guard state.withLock({ $0.looksWithOthers >= Self.leastLooksWithOthers }) else { return }
        await disk?.shareWeights(of: engine)
    }

    // MARK: Disk

    /// Writes what is not stored yet. Also called when the session ends.
    func storeRecords() async {
        guard let disk else { return }
        for record in state.withLock({ $0.records }) where !record.isStored {
            guard await disk.store(record, engine: engine, context: context) else { continue }
            state.withLock { state in
                for index in state.records.indices
                where state.records[index].path == record.path && state.records[index].tokens == record.tokens
                {
                    state.records[index].isStored = true
                }
            }
        }
    }

    // MARK: Checkouts

    /// Follows the roots of a session, as many as a context keeps, in place of those before, until `self` goes:
    /// attaches what was stored, then looks now and then whether HEAD has moved or another daemon has stored something.
    func watch(rootPaths: [String]) {
        let isFirst = state.withLock { state in
            defer { state.watchedRoots = rootPaths }
            return state.watchedRoots == nil
        }
        guard isFirst else { return }
        Task.detached(priority: .low) { [weak self, delays] in
            for folder in rootPaths.prefix(RepositoryContext.maximumCheckoutCount) {
                await self?.prepare(forFile: folder + "/x")
            }
            while let keeper = self {
                await keeper.look(keeper.state.withLock { $0.watchedRoots ?? [] })
                guard (try? await Task.sleep(for: delays.watch)) != nil else { return }
                await keeper.shareWeights()
            }
        }
    }

    /// Attaches what is stored of a file's repository, before the first prompt in its folder.
    func prepare(forFile path: String) async {
        guard let disk else { return }
        let folder = String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
        let isNew = state.withLock { state in
            state.preparedFolders.count < Self.folderCount && state.preparedFolders.insert(folder).inserted
        }
        guard isNew, let rootPath = await context.report(forFile: path).scope.rootPath else { return }
        await disk.attach(rootPath: rootPath, engine: engine, context: context)
    }

    func look(_ rootPaths: [String]) async {
        await shareMemory()
        for folder in rootPaths.prefix(RepositoryContext.maximumCheckoutCount) {
            let report = await context.report(forFile: folder + "/x")
            guard let rootPath = report.scope.rootPath else { continue }
            await disk?.attach(rootPath: rootPath, engine: engine, context: context)
            guard let head = report.head else { continue }
            let before = state.withLock { state in
                defer { state.heads[rootPath] = head }
                return state.heads[rootPath]
            }
            if let before, before != head { await warm(rootPath: rootPath) }
        }
    }

    /// Reads the prompts of the remembered documents of a root anew, the least recently used first.
    private func warm(rootPath: String) async {
        let (records, activity) = state.withLock { state in
            (state.records.filter { $0.rootPath == rootPath }, state.activity)
        }
        guard !records.isEmpty, let flag = begin(since: activity) else { return }
        defer { finish(flag) }
        let reporter = progress.begin("Reading the new checkout")
        defer { reporter.end() }
        for (index, record) in records.reversed().enumerated() {
            reporter.report(percentage: 100 * index / records.count)
            guard await read(record.lastRequest, flag) else { break }
        }
    }
}
