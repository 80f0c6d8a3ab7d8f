// Whether git's rules or a `.foretokenignore` keep a file out, asked of the rules as they are on the disk now, for text
// that is to leave this machine. Rules that cannot be read exclude whatever they might name. Listings for prompts that
// stay here (SnapshotBuilder, FolderWalk) close in the same way, but may be older than the rules.

import Glibc

/// Why nothing of a file may leave this machine.
package enum Exclusion: Equatable, Sendable, CustomStringConvertible {
    /// The file is not tracked, and git ignores it.
    case ignoredByGit
    /// A `.foretokenignore` names it, tracked or not.
    case named
    /// It is one of git's own files, which may quote any other.
    case gitDirectory
    /// Rules that could name it cannot be read.
    case unreadableRules(String)

    package var description: String {
        switch self {
        case .ignoredByGit: "git ignores it"
        case .named: "\(IgnoreRules.fileName) names it"
        case .gitDirectory: "it is in git's own folder"
        case .unreadableRules(let what): "the rules that may name it cannot be read (\(what))"
        }
    }
}

/// Asks the rules of one root.
struct ExclusionCheck {
    /// Absolute, without a trailing slash.
    let rootPath: String
    /// Git's rules are asked of libgit2, which knows them all; otherwise FolderRules reads them.
    let isRepository: Bool
    /// What is tracked is not ignored, whatever git's rules say.
    let isTracked: (RelativePath) -> Bool

    /// For each path why it is excluded; nil where nothing excludes it.
    func exclusions(of paths: [RelativePath]) -> [Exclusion?] {
        guard let root = RootDirectory.open(rootPath) else {
            return paths.map { _ in .unreadableRules("\(rootPath) cannot be opened") }
        }
        let own = IgnoreRules(beneath: root)
        if own.defect != nil {
            return paths.map { _ in .unreadableRules("\(IgnoreRules.fileName) cannot be followed") }
        }
        let untracked = paths.filter { !own.ignores($0) && !isTracked($0) }
        let byGit = exclusionsByGit(of: Set(untracked), in: root)
        return paths.map { own.ignores($0) ? .named : byGit[$0] }
    }

    private func exclusionsByGit(
        of paths: Set<RelativePath>, in root: borrowing RootDirectory
    ) -> [RelativePath: Exclusion] {
        guard !paths.isEmpty else { return [:] }
        var found: [RelativePath: Exclusion] = [:]
        guard isRepository else {
            guard let rules = FolderRules(rootPath: rootPath) else {
                return all(paths, "\(rootPath) cannot be opened")
            }
            for path in paths where rules.ignores(path) { found[path] = .ignoredByGit }
            return found
        }
        do throws(GitError) {
            guard let repository = try GitRepository.discover(fromFolder: rootPath) else {
                return all(paths, "the repository at \(rootPath) is gone")
            }
            for path in paths {
                // libgit2 would wait for a FIFO.
                if let file = GitFileCheck.blockingRules(of: root, above: path) {
                    found[path] = .unreadableRules("\(file) is no regular file")
                } else if try repository.isIgnored(path) {
                    found[path] = .ignoredByGit
                }
            }
        } catch {
            return all(paths, "\(error)")
        }
        return found
    }

    private func all(_ paths: Set<RelativePath>, _ reason: String) -> [RelativePath: Exclusion] {
        Dictionary(uniqueKeysWithValues: paths.map { ($0, .unreadableRules(reason)) })
    }

    // MARK: Without a known root

    /// Whether a canonical path lies in a git directory.
    static func isInGitDirectory(_ path: String) -> Bool {
        path.utf8.split(separator: UInt8(ascii: "/")).dropLast().contains { $0.elementsEqual(".git".utf8) }
    }

    /// For a file outside of all roots: one that was opened alone, or in a repository that may not be used. The nearest
    /// folder above with rules or a repository counts as its root.
    static func exclusion(ofFileAlone path: String) -> Exclusion? {
        var folder = PathIndex.parent(path)
        while !folder.isEmpty {
            let hasMark = [".git", IgnoreRules.fileName].contains { name in
                var status = stat()
                return lstat(folder + "/" + name, &status) == 0
            }
            if hasMark {
                guard let relative = RepositorySnapshot.relativePath(of: path, beneath: folder) else { return nil }
                let check = ExclusionCheck(rootPath: folder, isRepository: false, isTracked: { _ in false })
                return check.exclusions(of: [relative])[0]
            }
            folder = PathIndex.parent(folder)
        }
        return nil
    }
}
