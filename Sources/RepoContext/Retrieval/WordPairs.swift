// Words of code that follow one another: `append`, `self` and `items` say less than `append(self.items` does. What
// stands around the cursor in pairs finds the pieces that do the same thing, where single names find those about the
// same things.

/// Two words in a row as one term.
func wordPair(_ first: UInt64, _ second: UInt64) -> UInt32 {
    identifierTerm((first &* 0x9E37_79B9_7F4A_7C15) ^ second)
}

/// The pairs of words around a cursor.
struct CursorPairs: Equatable {
    /// The distance in lines at which a pair counts half.
    static let halfDistance = 4.0

    /// Rising by term, each once. 1 on the cursor's line, falling with the distance in lines.
    let pairs: [(term: UInt32, strength: Double)]

    static func == (a: CursorPairs, b: CursorPairs) -> Bool {
        a.pairs.elementsEqual(b.pairs) { $0 == $1 }
    }

    /// - Parameter words: identifiers and reserved words in a row with their distance from the cursor in lines; nil for
    ///   the word that is being typed.
    init(words: [(hash: UInt64, distance: Double)?]) {
        var strengths: [UInt32: Double] = [:]
        for (first, second) in zip(words, words.dropFirst()) {
            guard let first, let second else { continue }
            let strength = CursorPairs.halfDistance / (CursorPairs.halfDistance + second.distance)
            let pair = wordPair(first.hash, second.hash)
            strengths[pair] = max(strengths[pair] ?? 0, strength)
        }
        pairs = strengths.map { (term: $0.key, strength: $0.value) }.sorted { $0.term < $1.term }
    }
}

/// What the pairs around a cursor weigh among the pieces to choose from: strength times inverse document frequency.
struct WeightedPairs {
    private let weights: [UInt32: Double]
    private let total: Double

    init(_ cursor: CursorPairs, among snippets: [Snippet]) {
        var counts = Dictionary(uniqueKeysWithValues: cursor.pairs.map { ($0.term, 0) })
        for snippet in snippets {
            for pair in snippet.pairs where counts[pair] != nil { counts[pair]! += 1 }
        }
        var weights: [UInt32: Double] = [:]
        var total = 0.0
        for pair in cursor.pairs {
            guard let count = counts[pair.term], count > 0 else { continue }
            let weight = pair.strength * inverseFrequency(Double(count), of: Double(snippets.count))
            weights[pair.term] = weight
            total += weight
        }
        (self.weights, self.total) = (weights, total)
    }

    /// Which share of the pairs' weight a piece holds.
    func share(heldBy snippet: Snippet) -> Double {
        guard total > 0 else { return 0 }
        let held = snippet.pairs.reduce(0.0) { $0 + (weights[$1] ?? 0) }
        // Long snippets hold more by chance: a snippet of 40 pairs counts as it is.
        return held / total / (0.5 + 0.5 * Double(snippet.pairs.count) / 40).squareRoot()
    }
}
