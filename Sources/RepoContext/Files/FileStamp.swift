// The identity of a file's content as the file system tells it, without reading: enough to know whether
// something read before is still what is there.

import Glibc

/// Device, inode, size and modification time of a regular file.
package struct FileStamp: Hashable, Sendable {
    package var device: UInt64
    package var inode: UInt64
    package var byteCount: Int64
    /// Nanoseconds since 1970.
    package var modificationTime: Int64

    init(_ status: stat) {
        device = UInt64(truncatingIfNeeded: status.st_dev)
        inode = UInt64(truncatingIfNeeded: status.st_ino)
        byteCount = Int64(status.st_size)
        // Wraps for absurd times in a hostile file system; equality is all that is asked of it.
        modificationTime = Int64(status.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(status.st_mtim.tv_nsec)
    }

    /// As four words, and back.
    var words: [UInt64] {
        [device, inode, UInt64(bitPattern: byteCount), UInt64(bitPattern: modificationTime)]
    }

    init(words: [UInt64]) {
        (device, inode) = (words[0], words[1])
        (byteCount, modificationTime) = (Int64(bitPattern: words[2]), Int64(bitPattern: words[3]))
    }

    /// The stamp of whatever is at the path, links followed; nil when nothing is.
    static func of(path: String) -> FileStamp? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        return FileStamp(status)
    }

    /// Whether this is the stamp that git's index holds (32-bit size and seconds; nanoseconds may be 0).
    func matches(_ entry: GitIndex.Entry) -> Bool {
        guard entry.byteCount == UInt32(truncatingIfNeeded: byteCount) else { return false }
        let seconds = Int64(entry.modificationSeconds)
        guard modificationTime / 1_000_000_000 == seconds else { return false }
        return entry.modificationNanoseconds == 0
            || Int64(entry.modificationNanoseconds) == modificationTime % 1_000_000_000
    }
}
