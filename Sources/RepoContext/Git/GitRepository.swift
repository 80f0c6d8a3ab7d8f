// An open git repository: the owner of libgit2's repository handle. It is read only in use: nothing here
// refreshes the index on disk or writes a reference. Not Sendable, because libgit2 lets one thread at a time
// use a handle; the `index` thread owns it. Children borrow it and cannot outlive it (architecture notes
// 2.7).

import CGit2

/// A repository found by walking up from a folder.
package struct GitRepository: ~Copyable {
    let raw: OpaquePointer
    /// Absolute path of the work tree without a trailing slash; nil for a bare repository.
    package let workTreePath: String?
    /// Absolute path of the git directory (of this work tree, for a linked one) without a trailing slash.
    package let gitDirectoryPath: String

    private init(raw: OpaquePointer) {
        self.raw = raw
        workTreePath = git_repository_workdir(raw).map { withoutTrailingSlash(String(cString: $0)) }
        gitDirectoryPath = withoutTrailingSlash(git_repository_path(raw).map { String(cString: $0) } ?? "")
        GitHandleCount.didOpen()
    }

    deinit {
        git_repository_free(raw)
        GitHandleCount.didFree()
    }

    /// Opens the repository that holds `folder`, looking upwards but not into another file system.
    ///
    /// - Returns: nil when no folder above holds a repository.
    /// - Throws: `notOwned` when the repository belongs to another user and safe.directory does not allow
    ///   it, `unsupportedFormat` or `failed` when there is one that cannot be opened, also when one of its
    ///   files is a FIFO or a device, for which libgit2 would wait.
    package static func discover(fromFolder folder: String) throws(GitError) -> GitRepository? {
        try GitRuntime.start()
        if let path = GitFileCheck.blockingFile(aboveFolder: folder) {
            throw .notRegular(path, operation: .openRepository)
        }
        if let violation = GitConfinement.violation(aboveFolder: folder) {
            throw GitError(kind: .failed, code: -1, operation: .openRepository, message: violation)
        }
        var raw: OpaquePointer?
        do throws(GitError) {
            try gitCall(.openRepository) { git_repository_open_ext(&raw, folder, 0, nil) }
        } catch {
            if error.kind == .notFound { return nil }
            if error.kind == .notOwned { throw GitOwnership.refusal(path: folder) }
            throw error
        }
        guard let raw else { return nil }
        let repository = GitRepository(raw: raw)
        try GitOwnership.check(repository)
        return repository
    }

    /// Whether history ends at commits whose parents were not cloned.
    package var isShallow: Bool { git_repository_is_shallow(raw) == 1 }

    /// The commit that HEAD resolves to; nil on an unborn branch.
    package func headCommitID() throws(GitError) -> GitObjectID? {
        var oid = git_oid()
        do throws(GitError) {
            try gitCall(.readHead) { git_reference_name_to_id(&oid, raw, "HEAD") }
        } catch {
            // An unborn branch is a symbolic HEAD whose target does not exist yet.
            if error.kind == .unbornBranch || error.kind == .notFound { return nil }
            throw error
        }
        return GitObjectID(oid)
    }

    /// Whether git's ignore rules (.gitignore, info/exclude, the user's excludes file) cover the path.
    package func isIgnored(_ path: RelativePath) throws(GitError) -> Bool {
        var ignored: Int32 = 0
        try gitCall(.readIgnoreRules) { git_ignore_path_is_ignored(&ignored, raw, path.string) }
        return ignored != 0
    }
}

/// libgit2 ends folder names in "/", the file system calls and we do not.
func withoutTrailingSlash(_ path: String) -> String {
    var path = path
    while path.utf8.count > 1, path.utf8.last == UInt8(ascii: "/") { path.removeLast() }
    return path
}
