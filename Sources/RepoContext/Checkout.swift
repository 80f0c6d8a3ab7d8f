// One root at work: its snapshot, the index over it, its history, and what of that is still to be read. All
// reading happens in small steps that stop when their time is over. Owned by RepositoryContext; `index`
// thread only, so nothing here is Sendable or locked.

/// A root that prompts are built from.
final class Checkout {
    /// Bytes scanned per root at most; the files nearest to the cursor come first.
    static let maximumIndexedByteCount = 128 << 20
    /// Repositories with more files get their status in the background: reading it cannot be interrupted, and
    /// it costs about 5 microseconds per file.
    static let maximumImmediateStatusCount = 5_000
    /// Blob ids remembered; more files than the snapshots of one repository show.
    static let maximumBlobIDCount = 4_096
    /// Saved paths remembered until the next query; beyond that everything is listed anew.
    static let maximumSavedPathCount = 1_000

    let location: RepositoryLocation
    let rootPath: String
    private(set) var snapshot: RepositorySnapshot
    private(set) var paths: PathIndex
    private(set) var index = RepositoryIndex()
    private(set) var history = ChangeHistory(head: nil)
    /// What could not be read, one line each.
    private(set) var degradations: [String] = []

    private let root: RootDirectory
    private var gitStamps: [FileStamp?] = []
    /// Places in `snapshot.files` still to be scanned, the next one last.
    private var pendingPlaces: [Int] = []
    private var isPendingKnown = false
    /// How many there were when they were looked for.
    private var pendingTotal = 0
    private var savedPaths = Set<RelativePath>()
    private var mustReload = false
    /// Paths whose record is that of an open document.
    private var documentPaths = Set<RelativePath>()
    private var outlines = OutlineCache()
    private var rules = IgnoreRules()
    private let followsRepository: Bool
    /// Files whose text holds a credential.
    private var secretPaths = Set<RelativePath>()
    private(set) var layouts = LayoutHistory()
    /// Blob ids of files by what they were read as.
    private var blobIDs: [RelativePath: (key: ContentKey, id: String)] = [:]

    private let cache: IndexCache?
    /// `index.changeCount` when it was saved last.
    private var savedChangeCount = 0

    /// Lists the root; nil when it is gone or cannot be listed.
    ///
    /// - Parameter cache: where an earlier session may have left what it read.
    /// - Parameter followsRepository: false takes a plain folder alone, whatever repository it lies in.
    init?(_ location: RepositoryLocation, cache: IndexCache? = nil, followsRepository: Bool = true) {
        self.cache = cache
        self.followsRepository = followsRepository
        self.location = location
        switch location {
        case .repository(let rootPath, _), .folder(let rootPath): self.rootPath = rootPath
        case .none: return nil
        }
        guard let root = RootDirectory.open(rootPath) else { return nil }
        let rules = IgnoreRules(beneath: root)
        self.root = root
        self.rules = rules
        guard
            let (listing, degradations) = Checkout.list(
                location, rootPath: rootPath, followsRepository: followsRepository)
        else { return nil }
        var snapshot = listing
        var ignored = IgnoreListing(rules)
        snapshot.files.removeAll { ignored.ignores($0.path) }
        self.snapshot = snapshot
        self.degradations = degradations + [ignored.degradation(rootPath: rootPath)].compactMap { $0 }
        paths = PathIndex(snapshot)
        gitStamps = currentGitStamps()
        load()
    }

    private func load() {
        guard let (saved, problem) = cache?.load(rootPath: rootPath) else { return }
        if let problem { degradations.append(problem) }
        guard let saved else { return }
        index = RepositoryIndex(entries: saved.entries, terms: saved.terms, weights: saved.weights)
        if let known = saved.history, known.head == head { history = known }
        index.keepOnly(snapshot)
        savedChangeCount = index.changeCount
    }

    /// Leaves what was read for the next session, if there is anything new.
    func save() {
        guard let cache, isComplete, index.changeCount != savedChangeCount else { return }
        savedChangeCount = index.changeCount
        if let line = cache.save(SavedIndex(index, history: history), rootPath: rootPath) {
            degradations.append(line)
        }
    }

    private static func list(
        _ location: RepositoryLocation, rootPath: String, followsRepository: Bool
    ) -> (RepositorySnapshot, [String])? {
        var builder = SnapshotBuilder()
        var line: String?
        if case .repository = location {
            do throws(GitError) {
                if let path = GitFileCheck.repository(above: rootPath).flatMap({
                    GitFileCheck.blockingObject(inGitDirectory: $0.gitDirectory)
                }) {
                    throw .notRegular(path, operation: .openRepository)
                }
                if let repository = try GitRepository.discover(fromFolder: rootPath),
                    let snapshot = builder.listing(of: repository)
                {
                    return (snapshot, builder.degradations)
                }
            } catch {
                line = "the repository at \(rootPath) cannot be opened (\(error)); context comes without git"
            }
        }
        return builder.folderListing(rootPath: rootPath, followsRepository: followsRepository)
            .map { ($0, [line].compactMap { $0 } + builder.degradations) }
    }

    // MARK: Following changes

    /// The files that git rewrites when HEAD or the index moves.
    private func currentGitStamps() -> [FileStamp?] {
        guard case .repository(_, let gitDirectoryPath) = location else { return [] }
        return ["HEAD", "index", "logs/HEAD"].map { FileStamp.of(path: gitDirectoryPath + "/" + $0) }
    }

    /// Notes a save, a creation or a removal; looked at by the next query.
    func noteSaved(_ path: RelativePath) {
        if path.fileName == ".gitignore" || path.string == IgnoreRules.fileName
            || savedPaths.count >= Checkout.maximumSavedPathCount
        {
            mustReload = true
        }
        savedPaths.insert(path)
    }

    /// Brings the snapshot up to date if something has changed: everything when git moved, else saved paths.
    func refresh() {
        let stamps = currentGitStamps()
        if mustReload || stamps != gitStamps {
            gitStamps = stamps
            mustReload = false
            savedPaths.removeAll()
            reload()
        } else if !savedPaths.isEmpty {
            refreshSavedPaths()
        }
    }

    private func reload() {
        // A root that cannot be listed any more keeps what was known; its files no longer open.
        guard
            let (snapshot, degradations) = Checkout.list(
                location, rootPath: rootPath, followsRepository: followsRepository)
        else { return }
        self.snapshot = snapshot
        rules = IgnoreRules(beneath: root)
        self.degradations = degradations + [rules.degradation(rootPath: rootPath)].compactMap { $0 }
        didChangeFiles()
    }

    private func refreshSavedPaths() {
        let fileCount = snapshot.files.count
        var isListChanged = false
        let ignores = isIgnored(savedPaths.filter { snapshot.index(of: $0) == nil })
        var listing = IgnoreListing(rules)
        let named = Set(savedPaths.filter { listing.ignores($0) })
        for path in savedPaths.sorted() {
            let wasListed = snapshot.index(of: path) != nil
            let isIgnored = { (path: RelativePath) in ignores.contains(path) || named.contains(path) }
            SnapshotBuilder.refresh(path, root: root, isIgnored: isIgnored, in: &snapshot)
            isListChanged = isListChanged || wasListed != (snapshot.index(of: path) != nil)
            if let place = snapshot.index(of: path) { scan(place) } else { index.remove(path) }
        }
        savedPaths.removeAll()
        if isListChanged || fileCount != snapshot.files.count { didChangeFiles() }
    }

    /// Those of the paths that are ignored; where the rules cannot be read, all.
    private func isIgnored(_ paths: Set<RelativePath>) -> Set<RelativePath> {
        guard !paths.isEmpty else { return [] }
        if snapshot.origin == .folder {
            guard let rules = FolderRules(rootPath: rootPath, followsRepository: followsRepository) else {
                return paths
            }
            let ignored = paths.filter { rules.ignores($0) }
            if let line = rules.degradation, !degradations.contains(line) { degradations.append(line) }
            return ignored
        }
        do throws(GitError) {
            guard let repository = try GitRepository.discover(fromFolder: rootPath) else { return paths }
            var ignored = Set<RelativePath>()
            for path in paths {
                if GitFileCheck.blockingRules(of: root, above: path) != nil {
                    ignored.insert(path)
                } else if try repository.isIgnored(path) {
                    ignored.insert(path)
                }
            }
            return ignored
        } catch {
            let line = "ignore rules cannot be read (\(error)); new files are left out of context"
            if !degradations.contains(line) { degradations.append(line) }
            return paths
        }
    }

    /// Asks the rules on the disk about files of this root.
    var exclusionCheck: ExclusionCheck {
        let snapshot = snapshot
        return ExclusionCheck(rootPath: rootPath, isRepository: snapshot.origin != .folder) { path in
            snapshot.index(of: path).map { snapshot.files[$0].blobID != nil } ?? false
        }
    }

    /// Files that are listed but never shown, by name or content; in no particular order.
    func withheldPaths(maximumCount: Int) -> [RelativePath] {
        let denied = snapshot.files.lazy.map(\.path).filter {
            SecretPolicy.isDenied(path: $0) || self.secretPaths.contains($0)
        }
        return Array(denied.prefix(maximumCount))
    }

    private func didChangeFiles() {
        if !rules.isEmpty {
            var ignored = IgnoreListing(rules)
            snapshot.files.removeAll { ignored.ignores($0.path) }
            if let line = ignored.degradation(rootPath: rootPath), !degradations.contains(line) {
                degradations.append(line)
            }
        }
        paths = PathIndex(snapshot)
        index.keepOnly(snapshot)
        isPendingKnown = false
    }

    // MARK: Reading in steps

    /// True when nothing is left to read.
    var isComplete: Bool {
        snapshot.isStatusKnown && isPendingKnown && pendingPlaces.isEmpty && history.head == head
            && history.isComplete
    }

    /// Whether the files that are known of are read; the status of the work tree may not be.
    var hasReadFiles: Bool { isPendingKnown && pendingPlaces.isEmpty }

    /// How many of the files that had to be read are, 0 to 1.
    var readShare: Double {
        pendingTotal == 0 ? 0 : 1 - Double(pendingPlaces.count) / Double(pendingTotal)
    }

    private var head: GitObjectID? {
        if case .git(let head) = snapshot.origin { return head }
        return nil
    }

    /// Reads on until everything is read or the time is over: status, files from `focus` outwards, history.
    ///
    /// - Parameter mayBlock: allows the status of a large repository, which cannot be interrupted.
    func advance(focus: RelativePath?, mayBlock: Bool, isTimeOver: () -> Bool) {
        if !snapshot.isStatusKnown, mayBlock || snapshot.files.count <= Checkout.maximumImmediateStatusCount {
            readStatus()
        }
        if !isPendingKnown { findPending(focus: focus) }
        while !pendingPlaces.isEmpty, !isTimeOver() { scan(pendingPlaces.removeLast()) }
        if history.head != head { history = ChangeHistory(head: head) }
        if !history.isComplete, !isTimeOver() { readHistory(isTimeOver) }
    }

    private func readStatus() {
        var builder = SnapshotBuilder()
        let listed = snapshot.files.map(\.path)
        do throws(GitError) {
            guard let repository = try GitRepository.discover(fromFolder: rootPath) else {
                snapshot.isStatusKnown = true
                return
            }
            builder.applyStatus(of: repository, root: root, to: &snapshot)
        } catch {
            snapshot.isStatusKnown = true
            degradations.append(
                "the work tree's status cannot be read (\(error)); untracked files are not seen")
        }
        degradations += builder.degradations
        // The tables over the list cost more than the status of a tree in which no file came or went.
        isPendingKnown = false
        if snapshot.files.map(\.path) != listed { didChangeFiles() }
    }

    private func readHistory(_ isTimeOver: () -> Bool) {
        do throws(GitError) {
            guard head != nil, let repository = try GitRepository.discover(fromFolder: rootPath) else {
                history = .empty(head: head)
                return
            }
            if let line = history.readOn(of: repository, isTimeOver: isTimeOver) { degradations.append(line) }
        } catch {
            history = .empty(head: head)
            degradations.append("history cannot be read (\(error)); recent changes do not count")
        }
    }

    private func findPending(focus: RelativePath?) {
        isPendingKnown = true
        let focusFolder = focus?.folder ?? ""
        // In this order: a look into the index costs less than one at the name.
        let unread = snapshot.files.indices.filter { !isScanned($0) && isWorthScanning($0) }
        let distances = unread.map { place in
            (
                place: place,
                shared: PathIndex.sharedFolderCount(snapshot.files[place].path.folder, focusFolder)
            )
        }
        // Last comes first: the files that share most folders with the focus, each group in path order.
        pendingPlaces = distances.sorted { ($0.shared, $1.place) < ($1.shared, $0.place) }.map(\.place)
        let bound = RepositoryIndex.maximumFileCount
        if pendingPlaces.count > bound {
            pendingPlaces.removeFirst(pendingPlaces.count - bound)
            degradations.append("more than \(bound) source files; definitions in the farthest are not known")
        }
        pendingTotal = pendingPlaces.count
    }

    private func isWorthScanning(_ place: Int) -> Bool {
        let file = snapshot.files[place]
        guard let language = SourceLanguage(path: file.path) else { return false }
        let bound =
            language == .plainText
            ? RepositoryIndex.maximumPlainTextByteCount : RepositoryIndex.maximumFileByteCount
        return !SecretPolicy.isDenied(path: file.path) && (file.byteCount ?? 0) <= bound
    }

    /// Whether the index holds this file's present content, as far as can be told without reading it.
    private func isScanned(_ place: Int) -> Bool {
        let file = snapshot.files[place]
        if let id = file.blobID, file.change == .unchanged {
            if index.key(file.path) == .blob(id) { return true }
            if let record = index.idleRecord(.blob(id)) {
                index.set(file.path, key: .blob(id), record: record)
                return true
            }
        }
        guard case .file(let known)? = index.key(file.path) else { return false }
        return (file.stamp ?? root.stamp(file.path)) == known
    }

    /// Reads and scans one file.
    private func scan(_ place: Int) {
        guard place < snapshot.files.count, isWorthScanning(place) else { return }
        let file = snapshot.files[place]
        guard index.byteCount < Checkout.maximumIndexedByteCount else {
            let line =
                "more than \(Checkout.maximumIndexedByteCount >> 20) MiB of source; definitions in the rest "
                + "are not known"
            if degradations.last != line { degradations.append(line) }
            return
        }
        switch content(of: file) {
        case .text(let bytes, let stamp):
            secretPaths.remove(file.path)
            let language = SourceLanguage(path: file.path) ?? .other
            index.set(file.path, key: key(of: file, stamp: stamp), record: .scan(bytes, language: language))
        case .skipped(.missing):
            index.remove(file.path)
        case .skipped(let reason):
            if reason == .secret { secretPaths.insert(file.path) }
            index.set(file.path, key: key(of: file, stamp: root.stamp(file.path)), record: .withoutText)
        }
    }

    /// The blob where the file is known to be equal to it, else the file's own stamp.
    private func key(of file: RepositorySnapshot.File, stamp: FileStamp?) -> ContentKey {
        if let id = file.blobID {
            guard let stamp else { return .blob(id) }
            if file.indexEntry.map(stamp.matches) ?? false { return .blob(id) }
        }
        return stamp.map { .file($0) } ?? .document(byteCount: 0, hash: 0)
    }

    private func content(of file: RepositorySnapshot.File) -> FileContent {
        if file.isInWorkTree {
            return root.read(file.path, maximumByteCount: RepositoryIndex.maximumFileByteCount)
        }
        guard let id = file.blobID else { return .skipped(.missing) }
        do throws(GitError) {
            guard let repository = try GitRepository.discover(fromFolder: rootPath) else {
                return .skipped(.missing)
            }
            let blob = try GitBlob.open(id, of: repository)
            guard let bytes = blob.bytes(maximumByteCount: RepositoryIndex.maximumFileByteCount) else {
                return .skipped(.tooLarge)
            }
            return .checked(bytes, stamp: nil)
        } catch {
            return .skipped(.unreadable)  // a partial clone does not have every blob, and none is fetched
        }
    }

    // MARK: Open documents

    /// Lets open documents override what the index knows of their files.
    func overlay(_ documents: [RelativePath: [UInt8]]) {
        for path in documentPaths.sorted() where documents[path] == nil {
            if let place = snapshot.index(of: path) { scan(place) } else { index.remove(path) }
        }
        documentPaths = Set(documents.keys)
        for (path, text) in documents {
            guard text.count <= RepositoryIndex.maximumFileByteCount, !SecretPolicy.isDenied(path: path),
                let language = SourceLanguage(path: path)
            else { continue }
            let key = ContentKey.document(byteCount: text.count, hash: identifierHash(text[...]))
            guard index.key(path) != key else { continue }
            index.set(path, key: key, record: .scan(text, language: language))
        }
    }

    /// The present text of a file for a prompt, cut into snippets: the document where it is open, else from disk.
    func outline(of path: RelativePath, documents: [RelativePath: [UInt8]]) -> OutlinedText? {
        guard !SecretPolicy.isDenied(path: path) else { return nil }
        if let document = documents[path] {
            let key = ContentKey.document(byteCount: document.count, hash: identifierHash(document[...]))
            return outline(path, key: key) { .checked(document, stamp: nil) }
        }
        guard let place = snapshot.index(of: path) else { return nil }
        let file = snapshot.files[place]
        guard let key = contentKey(of: file) else { return nil }
        return outline(path, key: key) { content(of: file) }
    }

    /// The id of a git blob with the present text of a file, the document where it is open; nil where the text may not
    /// be shown.
    func blobID(of path: RelativePath, documents: [RelativePath: [UInt8]]) -> String? {
        guard !SecretPolicy.isDenied(path: path) else { return nil }
        if let document = documents[path] {
            guard case .text(let bytes, _) = FileContent.checked(document, stamp: nil) else { return nil }
            return GitObjectID(blobWith: bytes)?.description
        }
        guard let place = snapshot.index(of: path), let key = contentKey(of: snapshot.files[place]) else {
            return nil
        }
        if let known = blobIDs[path], known.key == key { return known.id }
        guard case .text(let bytes, _) = content(of: snapshot.files[place]) else { return nil }
        let id = GitObjectID(blobWith: bytes)?.description
        if blobIDs.count >= Checkout.maximumBlobIDCount { blobIDs.removeAll() }
        if let id { blobIDs[path] = (key, id) }
        return id
    }

    private func contentKey(of file: RepositorySnapshot.File) -> ContentKey? {
        file.isInWorkTree ? root.stamp(file.path).map { .file($0) } : file.blobID.map { .blob($0) }
    }

    private func outline(_ path: RelativePath, key: ContentKey, _ content: () -> FileContent) -> OutlinedText?
    {
        if let known = outlines.find(path, key: key) { return known }
        guard case .text(let bytes, _) = content() else { return nil }
        return outlines.add(path, key: key, text: bytes)
    }

    /// Remembers what was shown with a file.
    func noteShown(_ selection: [SelectedFile], with path: RelativePath) {
        layouts.note(selection, with: path)
    }
}
