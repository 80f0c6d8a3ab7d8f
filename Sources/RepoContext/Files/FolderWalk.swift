// Lists files beneath a root without git: for a plain folder, and inside folders that git calls untracked.
// Bounded in count and depth, it enters no hidden, build or vendor folder, no other file system, no link and
// no nested repository. Entries are visited in byte order, so the same tree gives the same list.

import Glibc

/// A bounded walk.
package struct FolderWalk {
    /// Folders that hold what tools made or other people wrote.
    static let skippedFolders: Set<String> = [
        "node_modules", "bower_components", "vendor", "third_party", "build", "dist", "out", "target", "obj",
        "__pycache__", "venv", "env", "site-packages", "Pods", "Carthage", "DerivedData", "coverage", "bin",
    ]

    /// How far a walk goes.
    package struct Limits: Sendable {
        /// Files listed.
        package var fileCount: Int
        /// Entries looked at, of any kind.
        package var entryCount: Int
        /// Folder nesting entered.
        package var depth: Int

        package init(fileCount: Int, entryCount: Int, depth: Int) {
            self.fileCount = fileCount
            self.entryCount = entryCount
            self.depth = depth
        }

        /// A plain folder: as much as a large checkout has, seen in about 50 ms.
        package static let plainFolder = Limits(fileCount: 20_000, entryCount: 60_000, depth: 24)
        /// Untracked folders in a repository: work in progress is small, an unignored build is not.
        package static let untracked = Limits(fileCount: 2_000, entryCount: 10_000, depth: 12)
    }

    /// The files found, in byte order of their paths within each folder.
    package private(set) var files: [(path: RelativePath, stamp: FileStamp)] = []
    /// True when a limit ended the walk.
    package private(set) var isTruncated = false
    private var entryCount = 0
    private let limits: Limits

    package init(limits: Limits) { self.limits = limits }

    /// Adds the files beneath `folder` ("" is the root).
    ///
    /// - Parameter isIgnored: asked for each file and folder; ignored ones are left out.
    package mutating func add(
        folder: String, of root: borrowing RootDirectory, isIgnored: (RelativePath) -> Bool
    ) {
        let descriptor = root.openFolder(folder)
        guard descriptor >= 0 else { return }
        walk(descriptor, folder.isEmpty ? "" : folder + "/", 0, root.device, isIgnored)
    }

    /// Takes the descriptor and closes it.
    private mutating func walk(
        _ descriptor: Int32, _ prefix: String, _ depth: Int, _ device: dev_t,
        _ isIgnored: (RelativePath) -> Bool
    ) {
        guard let names = entryNames(descriptor) else { return }
        defer { close(descriptor) }
        // A nested repository has rules of its own; the top folder of a walk may be a repository's root.
        if depth > 0 || !prefix.isEmpty, names.contains(".git") { return }
        for name in names where !name.hasPrefix(".") {
            guard !isFull else {
                isTruncated = true
                return
            }
            guard let path = RelativePath(prefix + name) else { continue }
            var status = stat()
            guard fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { continue }
            let kind = status.st_mode & S_IFMT
            if kind == S_IFDIR {
                guard status.st_dev == device, !FolderWalk.skippedFolders.contains(name), !isIgnored(path)
                else { continue }
                guard depth < limits.depth else {
                    isTruncated = true
                    continue
                }
                let child = openat(descriptor, name, RootDirectory.folderFlags)
                if child >= 0 { walk(child, prefix + name + "/", depth + 1, device, isIgnored) }
            } else if kind == S_IFREG, !isIgnored(path) {
                files.append((path, FileStamp(status)))
            }
        }
    }

    private var isFull: Bool { files.count >= limits.fileCount || entryCount >= limits.entryCount }

    /// Names in byte order; nil (and the descriptor closed) when the folder cannot be listed.
    private mutating func entryNames(_ descriptor: Int32) -> [String]? {
        // closedir closes what fdopendir got, and the caller still needs the descriptor.
        let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
        guard copy >= 0, let stream = fdopendir(copy) else {
            if copy >= 0 { close(copy) }
            close(descriptor)
            return nil
        }
        defer { closedir(stream) }
        var names: [String] = []
        while entryCount < limits.entryCount, let entry = readdir(stream) {
            entryCount += 1
            guard let name = String(validatingCString: FolderWalk.nameBytes(of: entry)), name != ".",
                name != ".."
            else { continue }
            names.append(name)
        }
        return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    /// The name in a folder's entry, read before the next entry is.
    static func nameBytes(of entry: UnsafeMutablePointer<dirent>) -> UnsafePointer<CChar> {
        let nameOffset = MemoryLayout<dirent>.offset(of: \.d_name)!
        return (UnsafeRawPointer(entry) + nameOffset).assumingMemoryBound(to: CChar.self)
    }
}
