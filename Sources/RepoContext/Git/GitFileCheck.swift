// Keeps libgit2 away from repositories in which it would wait for ever. It opens the files it reads with a
// blocking open, so a FIFO or a device in place of one of them would stop the `index` thread for good. Looked
// at here, before libgit2 is, are the files of gitrepository-layout(5) and the rules files of the folders that
// a status enters. A look costs one stat each; what is exchanged after it is left to the daemon's time limit.

import Glibc

/// What stands where git keeps files.
enum GitFileCheck {
    /// Files of a git directory that libgit2 opens by name. Of loose objects and references only HEAD's is
    /// looked at: there may be any number of them.
    static let fileNames = [
        "HEAD", "index", "config", "config.worktree", "commondir", "gitdir", "packed-refs", "shallow",
        "info/exclude", "info/attributes", "info/grafts", "info/sparse-checkout", "objects/info/alternates",
        "objects/info/commit-graph",
    ]
    /// Folders of which libgit2 opens what it finds.
    private static let folderNames = ["objects/pack"]
    /// Rules that libgit2 reads in each folder that it enters.
    private static let ignoreName = ".gitignore"
    private static let rulesNames = [ignoreName, ".gitattributes", ".gitmodules"]
    /// Entries of such a folder looked at; a repository with more packs than this was never repacked.
    private static let maximumEntryCount = 4_096
    /// Longest `.git` or `commondir` file or symbolic HEAD that is read: "gitdir: " and a path.
    private static let maximumLinkByteCount = 4_352
    /// Folders whose rules are looked at before a status. Four times what a Linux kernel tree has.
    static let maximumFolderCount = 20_000

    // MARK: Git directories

    /// The first thing that libgit2 could wait for when it looks for a repository from `folder` upwards; nil
    /// when there is none.
    static func blockingFile(aboveFolder folder: String) -> String? {
        repository(above: folder).flatMap { blockingFile(inGitDirectory: $0.gitDirectory) }
    }

    /// The nearest folder from `folder` upwards that libgit2 takes for a repository, and its git directory.
    static func repository(above folder: String) -> (root: String, gitDirectory: String)? {
        var folder = folder
        while true {
            let marker = folder == "/" ? "/.git" : folder + "/.git"
            if let gitDirectory = gitDirectory(marker: marker, folder: folder) {
                return (folder, gitDirectory)
            }
            // libgit2 also takes a folder that is itself laid out as a bare repository.
            if exists(folder + "/HEAD"), exists(folder + "/objects") { return (folder, folder) }
            guard folder != "/", let slash = folder.utf8.lastIndex(of: UInt8(ascii: "/")) else { return nil }
            folder = slash == folder.startIndex ? "/" : String(folder[..<slash])
        }
    }

    /// The git directory that `.git` is or names; nil when it is neither, and libgit2 looks further up.
    private static func gitDirectory(marker: String, folder: String) -> String? {
        guard let kind = kind(marker) else { return nil }
        if kind == S_IFDIR { return exists(marker + "/HEAD") ? marker : nil }
        guard kind == S_IFREG, let line = firstLine(ofFile: marker), line.hasPrefix("gitdir:") else {
            return nil
        }
        return resolve(String(line.dropFirst("gitdir:".count)), against: folder)
    }

    private static func blockingFile(inGitDirectory gitDirectory: String) -> String? {
        if let found = firstBlocking(gitDirectory) { return found }
        let common = commonDirectory(of: gitDirectory)
        return common == gitDirectory ? nil : firstBlocking(common)
    }

    /// Where a git directory has objects, references and configuration: a linked work tree, in the main git directory.
    static func commonDirectory(of gitDirectory: String) -> String {
        firstLine(ofFile: gitDirectory + "/commondir").map { resolve($0, against: gitDirectory) } ?? gitDirectory
    }

    private static func firstBlocking(_ gitDirectory: String) -> String? {
        for name in fileNames where isBlocking(gitDirectory + "/" + name) { return gitDirectory + "/" + name }
        let head = gitDirectory + "/HEAD"
        if let line = firstLine(ofFile: head), line.hasPrefix("ref:") {
            let branch = gitDirectory + "/" + trimmed(String(line.dropFirst("ref:".count)))
            if isBlocking(branch) { return branch }
        }
        for name in folderNames {
            if let found = blockingEntry(inFolder: gitDirectory + "/" + name) { return found }
        }
        return nil
    }

    private static func blockingEntry(inFolder folder: String) -> String? {
        guard let stream = opendir(folder) else { return nil }
        defer { closedir(stream) }
        var count = 0
        while count < maximumEntryCount, let entry = readdir(stream) {
            count += 1
            let type = Int(entry.pointee.d_type)
            if type == Int(DT_REG) || type == Int(DT_DIR) { continue }
            let path = folder + "/" + String(cString: FolderWalk.nameBytes(of: entry))
            if isBlocking(path) { return path }
        }
        return nil
    }

    /// The first loose object that libgit2 could wait for. Looked at before objects are read, not at each opening:
    /// it costs a listing of 256 folders.
    static func blockingObject(inGitDirectory gitDirectory: String) -> String? {
        let objects = commonDirectory(of: gitDirectory) + "/objects/"
        for number in 0..<256 {
            let name = String(number, radix: 16)
            if let found = blockingEntry(inFolder: objects + (number < 16 ? "0" : "") + name) { return found }
        }
        return nil
    }

    // MARK: Rules files

    /// The first rules file that libgit2 could wait for, or take for none although it is there, in the folders that a
    /// status enters: all that are not ignored. Each folder's rules are looked at before `isIgnored` is asked about
    /// what is in it.
    ///
    /// - Returns: a path, or nil when there is none; `isTruncated` when there were too many folders to tell.
    static func blockingRules(
        of root: borrowing RootDirectory, trackedFolders: Set<String>, isIgnored: (RelativePath) -> Bool
    ) -> (path: String?, isTruncated: Bool) {
        var waiting = [""]
        var enteredCount = 0
        while let folder = waiting.popLast() {
            enteredCount += 1
            guard enteredCount <= maximumFolderCount else { return (nil, true) }
            let descriptor = root.openFolder(folder)
            guard descriptor >= 0 else { continue }
            defer { close(descriptor) }
            if let name = unusableRules(in: descriptor) {
                return (folder.isEmpty ? name : folder + "/" + name, false)
            }
            for name in subfolderNames(descriptor) where name != ".git" {
                let path = folder.isEmpty ? name : folder + "/" + name
                // libgit2 enters folders with tracked files even where a rule ignores them.
                let isEntered = trackedFolders.contains(path) || !(RelativePath(path).map(isIgnored) ?? false)
                if isEntered { waiting.append(path) }
            }
        }
        return (nil, false)
    }

    /// The same for the folders above one path, which is all that asking about that path reads.
    static func blockingRules(of root: borrowing RootDirectory, above path: RelativePath) -> String? {
        var folder = String(path.folder)
        while true {
            let descriptor = root.openFolder(folder)
            if descriptor >= 0 {
                defer { close(descriptor) }
                if let name = unusableRules(in: descriptor) { return folder.isEmpty ? name : folder + "/" + name }
            }
            if folder.isEmpty { return nil }
            folder = PathIndex.parent(folder)
        }
    }

    private static func unusableRules(in folder: Int32) -> String? {
        rulesNames.first { isBlocking($0, in: folder) }
            ?? (isUnreadable(ignoreName, in: folder) ? ignoreName : nil)
    }

    /// Whether a rules file is there that libgit2 would pass over in silence: a folder, or not to be opened. A link
    /// that leads nowhere holds no rules for git either.
    private static func isUnreadable(_ name: String, in folder: Int32) -> Bool {
        var status = stat()
        guard fstatat(folder, name, &status, 0) == 0 else { return errno != ENOENT }
        return status.st_mode & S_IFMT == S_IFDIR || faccessat(folder, name, R_OK, AT_EACCESS) != 0
    }

    private static func subfolderNames(_ descriptor: Int32) -> [String] {
        // closedir closes what fdopendir got, and the caller closes its own.
        let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
        guard copy >= 0, let stream = fdopendir(copy) else {
            if copy >= 0 { close(copy) }
            return []
        }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let type = Int(entry.pointee.d_type)
            guard type == Int(DT_DIR) || type == Int(DT_UNKNOWN) else { continue }
            let name = String(cString: FolderWalk.nameBytes(of: entry))
            // Of an unknown type: opening it as a folder tells.
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    // MARK: Files

    /// Whether opening this could wait: anything but a file or a folder. Links are followed as libgit2 does.
    static func isBlocking(_ path: String) -> Bool {
        kind(path).map { $0 != S_IFREG && $0 != S_IFDIR } ?? false
    }

    private static func isBlocking(_ name: String, in folder: Int32) -> Bool {
        var status = stat()
        guard fstatat(folder, name, &status, 0) == 0 else { return false }
        let kind = status.st_mode & S_IFMT
        return kind != S_IFREG && kind != S_IFDIR
    }

    private static func kind(_ path: String) -> mode_t? {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_mode & S_IFMT : nil
    }

    static func exists(_ path: String) -> Bool { kind(path) != nil }

    /// The first line of a small regular file without blanks around it; never waits.
    static func firstLine(ofFile path: String) -> String? {
        guard kind(path) == S_IFREG else { return nil }
        let file = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: maximumLinkByteCount)
        let count = read(file, &bytes, bytes.count)
        guard count > 0 else { return nil }
        return trimmed(String(decoding: bytes[..<count].prefix { $0 != 0x0A && $0 != 0 }, as: UTF8.self))
    }

    static func trimmed(_ line: String) -> String {
        let isBlank = { (byte: UInt8) in byte == 0x20 || byte == 0x09 || byte == 0x0D }
        let bytes = Array(line.utf8.drop(while: isBlank))
        guard let last = bytes.lastIndex(where: { !isBlank($0) }) else { return "" }
        return String(decoding: bytes[...last], as: UTF8.self)
    }

    static func resolve(_ path: String, against folder: String) -> String {
        let path = trimmed(path)
        return path.utf8.first == UInt8(ascii: "/") ? path : folder + "/" + path
    }
}
