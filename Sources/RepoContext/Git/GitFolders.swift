// Where git keeps what belongs to a work tree, for commands that look at hooks and at operations under way. Values
// only: the repository is closed again when they are there.

import CGit2

/// The folders of one work tree.
package struct GitFolders: Sendable, Equatable {
    /// What `core.hooksPath` says.
    package enum HooksPath: Sendable, Equatable {
        /// Not set: hooks are in `hooks` of the common folder.
        case standard
        case configured(path: String, isForAllRepositories: Bool)
    }

    /// Absolute, without a trailing slash.
    package let workTreePath: String
    /// What all work trees of the repository share.
    package let commonPath: String
    package let hooksPath: HooksPath
    /// A rebase, a bisection or a series of patches is not finished: checkouts are steps of it.
    package let isRewriting: Bool

    /// - Returns: nil outside a work tree.
    package static func find(from folder: String) throws(GitError) -> GitFolders? {
        guard let repository = try GitRepository.discover(fromFolder: folder),
            let workTree = repository.workTreePath
        else { return nil }
        let common = git_repository_commondir(repository.raw).map {
            withoutTrailingSlash(String(cString: $0))
        }
        let states = [
            GIT_REPOSITORY_STATE_BISECT, GIT_REPOSITORY_STATE_REBASE, GIT_REPOSITORY_STATE_REBASE_INTERACTIVE,
            GIT_REPOSITORY_STATE_REBASE_MERGE, GIT_REPOSITORY_STATE_APPLY_MAILBOX,
            GIT_REPOSITORY_STATE_APPLY_MAILBOX_OR_REBASE,
        ]
        let state = git_repository_state(repository.raw)
        return GitFolders(
            workTreePath: workTree, commonPath: common ?? repository.gitDirectoryPath,
            hooksPath: try hooksPath(of: repository),
            isRewriting: states.contains { Int32($0.rawValue) == state })
    }

    private static func hooksPath(of repository: borrowing GitRepository) throws(GitError) -> HooksPath {
        var configuration: OpaquePointer?
        let raw = repository.raw
        try gitCall(.openRepository) { git_repository_config_snapshot(&configuration, raw) }
        defer { git_config_free(configuration) }
        var entry: UnsafeMutablePointer<git_config_entry>?
        guard git_config_get_entry(&entry, configuration, "core.hookspath") == 0, let entry else {
            return .standard
        }
        defer { git_config_entry_free(entry) }
        return .configured(
            path: String(cString: entry.pointee.value),
            isForAllRepositories: entry.pointee.level.rawValue < GIT_CONFIG_LEVEL_LOCAL.rawValue)
    }
}
