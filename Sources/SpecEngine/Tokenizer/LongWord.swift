// A long word while it is being merged: a doubly linked list of tokens over arrays, and a binary heap of
// possible merges ordered by rank, then by position. Entries of the heap are never removed early; the encoder
// skips those that no longer fit.

/// The linked list and the heap of one word. Positions are symbol indices in the word.
struct LongWord {
    private var tokens: [Int32] = []
    private var previousIndex: [Int32] = []
    private var nextIndex: [Int32] = []
    /// A min-heap of rank in the high half, position in the low half.
    private var heap: [UInt64] = []

    /// Marks the end of the list, and a token that was merged into its left neighbour.
    private static let none: Int32 = -1

    /// `word` has fewer than 2^31 symbols.
    mutating func start(_ word: [Int32]) {
        tokens.removeAll(keepingCapacity: true)
        previousIndex.removeAll(keepingCapacity: true)
        nextIndex.removeAll(keepingCapacity: true)
        heap.removeAll(keepingCapacity: true)
        for index in 0..<word.count {
            tokens.append(word[index])
            previousIndex.append(Int32(index) - 1)
            nextIndex.append(index + 1 < word.count ? Int32(index) + 1 : Self.none)
        }
    }

    func token(at position: Int) -> Int32 { tokens[position] }

    /// The right neighbour; nil at the end and for a position that was merged away.
    func next(of position: Int) -> Int? {
        let next = nextIndex[position]
        return next >= 0 ? Int(next) : nil
    }

    func previous(of position: Int) -> Int? {
        let previous = previousIndex[position]
        return previous >= 0 ? Int(previous) : nil
    }

    /// Puts `token` in the place of `left` and its right neighbour.
    mutating func merge(_ left: Int, _ right: Int, into token: Int32) {
        tokens[left] = token
        let after = nextIndex[right]
        nextIndex[left] = after
        if after >= 0 { previousIndex[Int(after)] = Int32(left) }
        nextIndex[right] = Self.none
    }

    func appendTokens(to output: inout [TokenID]) {
        var position: Int? = tokens.isEmpty ? nil : 0
        while let current = position {
            output.append(TokenID(tokens[current]))
            position = next(of: current)
        }
    }

    // MARK: The heap

    mutating func push(rank: UInt64, position: Int) {
        heap.append(rank << 32 | UInt64(position))
        heap.withUnsafeMutableBufferPointer { heap in
            var child = heap.count - 1
            while child > 0 {
                let parent = (child - 1) / 2
                if heap[parent] <= heap[child] { break }
                heap.swapAt(parent, child)
                child = parent
            }
        }
    }

    mutating func popLowestRank() -> (rank: UInt64, position: Int)? {
        guard let last = heap.popLast() else { return nil }
        guard let lowest = heap.first else { return (last >> 32, Int(last & 0xFFFF_FFFF)) }
        heap[0] = last
        heap.withUnsafeMutableBufferPointer { heap in
            var parent = 0
            while true {
                var child = 2 * parent + 1
                if child >= heap.count { break }
                if child + 1 < heap.count && heap[child + 1] < heap[child] { child += 1 }
                if heap[parent] <= heap[child] { break }
                heap.swapAt(parent, child)
                parent = child
            }
        }
        return (lowest >> 32, Int(lowest & 0xFFFF_FFFF))
    }
}
