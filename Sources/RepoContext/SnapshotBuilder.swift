// Makes RepositorySnapshots: from the index (or HEAD's tree where the index cannot be read), from the work
// tree's status, from a folder walk where git is of no use. Each part that fails leaves a line saying what is
// missing and the rest goes on; none of it is an error to the caller.

/// Reads listings; runs on the `index` thread.
package struct SnapshotBuilder {
    /// Files listed at most; 100,000 entries take about 15 MiB.
    package static let maximumFileCount = 100_000
    /// Differences to HEAD taken over at most; a checkout that differs in more is being rebuilt.
    static let maximumChangeCount = 20_000

    /// What could not be read, one line each.
    package private(set) var degradations: [String] = []

    package init() {}

    /// The listing of an open repository, without its status.
    package mutating func listing(of repository: borrowing GitRepository) -> RepositorySnapshot? {
        var head: GitObjectID?
        do throws(GitError) {
            head = try repository.headCommitID()
        } catch {
            degradations.append("HEAD cannot be read (\(error)); history is not used")
        }
        guard let rootPath = repository.workTreePath else { return bareListing(of: repository, head: head) }
        do throws(GitError) {
            let index = try GitIndex.open(of: repository)
            let listing = index.listing(maximumCount: SnapshotBuilder.maximumFileCount)
            if listing.isTruncated { reportTruncation() }
            let files = listing.entries.map { entry in
                RepositorySnapshot.File(
                    path: entry.path, change: .unchanged, blobID: entry.blobID, stamp: nil, indexEntry: entry,
                    isInWorkTree: !entry.isSkipped
                )
            }
            return RepositorySnapshot(origin: .git(head: head), rootPath: rootPath, files: files)
        } catch {
            degradations.append("the index cannot be read (\(error)); files are listed from HEAD")
        }
        guard let files = treeFiles(of: repository, head: head, isInWorkTree: true) else { return nil }
        var snapshot = RepositorySnapshot(origin: .git(head: head), rootPath: rootPath, files: files)
        snapshot.isStatusKnown = true  // status needs the index
        return snapshot
    }

    private mutating func bareListing(
        of repository: borrowing GitRepository, head: GitObjectID?
    ) -> RepositorySnapshot? {
        guard let files = treeFiles(of: repository, head: head, isInWorkTree: false) else { return nil }
        var snapshot = RepositorySnapshot(
            origin: .git(head: head), rootPath: repository.gitDirectoryPath, files: files
        )
        if snapshot.name.hasSuffix(".git") { snapshot.name.removeLast(4) }
        snapshot.isStatusKnown = true
        return snapshot
    }

    private mutating func treeFiles(
        of repository: borrowing GitRepository, head: GitObjectID?, isInWorkTree: Bool
    ) -> [RepositorySnapshot.File]? {
        guard let head else { return nil }
        var files: [RepositorySnapshot.File] = []
        do throws(GitError) {
            let tree = try GitTree.open(commit: head, of: repository)
            let skippedCount = tree.forEachFile(of: repository) { path, id in
                files.append(
                    RepositorySnapshot.File(
                        path: path, change: .unchanged, blobID: id, stamp: nil, indexEntry: nil,
                        isInWorkTree: isInWorkTree
                    )
                )
                return files.count < SnapshotBuilder.maximumFileCount
            }
            if skippedCount > 0 { degradations.append("\(skippedCount) folders of HEAD cannot be read") }
            if files.count == SnapshotBuilder.maximumFileCount { reportTruncation() }
        } catch {
            degradations.append("HEAD's tree cannot be read (\(error)); files are listed from the folder")
            return nil
        }
        return files
    }

    private mutating func reportTruncation() {
        degradations.append(
            "more than \(SnapshotBuilder.maximumFileCount) files; those after the first "
                + "are no candidates for context"
        )
    }

    /// Compares the work tree and brings the snapshot up to date with it.
    package mutating func applyStatus(
        of repository: borrowing GitRepository, root: borrowing RootDirectory,
        to snapshot: inout RepositorySnapshot
    ) {
        snapshot.isStatusKnown = true
        var changes: [(path: RelativePath, change: GitStatus.Change)] = []
        do throws(GitError) {
            try SnapshotBuilder.checkRules(of: repository, root: root, snapshot: snapshot)
            let status = try GitStatus.open(of: repository)
            changes = status.changes(maximumCount: SnapshotBuilder.maximumChangeCount)
        } catch {
            degradations.append(
                "the work tree's status cannot be read (\(error)); untracked files are not seen")
            return
        }
        var walk = FolderWalk(limits: .untracked)
        var untracked: [(path: RelativePath, stamp: FileStamp)] = []
        var gone = Set<RelativePath>()
        var unreadRules: GitError?
        for (path, change) in changes {
            switch change {
            case .modified:
                guard let place = snapshot.index(of: path) else { continue }
                snapshot.files[place].change = .modified
                snapshot.files[place].stamp = root.stamp(path)
            case .deleted:
                // A file that a sparse checkout leaves out is not gone.
                let place = snapshot.index(of: path)
                let isExpected = place.map { snapshot.files[$0].isInWorkTree } ?? true
                guard isExpected else { continue }
                if let place, let stamp = root.stamp(path) {
                    // With core.ignoreCase one file stands for two names, and libgit2 may miss the wrong one.
                    snapshot.files[place].change = .modified
                    snapshot.files[place].stamp = stamp
                } else {
                    gone.insert(path)
                }
            case .untracked:
                if let stamp = root.stamp(path) { untracked.append((path, stamp)) }
            case .untrackedFolder:
                guard !FolderWalk.skippedFolders.contains(String(path.fileName)) else { continue }
                walk.add(folder: path.string, of: root) { path in
                    do throws(GitError) {
                        return try repository.isIgnored(path)
                    } catch {
                        unreadRules = error
                        return true
                    }
                }
            }
        }
        if walk.isTruncated {
            degradations.append("too many untracked files; not all are candidates for context")
        }
        if let error = unreadRules {
            degradations.append("ignore rules cannot be read (\(error)); new files are left out of context")
        }
        add(untracked + walk.files, without: gone, to: &snapshot)
    }

    /// Throws when libgit2 could have to wait for a rules file, or would pass over one that it cannot read.
    private static func checkRules(
        of repository: borrowing GitRepository, root: borrowing RootDirectory, snapshot: RepositorySnapshot
    ) throws(GitError) {
        var trackedFolders = Set<String>()
        for file in snapshot.files {
            var folder = String(file.path.folder)
            while !folder.isEmpty, trackedFolders.insert(folder).inserted {
                folder = PathIndex.parent(folder)
            }
        }
        let found = GitFileCheck.blockingRules(of: root, trackedFolders: trackedFolders) { path in
            // Rules that cannot be read ignore nothing; the check is bounded all the same.
            (try? repository.isIgnored(path)) ?? false
        }
        if let path = found.path { throw .unusable(path, operation: .readIgnoreRules) }
        guard !found.isTruncated else {
            throw GitError(
                kind: .failed, code: -1, operation: .readIgnoreRules,
                message: "more than \(GitFileCheck.maximumFolderCount) folders"
            )
        }
    }

    private func add(
        _ untracked: [(path: RelativePath, stamp: FileStamp)], without gone: Set<RelativePath>,
        to snapshot: inout RepositorySnapshot
    ) {
        if !gone.isEmpty {
            // A file deleted from the index but present on disk is listed as untracked besides.
            snapshot.files.removeAll { gone.contains($0.path) }
            snapshot.deletedPaths = gone.sorted()
        }
        guard !untracked.isEmpty else { return }
        let known = Set(snapshot.files.lazy.map(\.path))
        for (path, stamp) in untracked where !known.contains(path) {
            snapshot.files.append(SnapshotBuilder.untrackedFile(path, stamp, .untracked))
        }
        snapshot.sortFiles()
    }

    /// The listing of a plain folder.
    ///
    /// - Parameter followsRepository: false takes the folder alone, whatever repository it lies in.
    package mutating func folderListing(
        rootPath: String, followsRepository: Bool = true
    ) -> RepositorySnapshot? {
        guard let root = RootDirectory.open(rootPath),
            let rules = FolderRules(rootPath: rootPath, followsRepository: followsRepository)
        else {
            degradations.append("\(rootPath) cannot be listed; there is no context from other files")
            return nil
        }
        var walk = FolderWalk(limits: .plainFolder)
        walk.add(folder: "", of: root) { rules.ignores($0) }
        if let line = rules.degradation { degradations.append(line) }
        if walk.isTruncated {
            degradations.append("\(rootPath) holds too many files; not all are candidates")
        }
        let files = walk.files.map { SnapshotBuilder.untrackedFile($0.path, $0.stamp, .unchanged) }
        return RepositorySnapshot(origin: .folder, rootPath: rootPath, files: files)
    }

    private static func untrackedFile(
        _ path: RelativePath, _ stamp: FileStamp, _ change: RepositorySnapshot.Change
    ) -> RepositorySnapshot.File {
        RepositorySnapshot.File(
            path: path, change: change, blobID: nil, stamp: stamp, indexEntry: nil, isInWorkTree: true
        )
    }

    /// Brings one path up to date after it was saved, created or removed.
    package static func refresh(
        _ path: RelativePath, root: borrowing RootDirectory, isIgnored: (RelativePath) -> Bool,
        in snapshot: inout RepositorySnapshot
    ) {
        let stamp = root.stamp(path)
        if let place = snapshot.index(of: path) {
            guard let stamp else {
                if snapshot.files[place].blobID != nil { snapshot.deletedPaths.append(path) }
                snapshot.files.remove(at: place)
                return
            }
            let isClean = snapshot.files[place].indexEntry.map(stamp.matches) ?? false
            snapshot.files[place].stamp = stamp
            if snapshot.files[place].blobID != nil {
                snapshot.files[place].change = isClean ? .unchanged : .modified
            }
        } else if let stamp, !isIgnored(path) {
            let isFolder = snapshot.origin == .folder
            let file = untrackedFile(path, stamp, isFolder ? .unchanged : .untracked)
            snapshot.files.insert(file, at: snapshot.insertionPlace(of: path))
            snapshot.deletedPaths.removeAll { $0 == path }
        }
    }
}
