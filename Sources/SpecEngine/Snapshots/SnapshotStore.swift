// The directory of snapshots: one folder per repository, one file per sequence, holding the blocks that no other file
// there holds. Several processes use it at once without locks: files appear by rename and disappear by unlink, and
// what is not as it should be is ignored and removed. Only what a reader of docs/PREFIX_CACHE.md expects is touched.

#if canImport(Glibc)
    import Glibc
#endif

/// A directory of snapshots. Any thread.
package struct SnapshotStore: Sendable {
    /// Why nothing was stored.
    package enum Failure: Error, CustomStringConvertible {
        case directory(path: String, reason: String)
        case write(path: String, reason: String)

        package var description: String {
            switch self {
            case .directory(let path, let reason):
                "the cache directory \(path) cannot be used: \(reason); set XDG_CACHE_HOME, or start with "
                    + "--disk-cache off"
            case .write(let path, let reason):
                "\(path) cannot be written: \(reason); free some space, or start with --disk-cache off"
            }
        }
    }

    /// What is in a file, for people.
    package struct Entry: Sendable {
        package let path: String
        package let byteCount: Int
        /// Seconds since 1970.
        package let lastUse: Int
        /// Nil where the file is damaged.
        package let origin: SnapshotOrigin?
        package let tokenCount: Int
    }

    package static let standardByteLimit = 4 << 30
    /// Most files of one repository that are looked at; more than a user's work makes in weeks.
    static let maximumFileCount = 4_096
    /// A temporary file of this age was left by a process that is gone.
    private static let abandonedSeconds = 600

    package let directory: String
    package let byteLimit: Int

    package init(directory: String, byteLimit: Int = SnapshotStore.standardByteLimit) {
        self.directory = directory
        self.byteLimit = byteLimit
    }

    /// The name of what belongs to one root.
    package static func folderName(of rootPath: String) -> String {
        StripedChecksum.name(Array(rootPath.utf8))
    }

    func folder(of rootPath: String) -> String { directory + "/" + Self.folderName(of: rootPath) }

    // MARK: Reading

    /// Changes whenever a snapshot of the repository comes or goes; nil while there are none.
    package func stamp(of rootPath: String) -> Int64? {
        var status = stat()
        guard lstat(folder(of: rootPath), &status) == 0 else { return nil }
        return Int64(status.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(status.st_mtim.tv_nsec)
    }

    /// The usable snapshots of a repository, those first that others build on. Damaged files and those of other models
    /// are left out; damaged ones are removed and named in `damaged`.
    package func files(of rootPath: String, key: SnapshotKey) -> (files: [SnapshotFile], damaged: [String]) {
        var found: [SnapshotFile] = []
        var damaged: [String] = []
        for path in paths(in: folder(of: rootPath)) {
            guard let file = SnapshotFile.open(path) else {
                damaged.append(path)
                unlink(path)
                continue
            }
            // Another model's or another version's: left to the budget. Another root's: two paths with one checksum.
            if file.header.key == key.text, file.origin.rootPath == rootPath { found.append(file) }
        }
        return (found.sorted { ($0.header.firstBlock, $0.path) < ($1.header.firstBlock, $1.path) }, damaged)
    }

    /// Everything that is stored, newest use first.
    package func entries() -> [Entry] {
        let found = names(in: directory).flatMap { paths(in: directory + "/" + $0) }.compactMap {
            path -> Entry? in
            guard let status = Self.status(path) else { return nil }
            let file = SnapshotFile.open(path)
            return Entry(
                path: path, byteCount: Int(status.st_size), lastUse: status.st_mtim.tv_sec,
                origin: file?.origin,
                tokenCount: file?.tokenCount ?? 0)
        }
        return found.sorted { ($1.lastUse, $0.path) < ($0.lastUse, $1.path) }
    }

    private func paths(in folder: String) -> [String] {
        names(in: folder).filter { $0.hasSuffix(".kv") }.prefix(Self.maximumFileCount).map {
            folder + "/" + $0
        }
    }

    private func names(in folder: String) -> [String] {
        guard let stream = opendir(folder) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name.first != "." { names.append(name) }
        }
        return names.sorted()
    }

    private static func status(_ path: String) -> stat? {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG ? status : nil
    }

    // MARK: Writing

    /// Writes a sequence whose blocks before `firstBlock` are in other files. Nil where the very file is there already.
    func write(
        tokens: [TokenID], firstBlock: Int, blocks: [UnsafeRawBufferPointer], key: SnapshotKey,
        origin: SnapshotOrigin
    ) throws(Failure) -> SnapshotFile? {
        let folder = folder(of: origin.rootPath)
        try Self.makePrivateFolder(directory)
        try Self.makePrivateFolder(folder)
        let header = SnapshotHeader(
            key: key.text, origin: origin, tokens: tokens, firstBlock: firstBlock,
            blockByteCount: key.blockByteCount,
            checksums: blocks.map(StripedChecksum.of))
        let name = StripedChecksum.name(
            Array(key.text.utf8) + tokens.flatMap { withUnsafeBytes(of: $0.rawValue) { Array($0) } })
        let path = folder + "/" + name + ".kv"
        if let present = SnapshotFile.open(path), present.header.firstBlock <= firstBlock {
            present.touch()
            return nil
        }
        do {
            try AtomicFile.write(
                path, parts: [header.encoded()], blocks: blocks, stride: header.blockStride)
        } catch {
            throw .write(path: error.path, reason: error.reason)
        }
        removeLeastRecentlyUsed(sparing: path)
        return SnapshotFile.open(path)
    }

    /// Makes a folder that only the user can look into; refuses one that others could have prepared.
    package static func makePrivateFolder(_ path: String) throws(Failure) {
        var parent = path
        if let slash = parent.utf8.lastIndex(of: UInt8(ascii: "/")), slash > parent.startIndex {
            parent = String(parent[..<slash])
            if access(parent, F_OK) != 0 { try makePrivateFolder(parent) }
        }
        if mkdir(path, 0o700) != 0, errno != EEXIST {
            throw .directory(path: path, reason: String(cString: strerror(errno)))
        }
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
            throw .directory(path: path, reason: "it is not a folder")
        }
        guard status.st_uid == geteuid() else {
            throw .directory(path: path, reason: "it belongs to somebody else")
        }
        if status.st_mode & 0o077 != 0, chmod(path, 0o700) != 0 {
            throw .directory(path: path, reason: String(cString: strerror(errno)))
        }
    }

    // MARK: Removing

    /// Removes a snapshot. Processes that have it mapped keep what they have.
    package func remove(_ path: String) { unlink(path) }

    /// Removes what is stored of a repository; of all where `rootPath` is nil. Returns how many bytes.
    package func clear(rootPath: String?) -> Int {
        var removed = 0
        for folder in rootPath.map({ [folder(of: $0)] }) ?? names(in: directory).map({ directory + "/" + $0 })
        {
            for name in names(in: folder) where name.hasSuffix(".kv") || name.contains(AtomicFile.mark) {
                let path = folder + "/" + name
                let byteCount = Self.status(path).map { Int($0.st_size) } ?? 0
                if unlink(path) == 0 { removed += byteCount }
            }
            rmdir(folder)
        }
        return removed
    }

    private func removeLeastRecentlyUsed(sparing newest: String) {
        var files: [(path: String, byteCount: Int, lastUse: Int)] = []
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        for folder in names(in: directory).map({ directory + "/" + $0 }) {
            for name in names(in: folder) {
                let path = folder + "/" + name
                guard let status = Self.status(path) else { continue }
                let isAbandoned = now.tv_sec - status.st_mtim.tv_sec > Self.abandonedSeconds
                if name.contains(AtomicFile.mark), isAbandoned { unlink(path) }
                if name.hasSuffix(".kv") { files.append((path, Int(status.st_size), status.st_mtim.tv_sec)) }
            }
        }
        var total = files.reduce(0) { $0 + $1.byteCount }
        for file in files.sorted(by: { ($0.lastUse, $0.path) < ($1.lastUse, $1.path) })
        where total > byteLimit {
            if file.path == newest { continue }
            if unlink(file.path) == 0 { total -= file.byteCount }
        }
    }
}
