// The draft's own keys and values: a ring of blocks that covers its sliding window, whatever the context's length.
// A row depends on its token and position alone (its input is the embedding), so a slot is valid exactly when it
// stands for the same token at the same position; nothing has to be invalidated after an edit or a rollback.

import CSpecKernels

/// Keys and values of the last positions of a sequence. Engine thread only.
final class DraftRing {
    private static let blockPositions = Int(SPEC_CHUNK)
    /// Keys that a query sees, its own included.
    let window: Int
    private let blockCount: Int
    private let memory: AlignedBuffer
    private let blockByteCount: Int
    private var slotTokens: [TokenID?]
    private var slotPositions: [Int]
    /// Addresses of consecutive blocks as the kernels read them, from the block of `tableStart` on.
    private let table: UnsafeMutablePointer<UnsafeMutablePointer<UInt8>>

    init(window: Int, kvHeadCount: Int, headDimension: Int) {
        self.window = window
        // The window can begin inside one block and end inside another.
        blockCount = (window + Self.blockPositions - 1) / Self.blockPositions + 2
        blockByteCount = spec_kv_chunk_bytes(Int32(headDimension)) * kvHeadCount
        memory = AlignedBuffer(byteCount: blockCount * blockByteCount)
        slotTokens = [TokenID?](repeating: nil, count: blockCount * Self.blockPositions)
        slotPositions = [Int](repeating: 0, count: blockCount * Self.blockPositions)
        table = .allocate(capacity: blockCount)
    }

    deinit { table.deallocate() }

    /// Bytes of keys, values and slot labels: a constant of the window.
    var byteCount: Int { memory.byteCount + slotTokens.count * 16 }

    /// The first position that a query at `position` sees.
    func windowStart(of position: Int) -> Int { max(0, position + 1 - window) }

    /// Blocks for queries at `position` and a little behind: the table, and the position that its first block stands
    /// for. Positions passed to kernels with this table are relative to it.
    func blocks(
        forWindowOf position: Int
    ) -> (table: UnsafeMutablePointer<UnsafeMutablePointer<UInt8>>, start: Int) {
        let first = windowStart(of: position) / Self.blockPositions
        for index in 0..<blockCount {
            table[index] = memory.pointer(
                to: UInt8.self, atByte: (first + index) % blockCount * blockByteCount)
        }
        return (table, first * Self.blockPositions)
    }

    /// The first position in `range` whose slot does not hold that token there.
    func firstMissing(in range: Range<Int>, token: (Int) -> TokenID) -> Int? {
        range.first { position in
            let slot = position % slotTokens.count
            return slotPositions[slot] != position || slotTokens[slot] != token(position)
        }
    }

    /// Records what the slot of `position` holds; nil while it is being written.
    func label(_ position: Int, _ token: TokenID?) {
        let slot = position % slotTokens.count
        slotPositions[slot] = position
        slotTokens[slot] = token
    }

    /// Forgets everything, for tests.
    func invalidate() {
        for slot in slotTokens.indices { slotTokens[slot] = nil }
    }
}
