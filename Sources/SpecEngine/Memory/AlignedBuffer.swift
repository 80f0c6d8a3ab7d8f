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
    /// every token, and in pages of 4 KiB decoding takes more than a tenth longer (docs/NUMERICS.md).
    private static let leastHugePageByteCount = 128 << 10

    let base: UnsafeMutableRawPointer
    let byteCount: Int
    /// Where the memory goes back to; nil for a mapping of its own.
    private let region: HugePageRegion?

    /// `byteCount` is rounded up to the alignment. Contents are zero.
    init(byteCount: Int) {
        precondition(byteCount >= 0)
        let rounded = max(Self.alignment, (byteCount + Self.alignment - 1) / Self.alignment * Self.alignment)
        let piece = rounded < Self.leastHugePageByteCount ? nil : HugePageRegion.shared?.take(rounded)
        region = piece == nil ? nil : HugePageRegion.shared
        base = piece ?? Self.ownPages(rounded)
        self.byteCount = rounded
    }

    deinit {
        if let region { region.give(back: base, byteCount: byteCount) } else { munmap(base, byteCount) }
    }

    private static func ownPages(_ byteCount: Int) -> UnsafeMutableRawPointer {
        // Anonymous pages are zero already and take no memory before they are used.
        let pages = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let pages, pages != MAP_FAILED else {
            preconditionFailure("out of memory: \(byteCount) bytes could not be had")
        }
        if byteCount >= leastHugePageByteCount { HugePageRegion.adviseHugePages(pages, byteCount) }
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
