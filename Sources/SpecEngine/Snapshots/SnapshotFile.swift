// One snapshot file, mapped read-only and shared with every process that maps it. Opening checks the header and the
// file's size; a block's bytes are compared with their checksum by whoever uses it first. Files are only ever made
// whole (temporary file, fsync, rename) and removed, never changed, so a mapping stays good.

import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// A snapshot that is open. Thread-safe: nothing can be changed through it.
package final class SnapshotFile: Sendable {
    package let path: String
    let header: SnapshotHeader
    private let file: MappedFile
    /// In minutes of the monotonic clock.
    private let lastUse = Atomic<Int>(-1)

    private init(path: String, header: SnapshotHeader, file: MappedFile) {
        self.path = path
        self.header = header
        self.file = file
    }

    package var origin: SnapshotOrigin { header.origin }
    package var tokenCount: Int { header.tokens.count }
    package var byteCount: Int { file.byteCount }

    /// The leading `count` tokens.
    package func tokens(before count: Int) -> [TokenID] { Array(header.tokens.prefix(count)) }

    /// Opens a file; nil where it is damaged, cut short, of another version, or no snapshot at all.
    static func open(_ path: String) -> SnapshotFile? {
        guard let file = try? MappedFile.open(path), let header = SnapshotHeader(file.bytes),
            header.fileByteCount == file.byteCount
        else { return nil }
        return SnapshotFile(path: path, header: header, file: file)
    }

    /// The first byte of a block; `index` counts the blocks of this file.
    func block(_ index: Int) -> UnsafePointer<UInt8> {
        let offset = header.dataOffset + index * header.blockStride
        return (file.bytes.baseAddress! + offset).assumingMemoryBound(to: UInt8.self)
    }

    func verify(block index: Int) -> Bool {
        StripedChecksum.of(UnsafeRawBufferPointer(start: block(index), count: header.blockByteCount))
            == header.checksums[index]
    }

    /// Lets the kernel have the block's pages; whoever reads them has them again.
    func giveBackPages(ofBlock index: Int) {
        // Blocks begin and end with pages of 4 KiB; a kernel with larger ones may refuse.
        _ = madvise(UnsafeMutableRawPointer(mutating: block(index)), header.blockStride, MADV_DONTNEED)
    }

    /// Whether the name still stands for a file; its pages stay readable here either way.
    var exists: Bool { access(path, F_OK) == 0 }

    /// Tells other processes, and the next start, that the snapshot is in use: the least recently used goes first.
    func touch() { _ = utimensat(AT_FDCWD, path, nil, 0) }

    /// The same, at most once a minute.
    func noteUse() {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        let minute = now.tv_sec / 60
        if lastUse.exchange(minute, ordering: .relaxed) != minute { touch() }
    }
}
