// One block of memory with a fixed size, aligned for the widest vectors, zero-filled and freed with its owner.
// Not a collection: owners hand out raw pointers into it, which must not outlive it.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Owner of 64-byte aligned memory. Not thread-safe by itself: whoever holds it says who may touch it.
final class AlignedBuffer {
    /// The alignment of every buffer, in bytes: one cache line, one 512-bit vector.
    static let alignment = 64

    /// From this size on buffers lie side by side in huge pages: weights, keys and values are read from end to end for
    /// every token, and with pages of 4 KiB a fifth of the time for keys and values goes into finding them.
    private static let leastSharedByteCount = 128 << 10

    let base: UnsafeMutableRawPointer
    let byteCount: Int

    /// `byteCount` is rounded up to the alignment. Contents are zero.
    init(byteCount: Int) {
        precondition(byteCount >= 0)
        let rounded = max(Self.alignment, (byteCount + Self.alignment - 1) / Self.alignment * Self.alignment)
        base = Self.sharedPages(rounded) ?? Self.ownPages(rounded)
        self.byteCount = rounded
    }

    deinit {
        if HugePageRegion.shared?.give(back: base, byteCount: byteCount) != true { munmap(base, byteCount) }
    }

    private static func sharedPages(_ byteCount: Int) -> UnsafeMutableRawPointer? {
        byteCount < leastSharedByteCount ? nil : HugePageRegion.shared?.take(byteCount)
    }

    private static func ownPages(_ byteCount: Int) -> UnsafeMutableRawPointer {
        // Anonymous pages are zero already and take no memory before they are used.
        let pages = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let pages, pages != MAP_FAILED else {
            preconditionFailure("out of memory: \(byteCount) bytes could not be had")
        }
        return pages
    }

    /// The memory seen as `Element`s from a byte offset on.
    func pointer<Element>(to type: Element.Type, atByte offset: Int = 0) -> UnsafeMutablePointer<Element> {
        (base + offset).assumingMemoryBound(to: type)
    }
}

/// Places of parts in one buffer that is made afterwards, each aligned.
struct BufferLayout {
    private(set) var byteCount = 0

    /// The offset of a part of `size` bytes.
    mutating func place(_ size: Int) -> Int {
        defer {
            byteCount +=
                (size + AlignedBuffer.alignment - 1) / AlignedBuffer.alignment * AlignedBuffer.alignment
        }
        return byteCount
    }

    /// The offset of a part of `count` f32.
    mutating func floats(_ count: Int) -> Int { place(count * 4) }
}
