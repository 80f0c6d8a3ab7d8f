// A commit's tree and the blobs in it, borrowed from the repository: neither handle can outlive it. What
// leaves this file is a value (path, object name, bytes).

import CGit2

/// A tree object.
package struct GitTree: ~Copyable, ~Escapable {
    fileprivate let raw: OpaquePointer
    /// For calls of other files of this folder.
    var handle: OpaquePointer { raw }

    /// Deepest folder nesting that a walk enters; deeper trees are hostile or generated.
    package static let maximumDepth = 64

    @_lifetime(borrow repository)
    private init(raw: OpaquePointer, repository: borrowing GitRepository) {
        self.raw = raw
        GitHandleCount.didOpen()
    }

    deinit {
        git_tree_free(raw)
        GitHandleCount.didFree()
    }

    /// The tree of a commit.
    @_lifetime(borrow repository)
    package static func open(
        commit: GitObjectID, of repository: borrowing GitRepository
    ) throws(GitError) -> GitTree {
        let commit = try GitCommit.open(commit, of: repository)
        var raw: OpaquePointer?
        try gitCall(.readTree) { git_commit_tree(&raw, commit.raw) }
        return GitTree(raw: raw!, repository: repository)
    }

    /// Visits regular files (not links, not submodules) in git's order until `visit` returns false.
    /// A subtree that cannot be read is skipped and counted.
    ///
    /// - Returns: how many subtrees were skipped.
    package func forEachFile(
        of repository: borrowing GitRepository, _ visit: (RelativePath, GitObjectID) -> Bool
    ) -> Int {
        var skippedCount = 0
        _ = GitTree.walk(raw, repository.raw, "", 0, &skippedCount, visit)
        return skippedCount
    }

    /// The blob of a regular file in the tree's own folder; nil when it has no file of that name.
    package func blobID(ofFileNamed name: String) -> GitObjectID? {
        guard let entry = git_tree_entry_byname(raw, name), let id = git_tree_entry_id(entry) else { return nil }
        let mode = git_tree_entry_filemode(entry)
        guard mode == GIT_FILEMODE_BLOB || mode == GIT_FILEMODE_BLOB_EXECUTABLE else { return nil }
        return GitObjectID(id.pointee)
    }

    /// Whether the tree's own folder has anything of that name, also a link or a folder.
    package func hasEntry(named name: String) -> Bool { git_tree_entry_byname(raw, name) != nil }

    private static func walk(
        _ tree: OpaquePointer, _ repository: OpaquePointer, _ prefix: String, _ depth: Int,
        _ skippedCount: inout Int, _ visit: (RelativePath, GitObjectID) -> Bool
    ) -> Bool {
        for index in 0..<git_tree_entrycount(tree) {
            guard let entry = git_tree_entry_byindex(tree, index), let name = git_tree_entry_name(entry),
                let id = git_tree_entry_id(entry)
            else { continue }
            let mode = git_tree_entry_filemode(entry)
            if mode == GIT_FILEMODE_TREE {
                guard depth < maximumDepth, let folder = String(validatingCString: name) else {
                    skippedCount += 1
                    continue
                }
                var child: OpaquePointer?
                do throws(GitError) {
                    try gitCall(.readTree) { git_tree_lookup(&child, repository, id) }
                } catch {
                    skippedCount += 1
                    continue
                }
                GitHandleCount.didOpen()
                defer {
                    git_tree_free(child)
                    GitHandleCount.didFree()
                }
                guard walk(child!, repository, prefix + folder + "/", depth + 1, &skippedCount, visit) else {
                    return false
                }
            } else if mode == GIT_FILEMODE_BLOB || mode == GIT_FILEMODE_BLOB_EXECUTABLE {
                guard let name = String(validatingCString: name), let path = RelativePath(prefix + name),
                    !path.isInGitDirectory
                else { continue }
                guard visit(path, GitObjectID(id.pointee)) else { return false }
            }
        }
        return true
    }

    /// Paths of regular files that differ between the trees of a commit and its first parent, or nil when
    /// the commit has not exactly one parent or changes more than `maximumCount` files.
    package static func changedPaths(
        commit: borrowing GitCommit, of repository: borrowing GitRepository, maximumCount: Int
    ) throws(GitError) -> [RelativePath]? {
        guard git_commit_parentcount(commit.raw) == 1 else { return nil }
        var parent: OpaquePointer?
        try gitCall(.readCommit) { git_commit_parent(&parent, commit.raw, 0) }
        GitHandleCount.didOpen()
        defer {
            git_commit_free(parent)
            GitHandleCount.didFree()
        }
        var trees: (old: OpaquePointer?, new: OpaquePointer?) = (nil, nil)
        try gitCall(.readTree) { git_commit_tree(&trees.old, parent) }
        let old = GitTree(raw: trees.old!, repository: repository)
        try gitCall(.readTree) { git_commit_tree(&trees.new, commit.raw) }
        let new = GitTree(raw: trees.new!, repository: repository)
        var diff: OpaquePointer?
        try gitCall(.compareTrees) { git_diff_tree_to_tree(&diff, repository.raw, old.raw, new.raw, nil) }
        GitHandleCount.didOpen()
        defer {
            git_diff_free(diff)
            GitHandleCount.didFree()
        }
        let deltaCount = git_diff_num_deltas(diff)
        guard deltaCount <= maximumCount else { return nil }
        var paths: [RelativePath] = []
        for index in 0..<deltaCount {
            guard let delta = git_diff_get_delta(diff, index), let name = delta.pointee.new_file.path else {
                continue
            }
            if let path = RelativePath(cString: name) { paths.append(path) }
        }
        return paths
    }
}

/// A file's content as git stores it.
package struct GitBlob: ~Copyable, ~Escapable {
    private let raw: OpaquePointer

    @_lifetime(borrow repository)
    private init(raw: OpaquePointer, repository: borrowing GitRepository) {
        self.raw = raw
        GitHandleCount.didOpen()
    }

    deinit {
        git_blob_free(raw)
        GitHandleCount.didFree()
    }

    /// Looks the blob up; a blob that a partial clone does not have is `notFound` and is never fetched.
    @_lifetime(borrow repository)
    package static func open(_ id: GitObjectID, of repository: borrowing GitRepository) throws(GitError)
        -> GitBlob
    {
        var raw: OpaquePointer?
        var oid = id.oid
        try gitCall(.readBlob) { git_blob_lookup(&raw, repository.raw, &oid) }
        return GitBlob(raw: raw!, repository: repository)
    }

    /// Size of the content.
    package var byteCount: Int { Int(clamping: git_blob_rawsize(raw)) }

    /// A copy of the content; nil when it is larger than `maximumByteCount`.
    package func bytes(maximumByteCount: Int) -> [UInt8]? {
        guard byteCount <= maximumByteCount, let start = git_blob_rawcontent(raw) else { return nil }
        return Array(UnsafeRawBufferPointer(start: start, count: byteCount))
    }
}
