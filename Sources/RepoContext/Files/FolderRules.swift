// The rules of a root that is used without git: the .gitignore of each folder, up to the repository's own root where
// the user opened a part of it, .git/info/exclude and the user's global excludes. What a user keeps out of a repository
// stays out of prompts when libgit2 cannot open it. Where git can be used, git's own rules hold, and this file has no
// part in it. A rules file that cannot be followed makes its folder, and all below, count as ignored.

/// Reads each folder's rules when they are first asked for; good for one listing. Not Sendable.
final class FolderRules {
    /// Rules files followed at most, and bytes of them; folders without one do not count.
    static let maximumFileCount = 1_000
    static let maximumByteCount = 4 << 20

    private static let slash = UInt8(ascii: "/")
    /// The folder whose rules are the outermost.
    private let top: RootDirectory
    private let rootPath: String
    /// The root as seen from `top`: empty, or ending in a slash.
    private let prefix: [UInt8]
    /// What holds everywhere, after the rules of all folders.
    private let excludes: [IgnoreRules]
    private var byFolder: [[UInt8]: IgnoreRules] = [:]
    private var fileCount = 0
    private var byteCount = 0
    /// Folders that were asked about, so that each is matched once.
    private var folders: [[UInt8]: Bool] = [:]
    private var allowance: MatchAllowance
    private var firstDefect: String?
    private var defectCount = 0

    /// nil when the root cannot be opened.
    ///
    /// - Parameter followsRepository: false takes the folder alone, whatever repository it lies in, without excludes.
    /// - Parameter followsOthers: also takes the rules of a repository above that belongs to another user.
    init?(
        rootPath: String, followsRepository: Bool = true, followsOthers: Bool = false,
        allowance: MatchAllowance = MatchAllowance()
    ) {
        let repository =
            followsRepository ? FolderRules.repository(above: rootPath, followsOthers: followsOthers) : nil
        let topPath = repository?.root ?? rootPath
        guard let top = RootDirectory.open(topPath) else { return nil }
        let isWhole = topPath == rootPath
        prefix = isWhole ? [] : Array(rootPath.utf8.dropFirst(topPath.utf8.count).drop { $0 == 0x2F }) + [0x2F]
        let files =
            followsRepository ? GitExcludes.files(root: topPath, gitDirectory: repository?.gitDirectory) : []
        excludes = files.map(\.rules)
        self.allowance = allowance
        self.top = top
        self.rootPath = rootPath
        for file in files { note(file.rules, of: file.path, leavesOut: rootPath) }
    }

    /// The repository that the root is or is a part of; other users' folders above have no say in what a prompt that
    /// stays on this machine holds.
    private static func repository(
        above rootPath: String, followsOthers: Bool
    ) -> (root: String, gitDirectory: String)? {
        guard let found = GitFileCheck.repository(above: rootPath), found.gitDirectory != found.root,
            followsOthers || found.root == rootPath || GitOwnership.isTrusted(folder: found.root)
        else { return nil }
        return found
    }

    /// One line about the rules files that cannot be followed, what that costs and what to do; nil when all can be.
    var degradation: String? {
        firstDefect.map { defectCount == 1 ? $0 : "\($0) (and \(defectCount - 1) more rules files)" }
    }

    /// Whether the file or a folder above it is ignored. As in git, nothing brings back a file of an ignored folder.
    func ignores(_ path: RelativePath) -> Bool {
        guard !allowance.isUsedUp else { return true }
        let wasDecided = allowance.defect == nil
        let isIgnored = followed(path)
        if wasDecided, let defect = allowance.defect {
            note(defect, of: "A rules file for \(rootPath)", "every file left undecided")
        }
        return isIgnored
    }

    private func followed(_ path: RelativePath) -> Bool {
        let bytes = prefix + Array(path.string.utf8)
        for end in bytes.indices where bytes[end] == FolderRules.slash {
            if isFolderIgnored(bytes[..<end]) { return true }
        }
        return isIgnored(bytes[...], isFolder: false)
    }

    private func isFolderIgnored(_ path: ArraySlice<UInt8>) -> Bool {
        let folder = Array(path)
        if let known = folders[folder] { return known }
        let result = isIgnored(path, isFolder: true)
        folders[folder] = result
        return result
    }

    /// What the nearest rules say that say anything.
    private func isIgnored(_ path: ArraySlice<UInt8>, isFolder: Bool) -> Bool {
        var folder = path
        while let end = folder.lastIndex(of: FolderRules.slash) {
            folder = path[..<end]
            let found = rules(of: Array(folder)).verdict(
                on: path[(end + 1)...], isFolder: isFolder, &allowance)
            if let found { return found }
        }
        if let found = rules(of: []).verdict(on: path, isFolder: isFolder, &allowance) { return found }
        for rules in excludes {
            if let found = rules.verdict(on: path, isFolder: isFolder, &allowance) { return found }
        }
        return false
    }

    private func rules(of folder: [UInt8]) -> IgnoreRules {
        if let known = byFolder[folder] { return known }
        let name = (folder.isEmpty ? [] : folder + [FolderRules.slash]) + Array(".gitignore".utf8)
        let found = read(name)
        byFolder[folder] = found
        let place = folder.isEmpty ? rootPath : "everything in '\(String(decoding: folder, as: UTF8.self))'"
        note(found, of: top.path + "/" + String(decoding: name, as: UTF8.self), leavesOut: place)
        return found
    }

    private func read(_ name: [UInt8]) -> IgnoreRules {
        guard let path = RelativePath(bytes: name) else { return IgnoreRules(.unreadable) }
        if fileCount >= FolderRules.maximumFileCount || byteCount >= FolderRules.maximumByteCount {
            return top.holds(path) ? IgnoreRules(.tooManyFiles) : IgnoreRules()
        }
        let bytes = top.bytes(of: path, maximumByteCount: IgnoreRules.maximumByteCount)
        if case .success(let bytes) = bytes {
            fileCount += 1
            byteCount += bytes.count
        }
        return IgnoreRules(bytes)
    }

    private func note(_ rules: IgnoreRules, of file: String, leavesOut place: String) {
        if let defect = rules.defect { note(defect, of: file, place) }
    }

    private func note(_ defect: RulesDefect, of file: String, _ place: String) {
        defectCount += 1
        firstDefect = firstDefect ?? defect.line(file: file, leavesOut: place)
    }
}
