// The module's face: an actor on the `index` thread that answers "which prompt for this cursor?". It finds
// the root, keeps a few of them warm, and reads on in the background between queries. Whatever is missing
// makes a prompt smaller and is reported once; only files that must not be completed in are refused.

/// Builds prompts. Runs on the `index` thread: every call waits for the ones before it, none blocks Swift's
/// pool.
package actor RepositoryContext {
    /// Settings.
    package struct Configuration: Sendable {
        /// Absolute paths of the folders that the user opened. Outside a repository, context comes from
        /// these.
        package var workspaceFolders: [String]
        /// False takes them as plain folders, whatever repository they may lie in.
        package var findsRepositories = true
        /// Reading stops after this long in one query and goes on in the background.
        package var queryTimeLimit: Duration
        /// Length of one background step; a query waits at most this long for it (and for a large status).
        package var backgroundTimeLimit: Duration
        package var clock: MonotonicClock
        /// Signals that count for nothing: for measuring what each is worth.
        package var disabledSignals: Set<ContextSignal> = []
        /// Whether a prompt keeps what the one before showed in the same file; else each is as if it were the first.
        package var keepsLayouts = true
        /// The program's cache directory, where indexes are kept between sessions; nil keeps none.
        package var cacheFolder: String?
        /// Called once per distinct line, on the `index` thread.
        package var onDegradation: @Sendable (String) -> Void

        package init(
            workspaceFolders: [String] = [],
            queryTimeLimit: Duration = .milliseconds(150), backgroundTimeLimit: Duration = .milliseconds(20),
            clock: MonotonicClock = .system, cacheFolder: String? = nil,
            disabledSignals: Set<ContextSignal> = [], onDegradation: @escaping @Sendable (String) -> Void
        ) {
            self.workspaceFolders = workspaceFolders
            self.queryTimeLimit = queryTimeLimit
            self.backgroundTimeLimit = backgroundTimeLimit
            self.clock = clock
            self.cacheFolder = cacheFolder
            self.disabledSignals = disabledSignals
            self.onDegradation = onDegradation
        }
    }

    /// Roots kept warm; the one unused for longest goes.
    package static let maximumCheckoutCount = 4
    /// Folders whose root is remembered.
    static let maximumLocationCount = 256
    /// How long a location is believed: `git init` or a changed safe.directory shows after that.
    static let locationLifetime = Duration.seconds(10)
    /// Distinct degradation lines remembered as reported.
    static let maximumReportCount = 256
    /// Bytes planned per token when files are chosen: a little more than they take, because PromptBuilder
    /// cuts what is too much but cannot add what is missing.
    static let plannedBytesPerToken = 3.4

    private let configuration: Configuration
    private var locator: RepositoryLocator
    private var locations: [String: (location: RepositoryLocation, degradation: String?, time: UInt64)] = [:]
    private var checkouts: [(checkout: Checkout, isIndexing: Bool)] = []
    private var reported = Set<String>()

    package nonisolated var unownedExecutor: UnownedSerialExecutor {
        IndexThread.shared.asUnownedSerialExecutor()
    }

    package init(_ configuration: Configuration) {
        self.configuration = configuration
        locator = RepositoryLocator(
            workspaceFolders: configuration.workspaceFolders, findsRepositories: configuration.findsRepositories)
    }

    /// The folders that the user has open now.
    package func setWorkspaceFolders(_ folders: [String]) {
        locator = RepositoryLocator(workspaceFolders: folders)
        locations = [:]
    }

    /// Whether completion in this file is refused for its name; cheap, callable anywhere.
    package nonisolated static func isDenied(_ path: String) -> Bool {
        if SecretPolicy.isDenied(path) { return true }
        // A link with a harmless name to a key.
        return RepositoryLocator.realPath(path).map(SecretPolicy.isDenied) ?? false
    }

    // MARK: Queries

    /// The prompt for a cursor.
    ///
    /// - Throws: for files that hold secrets, for unusable paths and when the query is cancelled, which is
    ///   asked before each step; everything else degrades.
    package func prompt(
        for query: ContextQuery, tokenizer: any PromptTokenizer
    ) throws(RepoContextError) -> PromptResult {
        let clock = configuration.clock
        let start = clock.nanoseconds()
        try checkWanted(query)
        try check(query)
        var timing = ContextTiming()
        if query.leavesMachine, let exclusion = exclusion(ofFile: query.filePath) {
            throw .excluded(path: query.filePath, exclusion)
        }
        let located = locate(query.filePath)
        try checkWanted(query)
        let checkout = query.includeContext ? self.checkout(for: located.location) : nil
        checkout?.refresh()
        timing.snapshot = clock.duration(since: start)
        try checkWanted(query)

        let builder = PromptBuilder(tokenizer: tokenizer, order: tokenizer.order)
        let path = located.path ?? RepositoryContext.fileNamePath(query.filePath)
        let file = CurrentFile(
            path: path, text: query.text, cursorOffset: query.cursorOffset,
            heldBackByteCount: query.heldBackByteCount)
        let usesContext = checkout != nil && builder.supportsContext
        let budget = PromptBudget(totalTokenCount: query.tokenBudget, includesContext: usesContext)
        var lap = clock.nanoseconds()
        let currentPart = builder.currentPart(file, budget: budget)
        timing.tokenisation = clock.duration(since: lap)

        try checkWanted(query)
        var selection: [SelectedFile] = []
        var files: [ContextFile] = []
        if usesContext, let checkout {
            lap = clock.nanoseconds()
            let limit = configuration.queryTimeLimit
            checkout.advance(focus: path, mayBlock: false) {
                clock.duration(since: start) >= limit || query.isCancelled()
            }
            timing.indexing = clock.duration(since: lap)
            readOnInBackground(checkout, focus: path)
            try checkWanted(query)
            lap = clock.nanoseconds()
            let tokenCount = budget.contextTokenCount(currentFileTokenCount: currentPart.tokenCount)
            (selection, files) = chooseFiles(checkout, query: query, file: file, tokenCount: tokenCount)
            timing.selection = clock.duration(since: lap)
        }
        try checkWanted(query)
        lap = clock.nanoseconds()
        let prompt = builder.prompt(
            repositoryName: checkout?.snapshot.name ?? "", contextFiles: files, currentPart: currentPart,
            budget: budget
        )
        timing.tokenisation += clock.duration(since: lap)
        timing.total = clock.duration(since: start)
        let degradations =
            [located.degradation].compactMap { $0 } + (usesContext ? checkout?.degradations ?? [] : [])
        report(degradations)
        return PromptResult(
            prompt: prompt, scope: RepositoryContext.scope(located.location, checkout),
            contextPaths: prompt.contextPaths, selection: selection, degradations: degradations,
            isIndexComplete: checkout?.isComplete ?? true, timing: timing
        )
    }

    private func checkWanted(_ query: ContextQuery) throws(RepoContextError) {
        if query.isCancelled() { throw .cancelled }
    }

    private func check(_ query: ContextQuery) throws(RepoContextError) {
        guard query.filePath.utf8.first == UInt8(ascii: "/"), query.filePath.utf8.last != UInt8(ascii: "/"),
            !query.filePath.utf8.contains(0)
        else { throw .unusablePath(path: query.filePath) }
        if RepositoryContext.isDenied(query.filePath) { throw .secretFile(path: query.filePath) }
        if SecretPolicy.containsPrivateKey(query.text) { throw .privateKey(path: query.filePath) }
        if SecretAssignment.isFound(in: query.text) { throw .credential(path: query.filePath) }
    }

    /// Why nothing of a file may leave this machine, by git's rules and `.foretokenignore` as they are now; nil where
    /// they do not exclude it. A link is excluded with what it leads to.
    package func exclusion(ofFile filePath: String) -> Exclusion? {
        let canonical = RepositoryLocator.canonicalPath(filePath)
        if let exclusion = exclusion(ofCanonical: canonical) { return exclusion }
        let real = RepositoryLocator.realPath(filePath) ?? canonical
        return real == canonical ? nil : exclusion(ofCanonical: real)
    }

    private func exclusion(ofCanonical path: String) -> Exclusion? {
        if ExclusionCheck.isInGitDirectory(path) { return .gitDirectory }
        let located = locate(path)
        guard let relative = located.path else { return ExclusionCheck.exclusion(ofFileAlone: path) }
        guard let checkout = checkout(for: located.location) else {
            return .unreadableRules("its folder cannot be listed")
        }
        checkout.refresh()
        return checkout.exclusionCheck.exclusions(of: [relative])[0]
    }

    private func chooseFiles(
        _ checkout: Checkout, query: ContextQuery, file: CurrentFile, tokenCount: Int
    ) -> ([SelectedFile], [ContextFile]) {
        let relative = { (absolute: String) -> RelativePath? in
            RepositorySnapshot.relativePath(
                of: RepositoryLocator.canonicalPath(absolute), beneath: checkout.rootPath)
        }
        var documents: [RelativePath: [UInt8]] = [:]
        // By the path that was opened: a link with a harmless name may lead to a secret.
        for document in query.openDocuments where !RepositoryContext.isDenied(document.path) {
            // Those that are no links are sorted out with all other files.
            if query.leavesMachine, isLink(document.path), exclusion(ofFile: document.path) != nil { continue }
            if let path = relative(document.path), path != file.path { documents[path] = document.text }
        }
        checkout.overlay(documents)
        var subject = ContextSelector.Subject(
            path: file.path, text: file.text, cursor: file.cursorOffset, openPaths: documents.keys.sorted(),
            recentPaths: query.recentPaths.compactMap(relative)
        )
        for edit in query.recentEdits {
            if let path = relative(edit.path) { subject.editedLines[path, default: []].append(edit.line) }
        }
        let signals = Set(ContextSignal.allCases).subtracting(configuration.disabledSignals)
        let selector = ContextSelector(
            snapshot: checkout.snapshot, paths: checkout.paths, index: checkout.index,
            history: checkout.history, signals: signals
        )
        var (ranked, names) = selector.ranked(subject)
        if query.leavesMachine {
            // The listing may be older than the rules.
            let excluded = checkout.exclusionCheck.exclusions(of: ranked.map(\.path))
            ranked = zip(ranked, excluded).filter { $0.1 == nil }.map(\.0)
        }
        let previous = configuration.keepsLayouts ? checkout.layouts.shown(with: file.path) : []
        let sources = sources(
            ranked, previous: previous, of: checkout, documents: documents, subject: subject)
        let selection = SnippetSelector(
            query: names, cursorPairs: subject.names.pairs, signals: signals
        ).selection(
            from: sources, byteCount: Int(Double(tokenCount) * RepositoryContext.plannedBytesPerToken),
            previous: previous)
        checkout.noteShown(selection, with: file.path)
        return (selection, selection.map { ContextFile(path: $0.path, text: $0.text, rank: $0.rank) })
    }

    private func isLink(_ path: String) -> Bool {
        RepositoryLocator.realPath(path) != RepositoryLocator.canonicalPath(path)
    }

    /// The texts of the best files and of those that were shown last time.
    private func sources(
        _ ranked: [RankedFile], previous: [SelectedFile], of checkout: Checkout,
        documents: [RelativePath: [UInt8]], subject: ContextSelector.Subject
    ) -> [SnippetSelector.Source] {
        let shown = Set(previous.map(\.path))
        var sources: [SnippetSelector.Source] = []
        for file in ranked {
            guard sources.count < SnippetSelector.maximumFileCount || shown.contains(file.path) else {
                continue
            }
            guard let text = checkout.outline(of: file.path, documents: documents) else { continue }
            sources.append(
                SnippetSelector.Source(
                    file: file, outline: text.outline, hash: text.hash, blobID: text.blobID,
                    editedLines: subject.editedLines[file.path] ?? []))
        }
        return sources
    }

    // MARK: Around queries

    /// Reads everything about the root of a file, without a time limit: for `warm`, for `complete`, after a
    /// workspace was opened. Other calls get their turn between steps.
    ///
    /// - Parameters:
    ///   - isCancelled: asked between steps; ends the reading early, and nothing else changes.
    ///   - onProgress: told after each step, if it was not the last, which share of the files is read, 0 to 1.
    package func prepare(
        file filePath: String, isCancelled: @escaping @Sendable () -> Bool = { false },
        onProgress: @Sendable (Double) -> Void = { _ in }
    ) async {
        if isCancelled() { return }
        let located = locate(filePath)
        guard let checkout = checkout(for: located.location) else { return }
        checkout.refresh()
        // One that made room for others is read when it is needed again.
        while !checkout.isComplete, !isCancelled(), checkouts.contains(where: { $0.checkout === checkout }) {
            step(checkout, focus: located.path, isCancelled: isCancelled)
            if !checkout.isComplete { onProgress(checkout.readShare) }
            await Task.yield()
        }
        checkout.save()
        report([located.degradation].compactMap { $0 } + checkout.degradations)
    }

    /// Tells that a file was written, created or removed. Cheap: the next query looks at it.
    package func noteSaved(_ filePath: String) {
        let canonical = RepositoryLocator.canonicalPath(filePath)
        for (checkout, _) in checkouts {
            if let path = checkout.snapshot.relativePath(of: canonical) { checkout.noteSaved(path) }
        }
    }

    /// The git blob ids that the texts of files would have now, for files beneath one root; nil where a file is gone,
    /// ignored, or must not be shown to a model. Open documents count with their text. Files that have not changed
    /// since they were asked about last are not read again.
    package func blobIDs(
        of paths: [String], beneath rootPath: String, openDocuments: [OpenDocument] = []
    ) -> [String?] {
        // Located like a file in the root, which need not exist.
        guard let checkout = checkout(for: locate(rootPath + "/x").location), checkout.rootPath == rootPath
        else {
            return paths.map { _ in nil }
        }
        checkout.refresh()
        var documents: [RelativePath: [UInt8]] = [:]
        for document in openDocuments {
            let canonical = RepositoryLocator.canonicalPath(document.path)
            if let path = RepositorySnapshot.relativePath(of: canonical, beneath: rootPath) {
                documents[path] = document.text
            }
        }
        let asked = paths.map { RelativePath(bytes: Array($0.utf8)) }
        let isListed = { (path: RelativePath) in checkout.snapshot.index(of: path) != nil }
        if !checkout.snapshot.isStatusKnown, !asked.allSatisfy({ $0.map(isListed) ?? true }) {
            // What nobody has added to the index yet is not gone.
            checkout.advance(focus: nil, mayBlock: true) { true }
        }
        return asked.map { path in
            path.flatMap { isListed($0) ? checkout.blobID(of: $0, documents: documents) : nil }
        }
    }

    /// Takes what a prompt of an earlier session showed with a file as what was shown last, unless this session has
    /// shown something itself: so that the next prompt keeps it in its place, as far as it is still there and still
    /// good.
    ///
    /// - Parameter shown: path and text of each part in its order, the path relative to the root.
    package func recall(_ shown: [(path: String, text: [UInt8])], with filePath: String) {
        let located = locate(filePath)
        guard let file = located.path, let checkout = checkout(for: located.location),
            checkout.layouts.shown(with: file).isEmpty
        else { return }
        let files = shown.compactMap { part -> SelectedFile? in
            guard let path = RelativePath(bytes: Array(part.path.utf8)),
                checkout.snapshot.index(of: path) != nil,
                let now = checkout.outline(of: path, documents: [:]),
                let pieces = now.outline.pieces(of: part.text)
            else { return nil }
            return SelectedFile(
                path: path, score: ContextScore(),
                snippets: pieces.map {
                    SelectedSnippet(lines: $0.lines, isSignature: $0.isSignature, score: 0)
                },
                rank: 0, text: now.outline.text(of: pieces), source: now.hash, blobID: now.blobID)
        }
        if !files.isEmpty { checkout.noteShown(files, with: file) }
    }

    /// Source files of a root by their last change, the newest first, absolute.
    package func recentlyChangedFiles(beneath folder: String, limit: Int) -> [String] {
        guard let checkout = checkout(for: locate(folder + "/x").location) else { return [] }
        checkout.refresh()
        let candidates = checkout.snapshot.files.filter { file in
            file.isInWorkTree && !SecretPolicy.isDenied(path: file.path)
                && (SourceLanguage(path: file.path) ?? .plainText) != .plainText
        }
        func time(_ file: RepositorySnapshot.File) -> Int64 {
            file.stamp?.modificationTime ?? Int64(file.indexEntry?.modificationSeconds ?? 0) * 1_000_000_000
        }
        let sorted = candidates.sorted { (time($1), $0.path) < (time($0), $1.path) }
        return sorted.prefix(limit).map { checkout.rootPath + "/" + $0.path.string }
    }

    /// What is known about the root of a file, for `doctor`.
    package func report(forFile filePath: String) -> ContextReport {
        let located = locate(filePath)
        let checkout = checkout(for: located.location)
        checkout?.refresh()
        var head: String?
        if case .git(let id)? = checkout?.snapshot.origin { head = id.map { "\($0)" } }
        return ContextReport(
            scope: RepositoryContext.scope(located.location, checkout), head: head,
            fileCount: checkout?.snapshot.files.count ?? 0, indexedFileCount: checkout?.index.fileCount ?? 0,
            withheldPaths: checkout?.withheldPaths(maximumCount: 5).map(\.string) ?? [],
            withheldCount: checkout?.withheldPaths(maximumCount: .max).count ?? 0,
            degradations: [located.degradation].compactMap { $0 } + (checkout?.degradations ?? [])
        )
    }

    private func step(
        _ checkout: Checkout, focus: RelativePath?, isCancelled: () -> Bool = { false }
    ) {
        let clock = configuration.clock
        let start = clock.nanoseconds()
        let limit = configuration.backgroundTimeLimit
        var isFirst = true
        // A large repository's status, which cannot be interrupted, comes when the files are read: queries wait for it.
        checkout.advance(focus: focus, mayBlock: checkout.hasReadFiles) {
            // At least one file per step, so that a clock that jumps cannot stop the work for good.
            defer { isFirst = false }
            return !isFirst && (clock.duration(since: start) >= limit || isCancelled())
        }
    }

    private func readOnInBackground(_ checkout: Checkout, focus: RelativePath) {
        guard !checkout.isComplete, let place = checkouts.firstIndex(where: { $0.checkout === checkout }),
            !checkouts[place].isIndexing
        else { return }
        checkouts[place].isIndexing = true
        let rootPath = checkout.rootPath
        Task { [weak self] in
            while await self?.backgroundStep(rootPath, focus: focus) ?? false { await Task.yield() }
        }
    }

    /// One step; false when there is nothing more to do.
    private func backgroundStep(_ rootPath: String, focus: RelativePath) -> Bool {
        guard let place = checkouts.firstIndex(where: { $0.checkout.rootPath == rootPath }) else {
            return false
        }
        let checkout = checkouts[place].checkout
        step(checkout, focus: focus)
        checkouts[place].isIndexing = !checkout.isComplete
        checkout.save()
        return !checkout.isComplete
    }

    private func locate(_ filePath: String) -> LocatedFile {
        let canonical = RepositoryLocator.canonicalPath(filePath)
        let folder = PathIndex.parent(canonical)
        let now = configuration.clock.nanoseconds()
        if let known = locations[folder],
            configuration.clock.duration(since: known.time) < RepositoryContext.locationLifetime
        {
            let path = RepositoryContext.rootPath(known.location).flatMap {
                RepositorySnapshot.relativePath(of: canonical, beneath: $0)
            }
            if path != nil || known.location == .none {
                return LocatedFile(location: known.location, path: path, degradation: known.degradation)
            }
        }
        let located = locator.locate(canonical)
        if locations.count >= RepositoryContext.maximumLocationCount { locations.removeAll() }
        locations[folder] = (located.location, located.degradation, now)
        return located
    }

    /// The warm checkout of a location, or a new one; the last used one stands last.
    private func checkout(for location: RepositoryLocation) -> Checkout? {
        if let place = checkouts.firstIndex(where: { $0.checkout.location == location }) {
            let found = checkouts.remove(at: place)
            checkouts.append(found)
            return found.checkout
        }
        let cache = configuration.cacheFolder.map { IndexCache(cacheFolder: $0) }
        guard
            let checkout = Checkout(
                location, cache: cache, followsRepository: configuration.findsRepositories)
        else { return nil }
        if checkouts.count >= RepositoryContext.maximumCheckoutCount {
            checkouts.removeFirst().checkout.save()
        }
        checkouts.append((checkout, false))
        return checkout
    }

    private func report(_ degradations: [String]) {
        for line in degradations where !reported.contains(line) {
            if reported.count >= RepositoryContext.maximumReportCount { reported.removeAll() }
            reported.insert(line)
            configuration.onDegradation(line)
        }
    }

    private static func rootPath(_ location: RepositoryLocation) -> String? {
        switch location {
        case .repository(let rootPath, _), .folder(let rootPath): rootPath
        case .none: nil
        }
    }

    /// - Parameter checkout: where there is one, it knows whether git could be used in the end.
    private static func scope(_ location: RepositoryLocation, _ checkout: Checkout?) -> PromptScope {
        switch location {
        case .repository(let rootPath, _):
            return checkout?.snapshot.origin == .folder
                ? .folder(rootPath: rootPath) : .repository(rootPath: rootPath)
        case .folder(let rootPath): return .folder(rootPath: rootPath)
        case .none: return .fileAlone
        }
    }

    /// The file's name as a path of one component; control characters become "_".
    private static func fileNamePath(_ filePath: String) -> RelativePath {
        let name = PathIndex.lastComponent(filePath).utf8.map {
            $0 < 0x20 || $0 == 0x7F ? UInt8(ascii: "_") : $0
        }
        return RelativePath(bytes: name) ?? RelativePath(bytes: Array("untitled".utf8))!
    }
}
