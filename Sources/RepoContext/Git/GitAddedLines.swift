// Which lines a commit added, by comparing its tree with its first parent's. Lines are counted, not copied: the text
// is in the blobs that are named here. Renames are not followed; a renamed file is a new one.

import CGit2

/// What one commit did to one file.
package struct GitFileChange: Sendable, Equatable {
    /// A run of lines that replaces another; both counted from 0, either may be empty.
    package struct Hunk: Sendable, Equatable {
        package var oldLines: Range<Int>
        package var newLines: Range<Int>
    }

    package var path: RelativePath
    /// Nil for a file that the commit created.
    package var oldBlobID: GitObjectID?
    package var newBlobID: GitObjectID
    /// Without context lines, in the order of the file.
    package var hunks: [Hunk]

    /// Files with more hunks are generated or reformatted.
    package static let maximumHunkCount = 500

    /// The files of a commit in git's order, or nil when it has not exactly one parent or changes more than
    /// `maximumFileCount` files. Deleted and binary files are left out.
    package static func changes(
        of commitID: GitObjectID, in repository: borrowing GitRepository, maximumFileCount: Int
    ) throws(GitError) -> [GitFileChange]? {
        let commit = try GitCommit.open(commitID, of: repository)
        guard git_commit_parentcount(commit.raw) == 1, let parentID = commit.firstParentID else { return nil }
        var diff: OpaquePointer?
        do {
            let old = try GitTree.open(commit: parentID, of: repository)
            let new = try GitTree.open(commit: commitID, of: repository)
            var options = git_diff_options()
            try gitCall(.compareTrees) { git_diff_options_init(&options, UInt32(GIT_DIFF_OPTIONS_VERSION)) }
            options.context_lines = 0
            try gitCall(.compareTrees) {
                git_diff_tree_to_tree(&diff, repository.raw, old.handle, new.handle, &options)
            }
        }
        GitHandleCount.didOpen()
        defer {
            git_diff_free(diff)
            GitHandleCount.didFree()
        }
        let count = git_diff_num_deltas(diff)
        guard count <= maximumFileCount else { return nil }
        var changes: [GitFileChange] = []
        for index in 0..<count {
            if let change = try change(index, of: diff) { changes.append(change) }
        }
        return changes
    }

    private static func change(_ index: Int, of diff: OpaquePointer?) throws(GitError) -> GitFileChange? {
        guard let delta = git_diff_get_delta(diff, index)?.pointee,
            delta.status == GIT_DELTA_ADDED || delta.status == GIT_DELTA_MODIFIED,
            let name = delta.new_file.path, let path = RelativePath(cString: name)
        else { return nil }
        var patch: OpaquePointer?
        try gitCall(.compareTrees) { git_patch_from_diff(&patch, diff, index) }
        guard let patch else { return nil }  // binary
        GitHandleCount.didOpen()
        defer {
            git_patch_free(patch)
            GitHandleCount.didFree()
        }
        let count = git_patch_num_hunks(patch)
        guard count <= maximumHunkCount else { return nil }
        var hunks: [Hunk] = []
        for place in 0..<count {
            var raw: UnsafePointer<git_diff_hunk>?
            try gitCall(.compareTrees) { git_patch_get_hunk(&raw, nil, patch, place) }
            guard let hunk = raw?.pointee else { continue }
            hunks.append(
                Hunk(
                    oldLines: range(start: hunk.old_start, count: hunk.old_lines),
                    newLines: range(start: hunk.new_start, count: hunk.new_lines)))
        }
        let isNew = delta.status == GIT_DELTA_ADDED
        return GitFileChange(
            path: path, oldBlobID: isNew ? nil : GitObjectID(delta.old_file.id),
            newBlobID: GitObjectID(delta.new_file.id), hunks: hunks)
    }

    /// git counts from 1, and names the line before an empty run.
    private static func range(start: Int32, count: Int32) -> Range<Int> {
        let first = max(0, Int(count == 0 ? start : start - 1))
        return first..<(first + max(0, Int(count)))
    }
}
