// Edit similarity as the published data sets report it: the normalised indel similarity, 1 − d / (n + m), where d
// counts inserted and deleted characters. It is rapidfuzz.fuzz.ratio / 100. Characters are Unicode scalars.
// d = n + m − 2 · (longest common subsequence), and that is computed 64 characters at a time
// (Hyyrö, "Bit-parallel LCS-length computation revisited", 2004).

/// Similarity of two texts.
package enum EditSimilarity {
    /// Of longer texts the beginnings are compared.
    package static let maximumLength = 20_000

    /// 1 for equal texts (also two empty ones), 0 for texts without a common character.
    package static func ratio(_ a: String, _ b: String) -> Double {
        let a = Array(a.unicodeScalars.prefix(maximumLength))
        let b = Array(b.unicodeScalars.prefix(maximumLength))
        guard !a.isEmpty || !b.isEmpty else { return 1 }
        return 2 * Double(commonSubsequenceLength(a, b)) / Double(a.count + b.count)
    }

    /// Length of the longest common subsequence.
    static func commonSubsequenceLength(_ a: [Unicode.Scalar], _ b: [Unicode.Scalar]) -> Int {
        guard !a.isEmpty, !b.isEmpty else { return 0 }
        let wordCount = (a.count + 63) / 64
        var masks: [Unicode.Scalar: [UInt64]] = [:]
        for (place, scalar) in a.enumerated() {
            masks[scalar, default: [UInt64](repeating: 0, count: wordCount)][place / 64] |=
                1 << UInt64(place % 64)
        }
        var state = [UInt64](repeating: .max, count: wordCount)
        for scalar in b {
            guard let mask = masks[scalar] else { continue }
            var carry: UInt64 = 0
            for word in 0..<wordCount {
                let matched = state[word] & mask[word]
                let (first, overflowed) = state[word].addingReportingOverflow(matched)
                let (sum, overflowedAgain) = first.addingReportingOverflow(carry)
                state[word] = sum | (state[word] & ~mask[word])
                carry = overflowed || overflowedAgain ? 1 : 0
            }
        }
        var length = 0
        for place in 0..<a.count where state[place / 64] & (1 << UInt64(place % 64)) == 0 { length += 1 }
        return length
    }
}
