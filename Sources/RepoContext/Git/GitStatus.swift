// The index and what the work tree and HEAD differ from it in, read once into values. libgit2 is told not
// to write the refreshed index back. Untracked folders are reported as one entry: entering them is left to
// FolderWalk, which is bounded, whereas libgit2 would list every file of an unignored node_modules.

import CGit2

/// The entries of .git/index.
package struct GitIndex: ~Copyable, ~Escapable {
    private let raw: OpaquePointer

    /// What the index knows about one tracked regular file.
    package struct Entry: Sendable {
        package var path: RelativePath
        package var blobID: GitObjectID
        /// The work tree file's stamp when git last saw it equal to the blob.
        package var byteCount: UInt32
        package var modificationSeconds: Int32
        package var modificationNanoseconds: UInt32
        /// True in a sparse checkout for a file that is not in the work tree on purpose.
        package var isSkipped: Bool
    }

    /// What the index holds.
    package struct Listing: Sendable {
        package var entries: [Entry] = []
        /// Entries that are no candidates: links, submodules, names that are not UTF-8.
        package var skippedCount = 0
        /// True when there were more than the bound.
        package var isTruncated = false
    }

    @_lifetime(borrow repository)
    private init(raw: OpaquePointer, repository: borrowing GitRepository) {
        self.raw = raw
        GitHandleCount.didOpen()
    }

    deinit {
        git_index_free(raw)
        GitHandleCount.didFree()
    }

    /// Reads the index into memory.
    @_lifetime(borrow repository)
    package static func open(of repository: borrowing GitRepository) throws(GitError) -> GitIndex {
        var raw: OpaquePointer?
        try gitCall(.readIndex) { git_repository_index(&raw, repository.raw) }
        return GitIndex(raw: raw!, repository: repository)
    }

    /// Copies the regular files, in the index's order (by path). Of a conflict "ours" is taken.
    package func listing(maximumCount: Int) -> Listing {
        var listing = Listing()
        listing.entries.reserveCapacity(min(git_index_entrycount(raw), maximumCount))
        for index in 0..<git_index_entrycount(raw) {
            guard let entry = git_index_get_byindex(raw, index)?.pointee else { continue }
            let stage = (entry.flags >> 12) & 3
            guard stage == 0 || stage == 2 else { continue }
            let isRegular = [GIT_FILEMODE_BLOB.rawValue, GIT_FILEMODE_BLOB_EXECUTABLE.rawValue].contains(
                entry.mode)
            guard isRegular, let name = entry.path, let path = RelativePath(cString: name),
                !path.isInGitDirectory
            else {
                listing.skippedCount += 1
                continue
            }
            guard listing.entries.count < maximumCount else {
                listing.isTruncated = true
                break
            }
            listing.entries.append(
                Entry(
                    path: path, blobID: GitObjectID(entry.id), byteCount: entry.file_size,
                    modificationSeconds: entry.mtime.seconds,
                    modificationNanoseconds: entry.mtime.nanoseconds,
                    isSkipped: entry.flags_extended & UInt16(GIT_INDEX_ENTRY_SKIP_WORKTREE.rawValue) != 0
                )
            )
        }
        return listing
    }
}

/// How the work tree and the index differ from HEAD.
package struct GitStatus: ~Copyable, ~Escapable {
    private let raw: OpaquePointer

    /// One difference.
    package enum Change: Sendable, Equatable {
        /// Changed against the index, or staged and changed against HEAD.
        case modified
        /// Tracked, but gone from the work tree.
        case deleted
        /// Neither tracked nor ignored.
        case untracked
        /// A folder with neither tracked nor only ignored files in it.
        case untrackedFolder
    }

    @_lifetime(borrow repository)
    private init(raw: OpaquePointer, repository: borrowing GitRepository) {
        self.raw = raw
        GitHandleCount.didOpen()
    }

    deinit {
        git_status_list_free(raw)
        GitHandleCount.didFree()
    }

    /// Compares HEAD, index and work tree. Costs a stat of every tracked file (11 ms for 2,000 files).
    @_lifetime(borrow repository)
    package static func open(of repository: borrowing GitRepository) throws(GitError) -> GitStatus {
        var options = git_status_options()
        try gitCall(.readStatus) { git_status_options_init(&options, UInt32(GIT_STATUS_OPTIONS_VERSION)) }
        options.show = GIT_STATUS_SHOW_INDEX_AND_WORKDIR
        options.flags = GIT_STATUS_OPT_INCLUDE_UNTRACKED.rawValue | GIT_STATUS_OPT_EXCLUDE_SUBMODULES.rawValue
        var raw: OpaquePointer?
        try gitCall(.readStatus) { git_status_list_new(&raw, repository.raw, &options) }
        return GitStatus(raw: raw!, repository: repository)
    }

    /// The differences with names that a path can hold, in path order.
    package func changes(maximumCount: Int) -> [(path: RelativePath, change: Change)] {
        var changes: [(path: RelativePath, change: Change)] = []
        for index in 0..<min(git_status_list_entrycount(raw), maximumCount) {
            guard let entry = git_status_byindex(raw, index)?.pointee else { continue }
            let delta = entry.index_to_workdir ?? entry.head_to_index
            guard let name = delta?.pointee.new_file.path ?? delta?.pointee.old_file.path else { continue }
            let status = entry.status.rawValue
            let isUntracked = status & GIT_STATUS_WT_NEW.rawValue != 0
            let gone = GIT_STATUS_WT_DELETED.rawValue | GIT_STATUS_INDEX_DELETED.rawValue
            if isUntracked, let folder = String(validatingCString: name), folder.hasSuffix("/") {
                guard let path = RelativePath(withoutTrailingSlash(folder)) else { continue }
                changes.append((path, .untrackedFolder))
            } else if let path = RelativePath(cString: name) {
                changes.append((path, isUntracked ? .untracked : status & gone != 0 ? .deleted : .modified))
            }
        }
        return changes
    }
}
