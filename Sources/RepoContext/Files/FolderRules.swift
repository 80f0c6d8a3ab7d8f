// The rules of a root that is used without git: the .gitignore of each folder and .git/info/exclude. What a user keeps
// out of a repository stays out of prompts when libgit2 cannot open it. Where git can be used, git's own rules hold,
// and this file has no part in it; the user's global excludes are left to git.

/// Reads each folder's rules when they are first asked for; good for one listing.
struct FolderRules {
    /// Rules files read at most; a folder tree with more ignores nothing by the rest.
    static let maximumFileCount = 1_000

    private static let slash = UInt8(ascii: "/")
    private var byFolder: [[UInt8]: IgnoreRules] = [:]
    private var excludes: IgnoreRules?
    /// Folders that were asked about, so that each is matched once.
    private var folders: [[UInt8]: Bool] = [:]

    /// Whether the file or a folder above it is ignored. As in git, nothing brings back a file of an ignored folder.
    mutating func ignores(_ path: RelativePath, in root: borrowing RootDirectory) -> Bool {
        let bytes = Array(path.string.utf8)
        for end in bytes.indices where bytes[end] == FolderRules.slash {
            if isFolderIgnored(bytes[..<end], in: root) { return true }
        }
        return isIgnored(bytes[...], isFolder: false, in: root)
    }

    private mutating func isFolderIgnored(_ path: ArraySlice<UInt8>, in root: borrowing RootDirectory) -> Bool {
        let folder = Array(path)
        if let known = folders[folder] { return known }
        let result = isIgnored(path, isFolder: true, in: root)
        folders[folder] = result
        return result
    }

    /// What the nearest rules say that say anything.
    private mutating func isIgnored(
        _ path: ArraySlice<UInt8>, isFolder: Bool, in root: borrowing RootDirectory
    ) -> Bool {
        var folder = path
        while let end = folder.lastIndex(of: FolderRules.slash) {
            folder = path[..<end]
            let found = rules(of: Array(folder), in: root).verdict(on: path[(end + 1)...], isFolder: isFolder)
            if let found { return found }
        }
        if let found = rules(of: [], in: root).verdict(on: path, isFolder: isFolder) { return found }
        if excludes == nil { excludes = FolderRules.read(".git/info/exclude", in: root) }
        return excludes?.verdict(on: path, isFolder: isFolder) ?? false
    }

    private mutating func rules(of folder: [UInt8], in root: borrowing RootDirectory) -> IgnoreRules {
        if let known = byFolder[folder] { return known }
        guard byFolder.count < FolderRules.maximumFileCount else { return IgnoreRules() }
        let prefix = folder.isEmpty ? "" : String(decoding: folder, as: UTF8.self) + "/"
        let found = FolderRules.read(prefix + ".gitignore", in: root)
        byFolder[folder] = found
        return found
    }

    private static func read(_ name: String, in root: borrowing RootDirectory) -> IgnoreRules {
        guard let path = RelativePath(name),
            let text = root.readBytes(path, maximumByteCount: IgnoreRules.maximumByteCount)
        else { return IgnoreRules() }
        return IgnoreRules(text)
    }
}
