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
        var listing = IgnoreListing(own)
        let named = Set(paths.filter { listing.ignores($0) })
        let byGit = exclusionsByGit(of: Set(paths.filter { !named.contains($0) && !isTracked($0) }), in: root)
        return paths.map { named.contains($0) ? .named : byGit[$0] }
    }

    private func exclusionsByGit(
        of paths: Set<RelativePath>, in root: borrowing RootDirectory
    ) -> [RelativePath: Exclusion] {
        guard !paths.isEmpty else { return [:] }
        var found: [RelativePath: Exclusion] = [:]
        guard isRepository else {
            guard let rules = FolderRules(rootPath: rootPath, followsOthers: true) else {
                return all(paths, "\(rootPath) cannot be opened")
            }
            for path in paths where rules.ignores(path) { found[path] = .ignoredByGit }
            return found
        }
        let gitDirectory = GitFileCheck.repository(above: rootPath)?.gitDirectory
        let excludes = GitExcludes.files(root: rootPath, gitDirectory: gitDirectory)
        if let file = excludes.first(where: { ExclusionCheck.isUnreadable($0.rules.defect) }) {
            return all(paths, "\(file.path) cannot be read")
        }
        do throws(GitError) {
            guard let repository = try GitRepository.discover(fromFolder: rootPath) else {
                return all(paths, "the repository at \(rootPath) is gone")
            }
            for path in paths {
                // libgit2 would wait for a FIFO, and takes what it cannot open for no rules.
                let unreadable = GitFileCheck.blockingRules(of: root, above: path)
                if let file = unreadable ?? unreadableRules(above: path, in: root) {
                    found[path] = .unreadableRules("\(file) is no regular file or cannot be read")
                } else if try repository.isIgnored(path) {
                    found[path] = .ignoredByGit
                }
            }
        } catch {
            return all(paths, "\(error)")
        }
        return found
    }

    /// The first `.gitignore` above a path that is there and cannot be read, or is a link.
    private func unreadableRules(above path: RelativePath, in root: borrowing RootDirectory) -> String? {
        var folder = String(path.folder)
        while true {
            let name = folder.isEmpty ? ".gitignore" : folder + "/.gitignore"
            guard let file = RelativePath(name) else { return name }
            let rules = root.bytes(of: file, maximumByteCount: IgnoreRules.maximumByteCount)
            if ExclusionCheck.isUnreadable(IgnoreRules(rules).defect) { return name }
            if folder.isEmpty { return nil }
            folder = PathIndex.parent(folder)
        }
    }

    /// Whether libgit2 would not see rules either; it reads larger files than FolderRules does.
    private static func isUnreadable(_ defect: RulesDefect?) -> Bool {
        switch defect {
        case nil, .tooLarge, .tooManyRules: false
        case .notRegular, .unreadable, .tooManyFiles, .tooMuchMatching, .undecidedPattern: true
        }
    }

    private func all(_ paths: Set<RelativePath>, _ reason: String) -> [RelativePath: Exclusion] {
        Dictionary(uniqueKeysWithValues: paths.map { ($0, .unreadableRules(reason)) })
    }

    // MARK: Without a known root

    /// Whether a canonical path lies in a git directory.
    static func isInGitDirectory(_ path: String) -> Bool {
        path.utf8.split(separator: UInt8(ascii: "/")).dropLast().contains { $0.elementsEqual(".git".utf8) }
    }

    /// For a file outside of all roots: one that was opened alone, or in a repository that may not be used. Each folder
    /// above with rules or a repository has a say, whomever it belongs to.
    static func exclusion(ofFileAlone path: String) -> Exclusion? {
        var folder = path
        while folder != "/" {
            folder = PathIndex.parent(folder)
            if folder.isEmpty { folder = "/" }
            let hasMark = [".git", IgnoreRules.fileName].contains { name in
                var status = stat()
                // What cannot be looked at may be there.
                return lstat(folder + "/" + name, &status) == 0 || errno != ENOENT && errno != ENOTDIR
            }
            guard hasMark else { continue }
            guard let relative = RepositorySnapshot.relativePath(of: path, beneath: folder) else {
                return .unreadableRules("'\(path)' is no path beneath \(folder)")
            }
            let check = ExclusionCheck(rootPath: folder, isRepository: false, isTracked: { _ in false })
            if let exclusion = check.exclusions(of: [relative])[0] { return exclusion }
        }
        return nil
    }
}
