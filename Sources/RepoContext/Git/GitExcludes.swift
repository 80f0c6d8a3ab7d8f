// Rules files that lie in no folder of a work tree: .git/info/exclude and the excludes file that configuration names
// (core.excludesFile, else the user's git/ignore). Read here for repositories that libgit2 cannot open, and for plain
// folders; what a repository's configuration or links name elsewhere is not looked at.

import CGit2
import Glibc

/// Finds and reads them.
enum GitExcludes {
    /// What excludes files are set to where there shall be none.
    static let nullDevice = "/dev/null"

    /// One file's rules; `path` is for messages.
    struct File {
        var path: String
        var rules: IgnoreRules
    }

    /// The rules that hold in a whole work tree, the strongest first.
    ///
    /// - Parameter gitDirectory: of the repository at `root`; nil for a plain folder.
    static func files(root: String, gitDirectory: String?) -> [File] {
        var files: [File] = []
        var configuration: String?
        if let gitDirectory, GitConfinement.violation(aboveFolder: root) == nil {
            let common = GitFileCheck.commonDirectory(of: gitDirectory)
            files.append(file(common + "/info/exclude"))
            configuration = common + "/config"
        } else {
            // Only what certainly is this folder's own.
            files.append(ownExcludes(root: root))
        }
        if let gitDirectory {
            // It may name more excludes.
            let directory = configuration == nil ? gitDirectory : GitFileCheck.commonDirectory(of: gitDirectory)
            if GitConfinement.isConfigurationDamaged(inGitDirectory: directory) {
                files.append(File(path: directory + "/config", rules: IgnoreRules(.unreadable)))
                configuration = nil
            }
        }
        do throws(GitError) {
            if let path = try excludesFile(root: root, configuration: configuration, damaged: &files) {
                files.append(file(path))
            }
        } catch {
            files.append(File(path: "the user's git configuration", rules: IgnoreRules(.unreadable)))
        }
        return files
    }

    private static func file(_ path: String) -> File {
        if RepositoryLocator.realPath(path) == nullDevice { return File(path: path, rules: IgnoreRules()) }
        return File(
            path: path,
            rules: IgnoreRules(
                RootDirectory.bytes(following: path, maximumByteCount: IgnoreRules.maximumByteCount)))
    }

    private static func ownExcludes(root: String) -> File {
        let name = ".git/info/exclude"
        let full = root + "/" + name
        guard let folder = RootDirectory.open(root), let path = RelativePath(name) else {
            return File(path: full, rules: IgnoreRules(.unreadable))
        }
        let bytes = folder.bytes(of: path, maximumByteCount: IgnoreRules.maximumByteCount)
        return File(path: full, rules: IgnoreRules(bytes))
    }

    // MARK: Configuration

    /// The path of the excludes file; nil when there is no place for one. A configuration that libgit2 cannot read is
    /// added to `damaged`: it may name another.
    private static func excludesFile(
        root: String, configuration: String?, damaged: inout [File]
    ) throws(GitError) -> String? {
        try GitRuntime.start()
        var raw: OpaquePointer?
        try gitCall(.readConfiguration) { git_config_open_default(&raw) }
        GitHandleCount.didOpen()
        defer {
            git_config_free(raw)
            GitHandleCount.didFree()
        }
        if let configuration, isRegular(configuration) {
            do throws(GitError) {
                try gitCall(.readConfiguration) {
                    git_config_add_file_ondisk(raw, configuration, GIT_CONFIG_LEVEL_LOCAL, nil, 0)
                }
            } catch {
                damaged.append(File(path: configuration, rules: IgnoreRules(.unreadable)))
            }
        }
        var buffer = git_buf()
        defer { git_buf_dispose(&buffer) }
        do throws(GitError) {
            try gitCall(.readConfiguration) { git_config_get_path(&buffer, raw, "core.excludesfile") }
        } catch {
            if error.kind == .notFound { return defaultFile() }
            throw error
        }
        guard let start = buffer.ptr, let path = String(validatingCString: start), !path.isEmpty else { return nil }
        return GitFileCheck.resolve(path, against: root)
    }

    private static func isRegular(_ path: String) -> Bool {
        GitFileCheck.exists(path) && !GitFileCheck.isBlocking(path)
    }

    private static func defaultFile() -> String? {
        if let folder = getenv("XDG_CONFIG_HOME").map({ String(cString: $0) }), !folder.isEmpty {
            return folder + "/git/ignore"
        }
        return getenv("HOME").map { String(cString: $0) + "/.config/git/ignore" }
    }
}
