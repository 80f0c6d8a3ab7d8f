// Address space that large buffers share, so that they lie in huge pages. A buffer with a mapping of its own seldom
// does: the kernel makes a huge page only where an aligned 2 MiB belong to one mapping, and most matrices and every
// block of keys and values are smaller. Pages take memory when they are first used and give it back when their buffer
// ends. Not an allocator for small things.

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

    /// Reserves addresses, no memory.
    init?(byteCount: Int) {
        let hugePage = Self.hugePageByteCount
        let reserved = byteCount + hugePage
        guard let start = Self.map(nil, reserved) else { return nil }
        base = (UInt(bitPattern: start) + UInt(hugePage) - 1) / UInt(hugePage) * UInt(hugePage)
        self.byteCount = byteCount
        free = Mutex([Piece(offset: 0, byteCount: byteCount)])
    }

    /// Untouched pages at `address`, in the place of what is there, or anywhere.
    private static func map(_ address: UnsafeMutableRawPointer?, _ byteCount: Int) -> UnsafeMutableRawPointer? {
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (address == nil ? 0 : MAP_FIXED)
        guard let pages = mmap(address, byteCount, PROT_READ | PROT_WRITE, flags, -1, 0), pages != MAP_FAILED else {
            return nil
        }
        #if os(Linux)
            // Advice: where the kernel has no huge pages to give, nothing changes.
            _ = madvise(pages, byteCount, MADV_HUGEPAGE)
        #endif
        return pages
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
        return offset.flatMap { UnsafeMutableRawPointer(bitPattern: base + UInt($0)) }
    }

    /// Takes back what `take` gave for this many bytes. False, and nothing is done, when it is not of this region.
    func give(back pointer: UnsafeMutableRawPointer, byteCount: Int) -> Bool {
        let address = UInt(bitPattern: pointer)
        guard address >= base, address < base + UInt(self.byteCount) else { return false }
        var piece = Piece(offset: Int(address - base), byteCount: Self.roundedToPages(byteCount))
        // Before anybody else can have the piece: its memory goes, also that of a file which `SharedPages` put there,
        // and the next one finds zeros. Where the kernel has no mapping left, the addresses are not used again.
        guard Self.map(pointer, piece.byteCount) != nil else { return true }
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
        return true
    }

    private static func roundedToPages(_ byteCount: Int) -> Int {
        (byteCount + pageByteCount - 1) / pageByteCount * pageByteCount
    }
}
