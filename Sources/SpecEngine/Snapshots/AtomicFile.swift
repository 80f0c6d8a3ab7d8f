// Writes a file so that whoever opens its name finds all of it or nothing: a temporary file beside it, fsync, rename,
// fsync of the folder. A crash leaves at most the temporary file.

#if canImport(Glibc)
    import Glibc
#endif

/// Atomic writing.
package enum AtomicFile {
    /// Why a file could not be written; what was there before still is.
    package struct Failure: Error {
        package let path: String
        /// As in errno.
        package let code: Int32
        package var reason: String { String(cString: strerror(code)) }
    }

    /// Part of every temporary name.
    package static let mark = ".partial-"

    /// Writes a text that only the user can read.
    package static func write(_ path: String, text: String) throws(Failure) {
        try write(path, parts: [Array(text.utf8)])
    }

    /// Writes bytes into a file with the given permissions.
    package static func write(_ path: String, bytes: [UInt8], mode: UInt32 = 0o600) throws(Failure) {
        try write(path, parts: [bytes], mode: mode)
    }

    /// Writes `parts` and then `blocks`, each padded with zeros to `stride`.
    static func write(
        _ path: String, parts: [[UInt8]], blocks: [UnsafeRawBufferPointer] = [], stride: Int = 0,
        mode: UInt32 = 0o600
    ) throws(Failure) {
        let temporary = path + mark + "\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Failure(path: path, code: errno) }
        var isWritten = fchmod(descriptor, mode) == 0
        for part in parts where isWritten {
            isWritten = part.withUnsafeBytes { writeAll($0, to: descriptor) }
        }
        for block in blocks where isWritten {
            let padding = [UInt8](repeating: 0, count: max(0, stride - block.count))
            isWritten =
                writeAll(block, to: descriptor) && padding.withUnsafeBytes { writeAll($0, to: descriptor) }
        }
        isWritten = isWritten && fsync(descriptor) == 0
        let code = errno
        close(descriptor)
        guard isWritten, rename(temporary, path) == 0 else {
            let failure = Failure(path: path, code: isWritten ? errno : code)
            unlink(temporary)
            throw failure
        }
        syncFolder(of: path)
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
