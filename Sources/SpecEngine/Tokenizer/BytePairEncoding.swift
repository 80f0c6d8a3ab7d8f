// Byte-pair encoding: a piece of text starts as single-byte tokens, and the adjacent pair of the lowest rank merges
// until no pair has a rank. A heap over a linked list keeps it O(n log n), also for a megabyte without a space.

/// The merge table. Immutable; usable from any thread.
struct BytePairEncoding: Sendable {
    private struct Merge {
        var key: UInt64 = .max  // left id and right id; `max` marks a free slot
        var rank: Int32 = 0
        var result: Int32 = 0
    }

    /// Open addressing, a power of two, at most half full.
    private let table: [Merge]
    private let singleByteTokens: [Int32]  // [256]

    init(_ file: GGUFFile, vocabulary: Vocabulary) throws(GGUFError) {
        func malformed(_ reason: String) -> GGUFError {
            GGUFError(path: file.path, problem: .malformed(part: "the tokenizer", reason: reason))
        }
        let identities = TokenIdentities(vocabulary)
        var singles: [Int32] = []
        for byte in 0...255 {
            guard let token = identities.token(of: [UInt8(byte)][...], in: vocabulary) else {
                throw malformed("has no token for the single byte \(byte)")
            }
            singles.append(token)
        }
        let merges = try file.metadata.requiredStringArray("tokenizer.ggml.merges")
        var size = 1024
        while size < merges.count * 2 { size *= 2 }
        var table = [Merge](repeating: Merge(), count: size)
        var left: [UInt8] = []
        var both: [UInt8] = []
        for rank in 0..<merges.count {
            let spelling = merges.bytes(at: rank)
            guard let space = spelling.firstIndex(of: UInt8(ascii: " ")) else {
                throw malformed("has a merge without a space (number \(rank))")
            }
            left.removeAll(keepingCapacity: true)
            guard ByteLevelAlphabet.decode(UnsafeRawBufferPointer(rebasing: spelling[..<space]), into: &left)
            else {
                throw malformed("has a merge outside the byte-level alphabet (number \(rank))")
            }
            both.removeAll(keepingCapacity: true)
            both += left
            guard
                ByteLevelAlphabet.decode(
                    UnsafeRawBufferPointer(rebasing: spelling[(space + 1)...]), into: &both),
                let leftToken = identities.token(of: left[...], in: vocabulary),
                let rightToken = identities.token(of: both[left.count...], in: vocabulary),
                let result = identities.token(of: both[...], in: vocabulary)
            else {
                throw malformed(
                    "has a merge whose parts or result are not in the vocabulary (number \(rank))")
            }
            let key = Self.key(leftToken, rightToken)
            var slot = Self.hash(key) & (size - 1)
            while table[slot].key != .max && table[slot].key != key { slot = (slot + 1) & (size - 1) }
            if table[slot].key == .max { table[slot] = Merge(key: key, rank: Int32(rank), result: result) }
        }
        self.table = table
        singleByteTokens = singles
    }

    private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }

    private static func hash(_ key: UInt64) -> Int {
        Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> 32)
    }

    private func merge(_ left: Int32, _ right: Int32) -> Merge? {
        let key = Self.key(left, right)
        var slot = Self.hash(key) & (table.count - 1)
        while true {
            let entry = table[slot]
            if entry.key == key { return entry }
            if entry.key == .max { return nil }
            slot = (slot + 1) & (table.count - 1)
        }
    }

    /// Working memory of `encode`, reused from piece to piece.
    struct Workspace {
        fileprivate var tokens: [Int32] = []
        fileprivate var next: [Int32] = []  // linked list over positions; -1 ends it, -2 marks a removed one
        fileprivate var previous: [Int32] = []
        fileprivate var heap: [Candidate] = []
    }

    /// A pair that could merge: the order of the heap is rank, then position.
    fileprivate struct Candidate {
        var rank: Int32
        var position: Int32
        var left: Int32
        var right: Int32
        var result: Int32

        func precedes(_ other: Candidate) -> Bool {
            rank != other.rank ? rank < other.rank : position < other.position
        }
    }

    /// Appends the tokens of one piece.
    func encode(
        _ piece: UnsafeBufferPointer<UInt8>, workspace w: inout Workspace, into output: inout [TokenID]
    ) {
        if piece.count == 1 {
            output.append(TokenID(singleByteTokens[Int(piece[0])]))
            return
        }
        w.tokens.removeAll(keepingCapacity: true)
        w.next.removeAll(keepingCapacity: true)
        w.previous.removeAll(keepingCapacity: true)
        w.heap.removeAll(keepingCapacity: true)
        for (index, byte) in piece.enumerated() {
            w.tokens.append(singleByteTokens[Int(byte)])
            w.next.append(index + 1 < piece.count ? Int32(index + 1) : -1)
            w.previous.append(Int32(index - 1))
        }
        for index in 0..<piece.count - 1 { propose(Int32(index), &w) }
        while let candidate = Self.popFirst(&w.heap) { apply(candidate, &w) }
        var index: Int32 = 0
        while index >= 0 {
            output.append(TokenID(w.tokens[Int(index)]))
            index = w.next[Int(index)]
        }
    }

    /// Puts the pair that begins at `position` on the heap if it can merge.
    private func propose(_ position: Int32, _ w: inout Workspace) {
        let next = w.next[Int(position)]
        guard next >= 0 else { return }
        let (left, right) = (w.tokens[Int(position)], w.tokens[Int(next)])
        guard let merge = merge(left, right) else { return }
        Self.push(
            Candidate(rank: merge.rank, position: position, left: left, right: right, result: merge.result),
            &w.heap)
    }

    private func apply(_ candidate: Candidate, _ w: inout Workspace) {
        let position = Int(candidate.position)
        let next = w.next[position]
        // Outdated: one of the two has merged with a neighbour since.
        guard next >= 0, w.tokens[position] == candidate.left, w.tokens[Int(next)] == candidate.right else {
            return
        }
        w.tokens[position] = candidate.result
        let after = w.next[Int(next)]
        w.next[position] = after
        w.next[Int(next)] = -2
        if after >= 0 { w.previous[Int(after)] = candidate.position }
        if w.previous[position] >= 0 { propose(w.previous[position], &w) }
        propose(candidate.position, &w)
    }

    // MARK: A binary heap in an array

    private static func push(_ candidate: Candidate, _ heap: inout [Candidate]) {
        heap.append(candidate)
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard heap[child].precedes(heap[parent]) else { break }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    private static func popFirst(_ heap: inout [Candidate]) -> Candidate? {
        guard let first = heap.first, let last = heap.popLast() else { return nil }
        if heap.isEmpty { return first }
        heap[0] = last
        var parent = 0
        while true {
            var child = 2 * parent + 1
            guard child < heap.count else { break }
            if child + 1 < heap.count, heap[child + 1].precedes(heap[child]) { child += 1 }
            guard heap[child].precedes(heap[parent]) else { break }
            heap.swapAt(child, parent)
            parent = child
        }
        return first
    }
}

/// From bytes to token, for the time of loading: a hash table over the vocabulary's own bytes.
private struct TokenIdentities {
    private var slots: [Int32]

    init(_ vocabulary: Vocabulary) {
        var size = 1024
        while size < vocabulary.count * 2 { size *= 2 }
        slots = [Int32](repeating: -1, count: size)
        for index in 0..<vocabulary.count {
            let token = TokenID(Int32(index))
            if vocabulary.isControl(token) { continue }
            let bytes = vocabulary.bytes(of: token)
            var slot = Self.hash(bytes) & (size - 1)
            while slots[slot] >= 0 { slot = (slot + 1) & (size - 1) }
            slots[slot] = Int32(index)
        }
    }

    func token(of bytes: ArraySlice<UInt8>, in vocabulary: Vocabulary) -> Int32? {
        var slot = Self.hash(bytes) & (slots.count - 1)
        while slots[slot] >= 0 {
            if vocabulary.bytes(of: TokenID(slots[slot])) == bytes { return slots[slot] }
            slot = (slot + 1) & (slots.count - 1)
        }
        return nil
    }

    private static func hash(_ bytes: ArraySlice<UInt8>) -> Int {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325  // FNV-1a
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return Int(truncatingIfNeeded: hash >> 1)
    }
}
