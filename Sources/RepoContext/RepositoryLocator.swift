// Finds the root that a file belongs to: the work tree of its repository, else the workspace folder that
// holds it, else none. Links in folders are resolved first, so that a path means one place.

import Glibc

/// Where a file belongs.
package enum RepositoryLocation: Sendable, Equatable {
    /// A git work tree that can be opened.
    case repository(rootPath: String, gitDirectoryPath: String)
    /// A folder without a usable repository.
    case folder(rootPath: String)
    /// Neither: the prompt is of the file alone.
    case none
}

/// A location, the file's path in it, and what was missing.
package struct LocatedFile: Sendable, Equatable {
    package var location: RepositoryLocation
    /// Relative to the root; nil with `.none`.
    package var path: RelativePath?
    /// Why there is less than expected, in one line with the fix where there is one.
    package var degradation: String?
}

/// Looks locations up.
package struct RepositoryLocator: Sendable {
    /// Absolute paths of the folders that the user opened, links resolved.
    let workspaceFolders: [String]
    /// Whether repositories are looked for; without them a workspace folder is a plain one wherever it lies.
    let findsRepositories: Bool

    package init(workspaceFolders: [String], findsRepositories: Bool = true) {
        self.findsRepositories = findsRepositories
        self.workspaceFolders = workspaceFolders.map { folder in
            RepositoryLocator.realPath(folder) ?? withoutTrailingSlash(folder)
        }
    }

    /// The location of an absolute path, of a file that may not exist yet.
    package func locate(_ filePath: String) -> LocatedFile {
        let canonical = RepositoryLocator.canonicalPath(filePath)
        guard let folder = RepositoryLocator.existingFolder(above: canonical) else {
            return LocatedFile(location: .none, path: nil, degradation: nil)
        }
        guard findsRepositories else {
            return inWorkspaceFolder(canonical, fallback: nil, degradation: nil)
        }
        do throws(GitError) {
            guard let repository = try GitRepository.discover(fromFolder: folder) else {
                return inWorkspaceFolder(canonical, fallback: nil, degradation: nil)
            }
            let rootPath = repository.workTreePath.flatMap(RepositoryLocator.realPath)
            let path = rootPath.flatMap { RepositorySnapshot.relativePath(of: canonical, beneath: $0) }
            // A file in .git itself, or a work tree that core.worktree puts elsewhere: a hostile repository
            // could make the whole disk its work tree.
            let holder = RepositoryLocator.folderHoldingGit(above: folder)
            guard let rootPath, let path, !path.string.utf8.starts(with: ".git/".utf8), rootPath == holder
            else {
                return inWorkspaceFolder(canonical, fallback: nil, degradation: nil)
            }
            let gitDirectoryPath = repository.gitDirectoryPath
            return LocatedFile(
                location: .repository(rootPath: rootPath, gitDirectoryPath: gitDirectoryPath), path: path,
                degradation: nil
            )
        } catch {
            if error.kind == .notOwned {
                return LocatedFile(location: .none, path: nil, degradation: error.message)
            }
            let holder = RepositoryLocator.folderHoldingGit(above: folder)
            return inWorkspaceFolder(
                canonical, fallback: holder,
                degradation: "the repository at \(holder ?? folder) cannot be opened (\(error)); "
                    + "context comes from its folder without git"
            )
        }
    }

    private func inWorkspaceFolder(_ filePath: String, fallback: String?, degradation: String?) -> LocatedFile
    {
        let holders = workspaceFolders + [fallback].compactMap { $0 }
        let best =
            holders
            .compactMap { root in
                RepositorySnapshot.relativePath(of: filePath, beneath: root).map { (root: root, path: $0) }
            }
            .max { $0.root.utf8.count < $1.root.utf8.count }
        guard let best, !best.path.string.utf8.starts(with: ".git/".utf8) else {
            return LocatedFile(location: .none, path: nil, degradation: degradation)
        }
        return LocatedFile(location: .folder(rootPath: best.root), path: best.path, degradation: degradation)
    }

    // MARK: Paths

    /// The path with its longest existing folder's links resolved; the file name stays as it is.
    static func canonicalPath(_ path: String) -> String {
        guard let folder = existingFolder(above: path), let resolved = realPath(folder) else { return path }
        let rest = path.utf8.dropFirst(folder.utf8.count).drop { $0 == UInt8(ascii: "/") }
        return (resolved == "/" ? "" : resolved) + "/" + String(decoding: Array(rest), as: UTF8.self)
    }

    /// The nearest folder above that exists.
    static func existingFolder(above path: String) -> String? {
        var folder = path
        while let slash = folder.utf8.lastIndex(of: UInt8(ascii: "/")) {
            folder = slash == folder.startIndex ? "/" : String(folder[..<slash])
            var status = stat()
            if stat(folder, &status) == 0, status.st_mode & S_IFMT == S_IFDIR { return folder }
            if folder == "/" { return nil }
        }
        return nil
    }

    static func realPath(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(validatingCString: resolved)
    }

    /// The nearest folder above that holds something named .git.
    static func folderHoldingGit(above folder: String) -> String? {
        var folder = folder
        while true {
            var status = stat()
            if lstat(folder + "/.git", &status) == 0 { return folder }
            guard let slash = folder.utf8.lastIndex(of: UInt8(ascii: "/")), slash > folder.startIndex else {
                return nil
            }
            folder = String(folder[..<slash])
        }
    }
}
