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

    /// Where in `pairs` those of the terms stand that are there. Both rise, so one walk finds them.
    private func places(of terms: [UInt32]) -> [Int] {
        var found: [Int] = []
        var place = 0
        for term in terms {
            while place < pairs.count, pairs[place].term < term { place += 1 }
            guard place < pairs.count else { break }
            if pairs[place].term == term { found.append(place) }
        }
        return found
    }

    /// Which share of the pairs' weight each of the pieces to choose from holds, in their order. A pair weighs its
    /// strength times its inverse document frequency among the pieces.
    func shares(of snippets: [Snippet]) -> [Double] {
        let held = snippets.map { places(of: $0.pairs) }
        var counts = [Int](repeating: 0, count: pairs.count)
        for place in held.joined() { counts[place] += 1 }
        let weights = zip(pairs, counts).map { pair, count in
            count == 0 ? 0 : pair.strength * inverseFrequency(Double(count), of: Double(snippets.count))
        }
        let total = weights.reduce(0, +)
        return zip(snippets, held).map { snippet, places in
            guard total > 0 else { return 0 }
            let weight = places.reduce(0.0) { $0 + weights[$1] }
            // Long snippets hold more by chance: a snippet of 40 pairs counts as it is.
            return weight / total / (0.5 + 0.5 * Double(snippet.pairs.count) / 40).squareRoot()
        }
    }
}
