// One user's daemons share one budget for keys and values: editors start a daemon per window, and five of them must not
// take five times the memory. Each process keeps a file of its own, locked as long as it lives, with the bytes it uses;
// the lock goes with the process however it ends, so what a dead one used is free at once.

#if canImport(Glibc)
    import Glibc
#endif

/// This process's part in the user's budget. One thread at a time.
package final class MemoryShare {
    /// A quarter of the machine's memory, at most 2 GiB.
    package static var standardByteLimit: Int {
        let pages = sysconf(Int32(_SC_PHYS_PAGES))
        let pageByteCount = sysconf(Int32(_SC_PAGESIZE))
        guard pages > 0, pageByteCount > 0 else { return 1 << 29 }
        return min(2 << 30, pages / 4 * pageByteCount)
    }

    /// Processes that are counted; further ones share what these leave.
    static let maximumProcessCount = 256
    private static let prefix = "share-"
    /// Of a file that is not locked yet, which nobody else counts.
    private static let beginningPrefix = "new-"
    /// Seconds after which such a file is one that its process did not come to name.
    private static let beginningLifetime = 60

    private let folder: String
    private let path: String
    private let descriptor: Int32
    private var published = -1
    /// Other processes of the user at the last `update`.
    package private(set) var otherCount = 0
    /// What all processes of the user may use together.
    package let byteLimit: Int

    /// Nil where the folder cannot be used: then nobody else is counted.
    package init?(folder: String, byteLimit: Int) {
        guard (try? SnapshotStore.makePrivateFolder(folder)) != nil,
            let (path, descriptor) = Self.lockedFile(in: folder)
        else { return nil }
        self.folder = folder
        self.byteLimit = byteLimit
        self.path = path
        self.descriptor = descriptor
    }

    /// Makes a file, locks it and only then gives it its name: under that one, an unlocked file is a dead process's.
    private static func lockedFile(in folder: String) -> (String, Int32)? {
        let name = "\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        let (beginning, path) = ("\(folder)/\(beginningPrefix)\(name)", "\(folder)/\(prefix)\(name)")
        let descriptor = open(beginning, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return nil }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0, rename(beginning, path) == 0 else {
            unlink(beginning)
            close(descriptor)
            return nil
        }
        return (path, descriptor)
    }

    deinit {
        unlink(path)
        close(descriptor)
    }

    /// Tells the others what this process uses, and returns what it may use: an equal part, or more as long as the
    /// others leave it.
    package func update(usedByteCount: Int) -> Int {
        if usedByteCount != published {
            withUnsafeBytes(of: Int64(usedByteCount).littleEndian) { bytes in
                if pwrite(descriptor, bytes.baseAddress, bytes.count, 0) == bytes.count {
                    published = usedByteCount
                }
            }
        }
        let others = otherByteCounts()
        otherCount = others.count
        let equalPart = byteLimit / (others.count + 1)
        return max(equalPart, byteLimit - others.reduce(0, +))
    }

    private func otherByteCounts() -> [Int] {
        guard let stream = opendir(folder) else { return [] }
        defer { closedir(stream) }
        var counts: [Int] = []
        while let entry = readdir(stream), counts.count < Self.maximumProcessCount {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            let other = folder + "/" + name
            if name.hasPrefix(Self.beginningPrefix) { Self.removeAbandonedBeginning(other) }
            guard name.hasPrefix(Self.prefix), other != path, let count = Self.liveByteCount(other) else {
                continue
            }
            counts.append(count)
        }
        return counts
    }

    /// Removes a file that has not got its name in time.
    private static func removeAbandonedBeginning(_ path: String) {
        var status = stat()
        if lstat(path, &status) == 0, time(nil) - status.st_mtim.tv_sec > beginningLifetime { unlink(path) }
    }

    /// What a process published; nil where it has ended, whose file is removed then.
    private static func liveByteCount(_ path: String) -> Int? {
        let descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        if flock(descriptor, LOCK_SH | LOCK_NB) == 0 {
            unlink(path)
            return nil
        }
        var count: Int64 = 0
        let byteCount = withUnsafeMutableBytes(of: &count) { pread(descriptor, $0.baseAddress, $0.count, 0) }
        guard byteCount == 8 else { return 0 }  // it has just begun
        return max(0, Int(clamping: Int64(littleEndian: count)))
    }
}
