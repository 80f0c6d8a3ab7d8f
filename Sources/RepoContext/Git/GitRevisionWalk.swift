// Commits reachable from HEAD, newest first as far as they are known: GIT_SORT_NONE is lazy, whereas sorting
// by time parses the whole history before the first commit. In a shallow clone the walk fails for want of
// parents; ChangeHistory follows first parents there by hand.

import CGit2

/// A commit object.
package struct GitCommit: ~Copyable, ~Escapable {
    let raw: OpaquePointer

    @_lifetime(borrow repository)
    private init(raw: OpaquePointer, repository: borrowing GitRepository) {
        self.raw = raw
        GitHandleCount.didOpen()
    }

    deinit {
        git_commit_free(raw)
        GitHandleCount.didFree()
    }

    /// Looks the commit up.
    @_lifetime(borrow repository)
    package static func open(_ id: GitObjectID, of repository: borrowing GitRepository) throws(GitError)
        -> GitCommit
    {
        var raw: OpaquePointer?
        var oid = id.oid
        try gitCall(.readCommit) { git_commit_lookup(&raw, repository.raw, &oid) }
        return GitCommit(raw: raw!, repository: repository)
    }

    /// The first parent's name; nil for a root commit. The parent itself may be missing (shallow clone).
    package var firstParentID: GitObjectID? {
        git_commit_parent_id(raw, 0).map { GitObjectID($0.pointee) }
    }
}

/// A walk over history from one commit.
package struct GitRevisionWalk: ~Copyable, ~Escapable {
    private let raw: OpaquePointer

    @_lifetime(borrow repository)
    private init(raw: OpaquePointer, repository: borrowing GitRepository) {
        self.raw = raw
        GitHandleCount.didOpen()
    }

    deinit {
        git_revwalk_free(raw)
        GitHandleCount.didFree()
    }

    /// Starts at a commit.
    @_lifetime(borrow repository)
    package static func open(
        from start: GitObjectID, of repository: borrowing GitRepository
    ) throws(GitError) -> GitRevisionWalk {
        var raw: OpaquePointer?
        try gitCall(.walkHistory) { git_revwalk_new(&raw, repository.raw) }
        let walk = GitRevisionWalk(raw: raw!, repository: repository)
        try gitCall(.walkHistory) { git_revwalk_sorting(walk.raw, GIT_SORT_NONE.rawValue) }
        var oid = start.oid
        try gitCall(.walkHistory) { git_revwalk_push(walk.raw, &oid) }
        return walk
    }

    /// The next commit; nil at the end.
    package mutating func next() throws(GitError) -> GitObjectID? {
        var oid = git_oid()
        var isOver = false
        try gitCall(.walkHistory) {
            let code = git_revwalk_next(&oid, raw)
            isOver = code == GIT_ITEROVER.rawValue
            return isOver ? 0 : code
        }
        return isOver ? nil : GitObjectID(oid)
    }
}
