// Chooses pieces of the ranked files for a budget. Each snippet's score is a share of its file's and what the cursor
// says about the snippet itself; the best are taken until the budget is used, then put together file by file. What
// was shown for the last query is kept as long as it is nearly as good as a new choice, and what is new goes behind
// it, so that the prompt's tokens stay the same for as long as possible.

/// A piece of a file in a prompt.
package struct SelectedSnippet: Sendable, Equatable {
    /// Lines shown, 0-based.
    package var lines: Range<Int>
    /// Where only the signature of a longer definition is shown.
    package var isSignature: Bool
    package var score: Double
}

/// Pieces of one file that stand together in a prompt.
package struct SelectedFile: Sendable, Equatable {
    package var path: RelativePath
    package var score: ContextScore
    /// In the order of the lines.
    package var snippets: [SelectedSnippet]
    /// 0 is the most valuable.
    package var rank: Int
    /// What is shown.
    var text: [UInt8]
    /// `identifierHash` of the whole text that it was cut from.
    var source: UInt64
    /// The git blob id of that text; nil where it could not be computed.
    package var blobID: String?

    /// Score of its snippets together.
    package var value: Double { snippets.reduce(0) { $0 + $1.score } }

    /// The lines shown, adjacent ones joined, where only the first `lineCount` of them found room.
    package func lineRanges(lineCount: Int) -> [Range<Int>] {
        var left = lineCount
        var ranges: [Range<Int>] = []
        for snippet in snippets where left > 0 {
            let lines = snippet.lines.prefix(left)
            left -= lines.count
            if let last = ranges.last, last.upperBound == lines.lowerBound {
                ranges[ranges.count - 1] = last.lowerBound..<lines.upperBound
            } else {
                ranges.append(lines.lowerBound..<lines.upperBound)
            }
        }
        return ranges
    }
}

/// Chooses snippets.
struct SnippetSelector {
    /// Files whose snippets are looked at.
    static let maximumFileCount = 16
    /// Files in one prompt at most.
    static let maximumShownFileCount = 12
    /// What was shown is kept while it scores at least this share of a new choice.
    static let keptShare = 0.7
    /// How much more a snippet counts that was shown last time.
    static let keptBonus = 1.25
    /// A definition that is wanted for its name alone is shown by its signature when it has more lines than this.
    static let signatureOnlyLineCount = 24
    /// No room for less: a line or two without what is around them help nobody.
    static let minimumByteCount = 80

    var weights = ContextWeights.standard
    let query: WeightedQuery
    let cursorPairs: CursorPairs
    var signals: Set<ContextSignal>

    /// A snippet of a candidate.
    private struct Candidate {
        var file: Int
        var snippet: Snippet
        var score: Double
        var isSignature: Bool
        var bytes: Range<Int> { isSignature ? snippet.signature : snippet.bytes }
        var lines: Range<Int> { isSignature ? snippet.signatureLines : snippet.lines }
    }

    /// A ranked file and its text.
    struct Source {
        var file: RankedFile
        var outline: SnippetOutline
        var hash: UInt64
        var blobID: String?
        var editedLines: [Int]
    }

    /// The choice for a budget, in the order of the prompt.
    func selection(from sources: [Source], byteCount: Int, previous: [SelectedFile]) -> [SelectedFile] {
        let all = candidates(of: sources)
        let fresh = chosen(all, sources: sources, byteCount: byteCount)
        let order = Dictionary(
            sources.enumerated().map { ($1.file.path, $0) }, uniquingKeysWith: { first, _ in first })
        guard var kept = rescored(previous, candidates: all, sources: sources, order: order) else {
            return assembled(fresh, sources: sources)
        }
        let best = fresh.reduce(0) { $0 + $1.score }
        var used = kept.reduce(0) { $0 + $1.text.count }
        if used <= byteCount {
            var value = kept.reduce(0) { $0 + $1.value }
            if value >= best * SnippetSelector.keptShare { return ranked(kept) }
            // Append what is missing most, as long as there is room.
            let shown = Set(
                kept.flatMap { file in file.snippets.map { Shown(file.path, $0.lines.lowerBound) } })
            var added: [Candidate] = []
            for candidate in fresh.sorted(by: { $0.score > $1.score }) {
                let path = sources[candidate.file].file.path
                guard !shown.contains(Shown(path, candidate.lines.lowerBound)),
                    used + candidate.bytes.count <= byteCount
                else { continue }
                added.append(candidate)
                used += candidate.bytes.count
                value += candidate.score
            }
            if value >= best * SnippetSelector.keptShare {
                kept += assembled(added, sources: sources)
                return ranked(kept)
            }
        }
        return rebuilt(kept, candidates: all, sources: sources, byteCount: byteCount, order: order)
    }

    private struct Shown: Hashable {
        let path: RelativePath
        let line: Int
        init(_ path: RelativePath, _ line: Int) { (self.path, self.line) = (path, line) }
    }

    // MARK: Scores

    private func candidates(of sources: [Source]) -> [Candidate] {
        let pairs = signals.contains(.lexical) ? cursorPairs : CursorPairs(words: [])
        let pairShares = pairs.shares(of: sources.flatMap(\.outline.snippets))
        var all: [Candidate] = []
        var firstSnippet = 0
        for (file, source) in sources.enumerated() {
            all += candidates(of: source, at: file, pairShares: pairShares[firstSnippet...])
            firstSnippet += source.outline.snippets.count
        }
        return all
    }

    /// - Parameter pairShares: begins with those of the source's snippets.
    private func candidates(of source: Source, at file: Int, pairShares: ArraySlice<Double>) -> [Candidate] {
        let base = max(0, source.file.score.total) * weights.snippetFile
        return zip(source.outline.snippets, pairShares).compactMap { snippet, pairShare in
            let (lexical, definitions) = match(snippet)
            var score = base
            if signals.contains(.lexical) {
                score += weights.snippetLexical * lexical + weights.snippetPairs * pairShare
            }
            if signals.contains(.definitions) {
                score += min(weights.maximumSnippetDefinitions, weights.snippetDefinition * definitions)
            }
            if signals.contains(.recent), source.editedLines.contains(where: snippet.lines.contains) {
                score += weights.snippetEdited
            }
            guard score > 0 else { return nil }
            let isSignature =
                definitions > 0 && lexical < 0.1 && !snippet.signature.isEmpty
                && snippet.lines.count > SnippetSelector.signatureOnlyLineCount
            return Candidate(file: file, snippet: snippet, score: score, isSignature: isSignature)
        }
    }

    /// Which share of the query's weight the snippet holds, and how many of the names in use it defines.
    private func match(_ snippet: Snippet) -> (lexical: Double, definitions: Double) {
        var lexical = 0.0
        var definitions = 0.0
        for term in snippet.terms {
            if let place = query.place(of: term) { lexical += query.lexicalWeights[place] }
        }
        for term in snippet.defined {
            if let place = query.place(of: term) { definitions += query.definitionWeights[place] }
        }
        // Long snippets hold more by chance: a snippet of 30 names counts as it is.
        let held = 0.5 + 0.5 * Double(snippet.terms.count) / 30
        return (query.total > 0 ? lexical / query.total / held.squareRoot() : 0, definitions)
    }

    // MARK: Choosing

    private func chosen(
        _ candidates: [Candidate], sources: [Source], byteCount: Int,
        bonus: (Candidate) -> Double = { _ in 1 }
    ) -> [Candidate] {
        let order = candidates.map { (candidate: $0, value: $0.score * bonus($0)) }.sorted { a, b in
            if a.value != b.value { return a.value > b.value }
            return (a.candidate.file, a.candidate.lines.lowerBound) < (
                b.candidate.file, b.candidate.lines.lowerBound
            )
        }
        var left = byteCount
        var chosen: [Candidate] = []
        var files = Set<Int>()
        var texts = Set<UInt64>()
        for (candidate, _) in order {
            guard left >= SnippetSelector.minimumByteCount else { break }
            guard files.contains(candidate.file) || files.count < SnippetSelector.maximumShownFileCount else {
                continue
            }
            var candidate = candidate
            if candidate.bytes.count > left, !candidate.snippet.signature.isEmpty {
                candidate.isSignature = true
            }
            let bytes = candidate.bytes
            guard bytes.count <= left, bytes.count > 1,
                texts.insert(identifierHash(sources[candidate.file].outline.text[bytes])).inserted
            else { continue }
            chosen.append(candidate)
            files.insert(candidate.file)
            left -= bytes.count
        }
        return chosen
    }

    /// The same choice with what was shown preferred, and in its old order first.
    private func rebuilt(
        _ kept: [SelectedFile], candidates: [Candidate], sources: [Source], byteCount: Int,
        order: [RelativePath: Int]
    ) -> [SelectedFile] {
        let shown = Set(kept.flatMap { file in file.snippets.map { Shown(file.path, $0.lines.lowerBound) } })
        let isShown = { (candidate: Candidate) in
            shown.contains(Shown(sources[candidate.file].file.path, candidate.snippet.lines.lowerBound))
        }
        let all = chosen(candidates, sources: sources, byteCount: byteCount) {
            isShown($0) ? SnippetSelector.keptBonus : 1
        }
        let surviving = Dictionary(grouping: all.filter(isShown), by: \.file)
        var result: [SelectedFile] = []
        var done = Set<Int>()
        for file in kept {
            guard let place = order[file.path], done.insert(place).inserted, let pieces = surviving[place]
            else {
                continue
            }
            result += assembled(pieces, sources: sources)
        }
        return ranked(result + assembled(all.filter { !isShown($0) }, sources: sources))
    }

    /// What was shown and still stands in its files, with its scores for this query; nil when nothing is left. A file
    /// that has changed elsewhere keeps its place, and one whose shown text has changed makes room for the next.
    private func rescored(
        _ previous: [SelectedFile], candidates: [Candidate], sources: [Source], order: [RelativePath: Int]
    ) -> [SelectedFile]? {
        var byPlace: [Shown: Double] = [:]
        for candidate in candidates {
            byPlace[Shown(sources[candidate.file].file.path, candidate.snippet.lines.lowerBound)] =
                candidate.score
        }
        let result = previous.compactMap { file -> SelectedFile? in
            guard let place = order[file.path], var file = found(file, in: sources[place]) else { return nil }
            file.score = sources[place].file.score
            for piece in file.snippets.indices {
                let key = Shown(file.path, file.snippets[piece].lines.lowerBound)
                file.snippets[piece].score = byPlace[key] ?? 0
            }
            return file
        }
        return result.isEmpty ? nil : result
    }

    /// A shown file as it stands in its text now; nil where some of what is shown is no longer there.
    private func found(_ file: SelectedFile, in source: Source) -> SelectedFile? {
        if source.hash == file.source { return file }
        guard let pieces = source.outline.pieces(of: file.text) else { return nil }
        var file = file
        file.snippets = pieces.map { SelectedSnippet(lines: $0.lines, isSignature: $0.isSignature, score: 0) }
        (file.source, file.blobID) = (source.hash, source.blobID)
        return file
    }

    // MARK: Putting together

    /// Pieces joined file by file, the most valuable file last, nearest to the current file.
    private func assembled(_ chosen: [Candidate], sources: [Source]) -> [SelectedFile] {
        let files = Dictionary(grouping: chosen, by: \.file).map { file, pieces in
            let source = sources[file]
            let pieces = pieces.sorted { $0.lines.lowerBound < $1.lines.lowerBound }
            return SelectedFile(
                path: source.file.path, score: source.file.score,
                snippets: pieces.map {
                    SelectedSnippet(lines: $0.lines, isSignature: $0.isSignature, score: $0.score)
                },
                rank: 0, text: pieces.flatMap { source.outline.text[$0.bytes] }, source: source.hash,
                blobID: source.blobID)
        }
        let best = { (file: SelectedFile) in file.snippets.map(\.score).max() ?? 0 }
        return ranked(files.sorted { (best($0), $1.path) < (best($1), $0.path) })
    }

    private func ranked(_ files: [SelectedFile]) -> [SelectedFile] {
        var files = files
        let order = files.indices.sorted { (files[$1].value, $0) < (files[$0].value, $1) }
        for (rank, place) in order.enumerated() { files[place].rank = rank }
        return files
    }
}
