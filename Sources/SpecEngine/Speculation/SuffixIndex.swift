// An index over a token sequence that finds earlier places which end in the same tokens: hash chains over every pair
// of tokens, newest first, as Lempel-Ziv compressors keep them. It follows a sequence that grows at its end and is cut
// back, in constant time per token.

/// Earlier occurrences of the sequence's own end.
struct SuffixIndex {
    /// A place whose preceding tokens equal the last `length` tokens of the sequence.
    struct Match: Equatable {
        /// The position of the token that followed there.
        let continuation: Int
        let length: Int
    }

    /// Tokens that every match has at least: the hash covers them.
    static let minimumLength = 2
    /// Longer matches are as good as this.
    static let maximumLength = 32
    /// Places looked at per query, newest first.
    private static let chainLimit = 64
    private static let none = Int32(-1)

    private(set) var tokens: [TokenID] = []
    private var newest: [Int32]  // [2^bits] position of the last token of the newest pair with that hash
    private var older: [Int32] = []  // [position] the next older position in the chain
    private let shift: UInt32

    /// `capacity` is the most tokens; the table has twice as many buckets, within reason.
    init(capacity: Int) {
        var bits: UInt32 = 8
        while bits < 17 && 1 << bits < 2 * capacity { bits += 1 }
        shift = 32 - bits
        newest = [Int32](repeating: Self.none, count: 1 << Int(bits))
        tokens.reserveCapacity(capacity)
        older.reserveCapacity(capacity)
    }

    /// Makes the index stand for `sequence`, at the cost of what differs from before.
    mutating func follow(_ sequence: [TokenID]) {
        truncate(to: commonPrefixLength(tokens, sequence))
        for index in tokens.count..<sequence.count { append(sequence[index]) }
    }

    mutating func append(_ token: TokenID) {
        let position = tokens.count
        tokens.append(token)
        guard position > 0 else { return older.append(Self.none) }
        let bucket = bucket(endingAt: position)
        older.append(newest[bucket])
        newest[bucket] = Int32(position)
    }

    private mutating func truncate(to count: Int) {
        while tokens.count > count {
            let position = tokens.count - 1
            // Chains are stacks: the last position is the newest of its chain.
            if position > 0 { newest[bucket(endingAt: position)] = older[position] }
            older.removeLast()
            tokens.removeLast()
        }
    }

    private func bucket(endingAt position: Int) -> Int {
        let pair =
            UInt32(bitPattern: tokens[position - 1].rawValue) &* 0x9E37_79B1
            ^ UInt32(bitPattern: tokens[position].rawValue) &* 0x85EB_CA77
        return Int((pair &* 0xC2B2_AE3D) >> shift)
    }

    /// Up to `limit` matches with different next tokens, the longest first, the newest first among equals.
    func matches(limit: Int) -> [Match] {
        guard tokens.count > Self.minimumLength else { return [] }
        let last = tokens.count - 1
        var found: [Match] = []
        var position = Int(older[last])
        var looked = 0
        while position >= 0, looked < Self.chainLimit {
            looked += 1
            let length = matchLength(endingAt: position)
            if length >= Self.minimumLength {
                insert(Match(continuation: position + 1, length: length), into: &found, limit: limit)
            }
            if length >= Self.maximumLength { break }
            position = Int(older[position])
        }
        return found
    }

    private func insert(_ match: Match, into found: inout [Match], limit: Int) {
        if let same = found.firstIndex(where: { tokens[$0.continuation] == tokens[match.continuation] }) {
            guard found[same].length < match.length else { return }
            found.remove(at: same)
        }
        let place = found.firstIndex { $0.length < match.length } ?? found.count
        guard place < limit else { return }
        found.insert(match, at: place)
        if found.count > limit { found.removeLast() }
    }

    private func matchLength(endingAt position: Int) -> Int {
        let last = tokens.count - 1
        var length = 0
        while length < Self.maximumLength, length <= position,
            tokens[position - length] == tokens[last - length]
        {
            length += 1
        }
        return length
    }
}
