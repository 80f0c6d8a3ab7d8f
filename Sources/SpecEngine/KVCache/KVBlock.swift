// Memory for the keys and values of 128 positions in all layers: pages of its own, or pages of a snapshot that is
// mapped read-only. Sequences share blocks by reference; KVCache knows which of its blocks it may still write.

#if canImport(Glibc)
    import Glibc
#endif

/// One block. Engine thread only; what is in a shared one never changes.
final class KVBlock {
    private enum Pages {
        case own(AlignedBuffer)
        case mapped(SnapshotFile, index: Int)
    }

    let base: UnsafeMutablePointer<UInt8>
    let byteCount: Int
    private let pages: Pages
    /// Nil before a mapped block's bytes were compared with their checksum.
    private var isIntact: Bool?

    /// Zero-filled memory of its own.
    init(byteCount: Int) {
        let buffer = AlignedBuffer(byteCount: byteCount)
        pages = .own(buffer)
        base = buffer.pointer(to: UInt8.self)
        self.byteCount = byteCount
        isIntact = true
    }

    /// The pages of a snapshot's block. They are mapped for reading only: nobody may write through `base`.
    init(_ file: SnapshotFile, index: Int) {
        pages = .mapped(file, index: index)
        base = UnsafeMutablePointer(mutating: file.block(index))
        byteCount = file.header.blockByteCount
    }

    /// The snapshot that the pages belong to; nil for memory of its own.
    var snapshot: SnapshotFile? {
        if case .mapped(let file, _) = pages { return file }
        return nil
    }

    /// Bytes that count against the budget: pages of a snapshot are shared and can be dropped by the kernel.
    var privateByteCount: Int { snapshot == nil ? byteCount : 0 }

    /// Takes no memory until it is read again, if its pages are a snapshot's; memory of its own stays.
    func giveBackPages() {
        if case .mapped(let file, let index) = pages { file.giveBackPages(ofBlock: index) }
    }

    /// A writable copy.
    func copy() -> KVBlock {
        let copy = KVBlock(byteCount: byteCount)
        memcpy(copy.base, base, byteCount)
        return copy
    }

    /// Whether the bytes are those that were stored: compared once, at the first use.
    func verify() -> Bool {
        if let isIntact { return isIntact }
        guard case .mapped(let file, let index) = pages else { return true }
        let result = file.verify(block: index)
        isIntact = result
        return result
    }
}
