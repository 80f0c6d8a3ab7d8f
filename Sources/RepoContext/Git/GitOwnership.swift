// Refuses repositories that belong to another user, as git has done since CVE-2022-24765: the work tree and
// the git directory must belong to the current user unless safe.directory in the system or user configuration
// allows the path. It replaces libgit2's check, which older libraries lack and which does not know `*`.

import CGit2
import Glibc

/// git's safe.directory rule.
package enum GitOwnership {
    /// The error for a repository of another user: what is wrong and the command that allows it.
    package static func refusal(path: String) -> GitError {
        GitError(
            kind: .notOwned, code: -36, operation: .openRepository,
            message: "detected dubious ownership in repository at '\(path)'. To allow it, run: "
                + "git config --global --add safe.directory '\(path)'"
        )
    }

    /// Whether a folder with this owner may be used without being listed in safe.directory.
    ///
    /// - Parameter sudoUserID: the user who called sudo; git trusts that user's folders when run as root.
    package static func isTrusted(ownerID: UInt32, userID: UInt32, sudoUserID: UInt32?) -> Bool {
        ownerID == userID || (userID == 0 && sudoUserID == ownerID)
    }

    /// Whether a list of safe.directory values, in the order of the configuration, allows the path.
    /// An empty value clears what came before; `*` allows all; `/path/*` allows everything below.
    package static func allows(path: String, safeDirectories: [String]) -> Bool {
        var allowed = false
        for value in safeDirectories {
            if value.isEmpty {
                allowed = false
            } else if value == "*" {
                allowed = true
            } else if value.hasSuffix("/*") {
                if path.utf8.starts(with: value.dropLast(1).utf8) { allowed = true }
            } else if withoutTrailingSlash(value).utf8.elementsEqual(path.utf8) {
                allowed = true
            }
        }
        return allowed
    }

    /// Whether the folder belongs to whoever runs this, or whom git trusts like them.
    static func isTrusted(folder: String) -> Bool {
        var status = stat()
        guard lstat(folder, &status) == 0 else { return false }
        return isTrusted(ownerID: status.st_uid, userID: geteuid(), sudoUserID: sudoUserID)
    }

    /// The user who called sudo.
    private static var sudoUserID: UInt32? { getenv("SUDO_UID").flatMap { UInt32(String(cString: $0)) } }

    static func check(_ repository: borrowing GitRepository) throws(GitError) {
        let path = repository.workTreePath ?? repository.gitDirectoryPath
        var isOwned = true
        for folder in [repository.workTreePath, repository.gitDirectoryPath] {
            guard let folder else { continue }
            var status = stat()
            guard lstat(folder, &status) == 0 else { continue }
            isOwned = isOwned && isTrusted(ownerID: status.st_uid, userID: geteuid(), sudoUserID: sudoUserID)
        }
        if isOwned { return }
        let safeDirectories = try safeDirectories()
        if allows(path: path, safeDirectories: safeDirectories) { return }
        throw refusal(path: path)
    }

    /// safe.directory of the system, XDG and user configuration; the repository's own file has no say.
    private static func safeDirectories() throws(GitError) -> [String] {
        var configuration: OpaquePointer?
        try gitCall(.readConfiguration) { git_config_open_default(&configuration) }
        GitHandleCount.didOpen()
        defer {
            git_config_free(configuration)
            GitHandleCount.didFree()
        }
        var iterator: OpaquePointer?
        do throws(GitError) {
            try gitCall(.readConfiguration) {
                git_config_multivar_iterator_new(&iterator, configuration, "safe.directory", nil)
            }
        } catch {
            if error.kind == .notFound || error.kind == .notOwned { return [] }
            throw error
        }
        GitHandleCount.didOpen()
        defer {
            git_config_iterator_free(iterator)
            GitHandleCount.didFree()
        }
        var values: [String] = []
        var entry: UnsafeMutablePointer<git_config_entry>?
        while git_config_next(&entry, iterator) == 0, let value = entry?.pointee.value {
            let value = String(cString: value)
            let home = value.hasPrefix("~/") ? getenv("HOME").map { String(cString: $0) } : nil
            values.append(home.map { $0 + value.dropFirst(1) } ?? value)
        }
        return values
    }
}
