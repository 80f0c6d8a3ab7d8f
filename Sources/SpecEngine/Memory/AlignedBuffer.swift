// One block of memory with a fixed size, aligned for the widest vectors, zero-filled and freed with its owner.
// Not a collection: owners hand out raw pointers into it, which must not outlive it.

import CSpecKernels

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Owner of 64-byte aligned memory. Not thread-safe by itself: whoever holds it says who may touch it.
final class AlignedBuffer {
    /// The alignment of every buffer, in bytes: one cache line, one 512-bit vector.
    static let alignment = 64

    let base: UnsafeMutableRawPointer
    let byteCount: Int

    /// `byteCount` is rounded up to the alignment. Contents are zero.
    init(byteCount: Int) {
        precondition(byteCount >= 0)
        let rounded = max(Self.alignment, (byteCount + Self.alignment - 1) / Self.alignment * Self.alignment)
        self.base = UnsafeMutableRawPointer.allocate(byteCount: rounded, alignment: Self.alignment)
        self.byteCount = rounded
        memset(base, 0, rounded)
    }

    deinit { base.deallocate() }

    /// The memory seen as `Element`s from a byte offset on.
    func pointer<Element>(to type: Element.Type, atByte offset: Int = 0) -> UnsafeMutablePointer<Element> {
        (base + offset).assumingMemoryBound(to: type)
    }
}
