// Finds control and user-defined tokens that are spelled out in a text. The leftmost match counts, and the
// longest one at that place. Used only where a caller asks for it: text from files must not be able to forge
// structure.

/// The literal texts of special tokens, sorted, so that a match is a narrowing search. Immutable.
struct SpecialTokenMatcher: Sendable {
    /// Longer tokens are not recognised in text. Published ones have fewer than 40 bytes.
    static let maximumByteCount = 256

    private struct Entry {
        let text: [UInt8]
        let token: TokenID
    }

    /// In lexicographic order of the bytes, each text once.
    private let entries: [Entry]
    /// Which bytes begin a special token: most positions of a text end the search right here.
    private let isFirstByte: [Bool]

    init(_ vocabulary: Vocabulary) {
        var entries: [Entry] = []
        for index in 0..<vocabulary.count {
            let token = TokenID(Int32(index))
            switch vocabulary.kind(of: token) {
            case .control, .userDefined:
                let text = Array(vocabulary.bytes(of: token))
                if !text.isEmpty && text.count <= Self.maximumByteCount {
                    entries.append(Entry(text: text, token: token))
                }
            case .normal, .unknown, .unused, .byte:
                break
            }
        }
        entries.sort { a, b in
            a.text == b.text ? a.token < b.token : a.text.lexicographicallyPrecedes(b.text)
        }
        var unique: [Entry] = []
        for entry in entries where unique.last?.text != entry.text { unique.append(entry) }
        var isFirstByte = [Bool](repeating: false, count: 256)
        for entry in unique { isFirstByte[Int(entry.text[0])] = true }
        self.entries = unique
        self.isFirstByte = isFirstByte
    }

    /// The special token of exactly this name.
    func token(named name: String) -> TokenID? {
        var name = name
        return name.withUTF8 { bytes in
            guard let match = longestMatch(in: bytes, at: 0), match.end == bytes.count else { return nil }
            return match.token
        }
    }

    /// The first special token at or after `start`.
    func firstMatch(
        in text: UnsafeBufferPointer<UInt8>, from start: Int
    ) -> (range: Range<Int>, token: TokenID)? {
        for index in start..<text.count where isFirstByte[Int(text[index])] {
            if let match = longestMatch(in: text, at: index) { return (index..<match.end, match.token) }
        }
        return nil
    }

    private func longestMatch(
        in text: UnsafeBufferPointer<UInt8>, at start: Int
    ) -> (end: Int, token: TokenID)? {
        // The entries that agree with the text so far are a range, which each byte narrows.
        var candidates = 0..<entries.count
        var longest: (end: Int, token: TokenID)?
        var index = start
        while index < text.count {
            let depth = index - start
            let byte = text[index]
            let low = firstIndex(in: candidates) { $0.count > depth && $0[depth] >= byte }
            let high = firstIndex(in: low..<candidates.upperBound) { $0[depth] > byte }
            if low == high { break }
            candidates = low..<high
            index += 1
            // An entry that ends here is shorter than the others that begin with it, and so comes first.
            if entries[low].text.count == depth + 1 { longest = (index, entries[low].token) }
        }
        return longest
    }

    /// The first index in `range` whose text fulfils `condition`, which must hold for all after it.
    private func firstIndex(in range: Range<Int>, where condition: ([UInt8]) -> Bool) -> Int {
        var low = range.lowerBound
        var high = range.upperBound
        while low < high {
            let middle = low + (high - low) / 2
            if condition(entries[middle].text) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
