// Address space that large buffers share, so that they lie in huge pages. A buffer with a mapping of its own seldom
// does: the kernel makes a huge page only where an aligned 2 MiB belong to one mapping, and most matrices and every
// block of keys and values are smaller. First use takes memory, up to 2 MiB at once; a piece gives its own back when
// its buffer ends. Not an allocator for small things.

import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Pieces of one reserved mapping, first fit, so that what is in use stays together. Any thread.
final class HugePageRegion: Sendable {
    /// The one of this process; nil where the address space cannot be had: buffers then have mappings of their own.
    static let shared = HugePageRegion(byteCount: 4 << 30)

    private static let hugePageByteCount = 2 << 20
    private static let pageByteCount = Int(sysconf(Int32(_SC_PAGESIZE)))

    private struct Piece {
        var offset: Int
        var byteCount: Int
        var end: Int { offset + byteCount }
    }

    private let base: UInt
    private let byteCount: Int
    /// In ascending order; no two touch.
    private let free: Mutex<[Piece]>

    /// Reserves addresses, no memory; nil where these count as memory.
    init?(byteCount: Int) {
        guard !Self.addressesCount() else { return nil }
        let hugePage = Self.hugePageByteCount
        let reserved = byteCount + hugePage
        guard let start = Self.map(nil, reserved) else { return nil }
        base = (UInt(bitPattern: start) + UInt(hugePage) - 1) / UInt(hugePage) * UInt(hugePage)
        self.byteCount = byteCount
        free = Mutex([Piece(offset: 0, byteCount: byteCount)])
        if let pages = UnsafeMutableRawPointer(bitPattern: base) { Self.adviseHugePages(pages, byteCount) }
    }

    /// Untouched pages at `address`, in the place of what is there, or anywhere.
    private static func map(_ address: UnsafeMutableRawPointer?, _ byteCount: Int) -> UnsafeMutableRawPointer? {
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (address == nil ? 0 : MAP_FIXED)
        let pages = mmap(address, byteCount, PROT_READ | PROT_WRITE, flags, -1, 0)
        return pages == MAP_FAILED ? nil : pages
    }

    /// Whether the process may have so many addresses only, or the system promises no more memory than it has.
    private static func addressesCount() -> Bool {
        #if os(Linux)
            for resource in [RLIMIT_AS, RLIMIT_DATA] {
                var limit = rlimit()
                let result = getrlimit(__rlimit_resource_t(resource.rawValue), &limit)
                // RLIM_INFINITY is the greatest.
                if result != 0 || limit.rlim_cur != rlim_t.max { return true }
            }
            let descriptor = open("/proc/sys/vm/overcommit_memory", O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { return false }
            defer { close(descriptor) }
            var digit = UInt8(0)
            return read(descriptor, &digit, 1) == 1 && digit == UInt8(ascii: "2")
        #else
            return false
        #endif
    }

    /// Advice: where the kernel has no huge pages to give, nothing changes.
    static func adviseHugePages(_ pages: UnsafeMutableRawPointer, _ byteCount: Int) {
        #if os(Linux)
            _ = madvise(pages, byteCount, MADV_HUGEPAGE)
        #endif
    }

    /// Zero-filled pages for at least this many bytes; nil when no piece is large enough.
    func take(_ byteCount: Int) -> UnsafeMutableRawPointer? {
        let size = Self.roundedToPages(byteCount)
        let offset = free.withLock { free -> Int? in
            guard let index = free.firstIndex(where: { $0.byteCount >= size }) else { return nil }
            let offset = free[index].offset
            free[index].offset += size
            free[index].byteCount -= size
            if free[index].byteCount == 0 { free.remove(at: index) }
            return offset
        }
        guard let offset, let pages = UnsafeMutableRawPointer(bitPattern: base + UInt(offset)) else { return nil }
        Self.adviseHugePages(pages, size)
        return pages
    }

    /// Takes back what `take` gave for this many bytes.
    func give(back pointer: UnsafeMutableRawPointer, byteCount: Int) {
        let address = UInt(bitPattern: pointer)
        precondition(address >= base && address < base + UInt(self.byteCount), "a piece of another region")
        var piece = Piece(offset: Int(address - base), byteCount: Self.roundedToPages(byteCount))
        // Before anybody else can have the piece: its memory goes, also that of a file which `SharedPages` put there,
        // and the next one finds zeros. Without advice, so that the kernel does not fill what nobody has. Where it has
        // no mapping left, the addresses are not used again.
        guard Self.map(pointer, piece.byteCount) != nil else {
            _ = madvise(pointer, piece.byteCount, MADV_DONTNEED)
            return
        }
        free.withLock { free in
            var index = free.firstIndex { $0.offset > piece.offset } ?? free.count
            if index < free.count, piece.end == free[index].offset {
                piece.byteCount += free.remove(at: index).byteCount
            }
            if index > 0, free[index - 1].end == piece.offset {
                index -= 1
                piece = Piece(offset: free[index].offset, byteCount: free[index].byteCount + piece.byteCount)
                free.remove(at: index)
            }
            free.insert(piece, at: index)
        }
    }

    private static func roundedToPages(_ byteCount: Int) -> Int {
        (byteCount + pageByteCount - 1) / pageByteCount * pageByteCount
    }
}
