// Which file a name stood for when it was looked at: enough to notice that it was replaced or written to since. Not a
// checksum: nothing is read.

#if canImport(Glibc)
    import Glibc
#endif

/// Device, inode, size, and the times of the last change of contents and of the inode, which cannot be set.
package struct FileIdentity: Equatable, Sendable, CustomStringConvertible {
    /// "device inode size modified changed", times as "seconds nanoseconds".
    package let description: String
    /// The later of the two times, in seconds since 1970.
    package let changeTime: Int

    init(_ status: stat) {
        description =
            "\(status.st_dev) \(status.st_ino) \(status.st_size) \(status.st_mtim.tv_sec) \(status.st_mtim.tv_nsec)"
            + " \(status.st_ctim.tv_sec) \(status.st_ctim.tv_nsec)"
        changeTime = max(status.st_mtim.tv_sec, status.st_ctim.tv_sec)
    }

    /// Of whatever is at the path, links followed; nil when nothing is.
    package static func of(_ path: String) -> FileIdentity? {
        var status = stat()
        return stat(path, &status) == 0 ? FileIdentity(status) : nil
    }
}
