// Writes a file so that whoever opens its name finds all of it or nothing: a temporary file beside it, fsync, rename,
// fsync of the folder. A crash leaves at most the temporary file.

#if canImport(Glibc)
    import Glibc
#endif

/// Atomic writing.
package enum AtomicFile {
    /// Part of every temporary name.
    static let mark = ".partial-"

    /// Writes a text that only the user can read.
    package static func write(_ path: String, text: String) throws(SnapshotStore.Failure) {
        try write(path, parts: [Array(text.utf8)])
    }

    /// Writes `parts` and then `blocks`, each padded with zeros to `stride`, into a file that only the user can read.
    static func write(
        _ path: String, parts: [[UInt8]], blocks: [UnsafeRawBufferPointer] = [], stride: Int = 0
    ) throws(SnapshotStore.Failure) {
        let temporary = path + mark + "\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure(path) }
        var isWritten = true
        for part in parts where isWritten {
            isWritten = part.withUnsafeBytes { writeAll($0, to: descriptor) }
        }
        for block in blocks where isWritten {
            let padding = [UInt8](repeating: 0, count: max(0, stride - block.count))
            isWritten =
                writeAll(block, to: descriptor) && padding.withUnsafeBytes { writeAll($0, to: descriptor) }
        }
        isWritten = isWritten && fsync(descriptor) == 0
        let reason = failure(path)
        close(descriptor)
        guard isWritten, rename(temporary, path) == 0 else {
            let renamed = isWritten ? failure(path) : reason
            unlink(temporary)
            throw renamed
        }
        syncFolder(of: path)
    }

    private static func failure(_ path: String) -> SnapshotStore.Failure {
        .write(path: path, reason: String(cString: strerror(errno)))
    }

    private static func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Bool {
        var rest = bytes
        while let base = rest.baseAddress, !rest.isEmpty {
            let count = Glibc.write(descriptor, base, rest.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
        return true
    }

    /// The rename is on the disk only once the folder is.
    private static func syncFolder(of path: String) {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return }
        let descriptor = open(String(path[..<slash]), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        fsync(descriptor)
        close(descriptor)
    }
}
