// Keeps indexes between sessions: one file per root in the user's cache directory. It is derived data and treated
// so: a file that is damaged, of another version, of another root or of another user is ignored and written anew.
// Written aside and renamed, so that two daemons never read half of one. It holds paths and hashes, no source text.

import Glibc

/// The folder of saved indexes; `index` thread only.
package struct IndexCache: Sendable {
    /// Files kept; the one written longest ago goes.
    static let maximumFileCount = 24
    /// Bytes that one file may have: 8 Mi terms and their paths stay well below.
    static let maximumFileByteCount = 128 << 20
    static let fileEnding = ".index"

    /// Absolute path of the folder.
    package let folder: String

    /// - Parameter cacheFolder: the program's cache directory, which need not exist yet.
    package init(cacheFolder: String) { folder = cacheFolder + "/index" }

    /// What was saved for a root; nil when there is nothing usable, with a line where something unusable was found.
    func load(rootPath: String) -> (saved: SavedIndex?, problem: String?) {
        guard let root = RootDirectory.open(folder), isOwn(root.descriptor), let name = fileName(rootPath)
        else {
            return (nil, nil)
        }
        guard let bytes = root.readBytes(name, maximumByteCount: IndexCache.maximumFileByteCount) else {
            return (nil, nil)
        }
        guard let saved = SavedIndex(bytes, rootPath: rootPath) else {
            return (
                nil, "the saved index \(folder)/\(name) is damaged or of another version; it is made anew"
            )
        }
        return (saved, nil)
    }

    /// Writes what is known about a root.
    ///
    /// - Returns: why nothing was written, or nil.
    func save(_ saved: SavedIndex, rootPath: String) -> String? {
        let failure = { (what: String) in
            "the index is not saved: \(what) failed (\(String(cString: strerror(errno)))). Check \(folder)"
        }
        guard let name = fileName(rootPath) else { return nil }
        guard makeFolder() else { return failure("making the folder") }
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else { return failure("opening the folder") }
        defer { close(descriptor) }
        guard isOwn(descriptor) else { return "the index is not saved: \(folder) belongs to another user" }
        let bytes = saved.encoded(rootPath: rootPath)
        guard bytes.count <= IndexCache.maximumFileByteCount else { return nil }
        let temporary = "\(name).\(getpid()).new"
        guard write(bytes, to: temporary, in: descriptor),
            renameat(descriptor, temporary, descriptor, name.string) == 0
        else {
            unlinkat(descriptor, temporary, 0)
            return failure("writing")
        }
        removeOldest(in: descriptor)
        return nil
    }

    /// One name per root, whatever characters its path has.
    private func fileName(_ rootPath: String) -> RelativePath? {
        let hash = String(identifierHash(Array(rootPath.utf8)[...]), radix: 16)
        return RelativePath(
            String(repeating: "0", count: 16 - hash.utf8.count) + hash + IndexCache.fileEnding)
    }

    /// Makes the folder and those above it, for this user alone.
    private func makeFolder() -> Bool {
        var path = ""
        for component in folder.utf8.split(separator: UInt8(ascii: "/")) {
            path += "/" + String(Substring(component))
            guard mkdir(path, 0o700) == 0 || errno == EEXIST else { return false }
        }
        return true
    }

    /// Whether a folder is this user's and nobody else may write into it.
    private func isOwn(_ descriptor: Int32) -> Bool {
        var status = stat()
        return fstat(descriptor, &status) == 0 && status.st_uid == geteuid() && status.st_mode & 0o022 == 0
    }

    private func write(_ bytes: [UInt8], to name: String, in folder: Int32) -> Bool {
        let file = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard file >= 0 else { return false }
        defer { close(file) }
        var written = 0
        return bytes.withUnsafeBytes { buffer in
            while written < buffer.count {
                let count = Glibc.write(file, buffer.baseAddress.map { $0 + written }, buffer.count - written)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return false }
                written += count
            }
            return true
        }
    }

    private func removeOldest(in descriptor: Int32) {
        guard let stream = opendir(folder) else { return }
        defer { closedir(stream) }
        var found: [(name: String, time: Int)] = []
        while found.count < IndexCache.maximumFileCount * 8, let entry = readdir(stream) {
            guard let name = String(validatingCString: FolderWalk.nameBytes(of: entry)) else { continue }
            var status = stat()
            guard name.hasSuffix(IndexCache.fileEnding) || name.hasSuffix(".new"),
                fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0,
                status.st_mode & S_IFMT == S_IFREG
            else { continue }
            // Left behind by a process that was ended while it wrote.
            let isStale = name.hasSuffix(".new") && status.st_mtim.tv_sec < time(nil) - 3_600
            if isStale { unlinkat(descriptor, name, 0) }
            if name.hasSuffix(IndexCache.fileEnding) { found.append((name, status.st_mtim.tv_sec)) }
        }
        let excess = found.sorted { ($1.time, $0.name) < ($0.time, $1.name) }.dropFirst(
            IndexCache.maximumFileCount)
        for (name, _) in excess { unlinkat(descriptor, name, 0) }
    }
}
