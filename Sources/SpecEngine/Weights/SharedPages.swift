// Lets the daemons of one user hold a model's packed weights once. Every process packs for itself; one that is asked to
// share compares the result with a file that the first one wrote, byte for byte, and maps the file's pages in the
// place of its own. So nothing has to be trusted: a file that is damaged, cut short, of another model or packed by
// another version differs, and is written anew. The comparison takes milliseconds for what packing takes tens.

#if canImport(Glibc)
    import Glibc
#endif

/// Replaces private memory by pages of a file with the same contents.
enum SharedPages {
    private static let pageByteCount = 4_096

    /// What became of an attempt.
    enum Outcome: Equatable {
        /// The buffers are now pages of the file.
        case shared
        /// There is no such file, or another one.
        case different
    }

    /// Maps the file at `path` over `buffers`, if it holds their contents one after the other. The buffers keep their
    /// addresses and must never be written again. No other thread may touch them meanwhile.
    static func share(_ buffers: [AlignedBuffer], with path: String) -> Outcome {
        let descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else { return .different }
        defer { close(descriptor) }
        var status = stat()
        let total = buffers.reduce(0) { $0 + wholePages($1.byteCount) }
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
            Int(status.st_size) == total,
            status.st_uid == geteuid(), hasContents(of: buffers, descriptor: descriptor, byteCount: total)
        else { return .different }
        var offset = 0
        for buffer in buffers {
            let count = wholePages(buffer.byteCount)
            // A failure leaves the buffer as it was: mmap replaces all of a range or nothing.
            _ = mmap(buffer.base, count, PROT_READ, MAP_SHARED | MAP_FIXED, descriptor, off_t(offset))
            offset += count
        }
        return .shared
    }

    private static func hasContents(of buffers: [AlignedBuffer], descriptor: Int32, byteCount: Int) -> Bool {
        guard byteCount > 0, let pages = mmap(nil, byteCount, PROT_READ, MAP_SHARED, descriptor, 0),
            pages != MAP_FAILED
        else { return false }
        defer { munmap(pages, byteCount) }
        var offset = 0
        for buffer in buffers {
            guard memcmp(pages + offset, buffer.base, buffer.byteCount) == 0 else { return false }
            offset += wholePages(buffer.byteCount)
        }
        return true
    }

    /// Writes the file that `share` maps.
    static func write(_ buffers: [AlignedBuffer], to path: String) throws(SnapshotStore.Failure) {
        if let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) {
            try SnapshotStore.makePrivateFolder(String(path[..<slash]))
        }
        for buffer in buffers where buffer.byteCount % pageByteCount != 0 { clearPadding(of: buffer) }
        do {
            try AtomicFile.write(
                path, parts: [],
                blocks: buffers.map { UnsafeRawBufferPointer(start: $0.base, count: wholePages($0.byteCount)) })
        } catch {
            throw .write(path: error.path, reason: error.reason)
        }
    }

    /// A buffer's last page is its own to the end.
    private static func clearPadding(of buffer: AlignedBuffer) {
        memset(buffer.base + buffer.byteCount, 0, wholePages(buffer.byteCount) - buffer.byteCount)
    }

    private static func wholePages(_ count: Int) -> Int {
        (count + pageByteCount - 1) / pageByteCount * pageByteCount
    }
}
