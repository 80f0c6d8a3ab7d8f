// Ranks files for a cursor. It gathers the few hundred candidates that some signal names and adds up their scores;
// SnippetSelector then takes pieces of the best. All signals read the index, none reads a file.

import Glibc

/// A candidate with its score.
package struct RankedFile: Sendable {
    /// Place in the snapshot's `files`.
    package var index: Int
    package var path: RelativePath
    package var score: ContextScore
}

/// Ranks files.
struct ContextSelector {
    /// Candidates taken from one signal, so that a folder of thousands costs no more than one of sixty.
    static let maximumCandidateCountPerSignal = 64
    /// Text of the current file that is scanned for imports and its own definitions.
    static let maximumScannedByteCount = 256 << 10
    /// A name that more files define tells them apart too little.
    static let maximumDefinerCount = 8
    /// BM25's usual constants: how soon repetition stops to count, how much a long file is held back.
    static let repetition = 1.2
    static let lengthShare = 0.75

    let snapshot: RepositorySnapshot
    let paths: PathIndex
    let index: RepositoryIndex
    let history: ChangeHistory
    var signals = Set(ContextSignal.allCases)
    var weights = ContextWeights.standard

    /// The current file as far as ranking needs it.
    struct Subject {
        var path: RelativePath
        var language: SourceLanguage
        var imports: [ImportReference]
        var names: CursorNames
        var openPaths: [RelativePath]
        var recentPaths: [RelativePath]
        /// Places edited in this session, by file.
        var editedLines: [RelativePath: [Int]] = [:]

        init(
            path: RelativePath, text: [UInt8], cursor: Int, openPaths: [RelativePath],
            recentPaths: [RelativePath]
        ) {
            let language = SourceLanguage(path: path) ?? .other
            let head = text.count > maximumScannedByteCount ? Array(text[..<maximumScannedByteCount]) : text
            let tokens = SourceLexer.tokens(head, language: language)
            let own = DefinitionScanner.definitions(in: tokens, language: language)
            self.path = path
            self.language = language
            imports = ImportScanner.references(in: head, tokens: tokens, language: language)
            names = CursorNames(text: text, cursor: cursor, language: language, own: Set(own.map(\.name)))
            self.openPaths = openPaths
            self.recentPaths = recentPaths
        }
    }

    /// Candidates by falling total score, and what the query's names weigh in this repository.
    func ranked(_ subject: Subject) -> (files: [RankedFile], query: WeightedQuery) {
        var scores: [Int: ContextScore] = [:]
        addSteady(subject, to: &scores)
        let query = addCursor(subject, to: &scores)
        for place in scores.keys {
            let file = snapshot.files[place]
            // These say too little to make a candidate of a file on their own.
            if signals.contains(.recent), file.change != .unchanged {
                scores[place]?.add(.recent, weights.modifiedFile)
            }
            if signals.contains(.history) {
                scores[place]?.add(.history, weights.recentCommit * history.recency(of: file.path))
            }
            if SourceLanguage(path: file.path) != subject.language {
                scores[place]?.penalty = weights.otherLanguage
            }
        }
        let files = scores.compactMap { candidate($0.key, $0.value, subject) }
            .sorted { ($1.score.total, $0.path) < ($0.score.total, $1.path) }
        return (files, query)
    }

    private func candidate(_ place: Int, _ score: ContextScore, _ subject: Subject) -> RankedFile? {
        let path = snapshot.files[place].path
        guard score.total > 0, path != subject.path, SourceLanguage(path: path) != nil,
            !SecretPolicy.isDenied(path: path), !(index.entry(path)?.isUnhelpful ?? false)
        else { return nil }
        return RankedFile(index: place, path: path, score: score)
    }

    // MARK: Signals that do not move with the cursor

    private func addSteady(_ subject: Subject, to scores: inout [Int: ContextScore]) {
        func add(_ places: some Sequence<Int>, _ signal: ContextSignal, _ points: Double) {
            guard signals.contains(signal) else { return }
            for place in places.prefix(ContextSelector.maximumCandidateCountPerSignal) {
                scores[place, default: ContextScore()].add(signal, points)
            }
        }
        let imports = imported(subject)
        add(imports.files, .imports, weights.importedFile)
        add(imports.folderMembers, .imports, weights.importedFolderMember)
        add(paths.siblings(of: subject.path), .sibling, weights.sibling)
        add(paths.files(inFolder: String(subject.path.folder)), .sameFolder, weights.sameFolder)
        add(subject.openPaths.compactMap(snapshot.index(of:)), .recent, weights.openFile)
        for (age, path) in subject.recentPaths.enumerated() {
            let freshness = 1 - Double(age) / Double(ContextQuery.maximumRecentPathCount)
            add([path].compactMap(snapshot.index(of:)), .recent, weights.recentFile * freshness)
        }
        let companions = history.companions(of: subject.path).sorted {
            ($1.value, $0.key) < ($0.value, $1.key)
        }
        for (path, share) in companions.prefix(ContextSelector.maximumCandidateCountPerSignal) {
            add([path].compactMap(snapshot.index(of:)), .history, weights.companion * min(1, share))
        }
    }

    /// The files that the current file imports, and those that a package's front file hands on from its parts.
    private func imported(_ subject: Subject) -> ResolvedImports {
        guard signals.contains(.imports) else { return ResolvedImports() }
        var resolved = ImportResolver(paths: paths, currentPath: subject.path, language: subject.language)
            .resolve(subject.imports)
        for place in resolved.files {
            let path = paths.path(at: place)
            guard ["__init__", "index", "mod", "lib"].contains(path.stem),
                let references = index.entry(path)?.imports, !references.isEmpty
            else { continue }
            let handedOn = ImportResolver(paths: paths, currentPath: path, language: subject.language)
                .resolve(references)
            resolved.folderMembers += handedOn.files.filter {
                paths.path(at: $0) != subject.path && !resolved.files.contains($0)
            }
        }
        return resolved
    }

    // MARK: Signals that move with the cursor

    private func addCursor(_ subject: Subject, to scores: inout [Int: ContextScore]) -> WeightedQuery {
        let names = subject.names.names
        let hits = index.hits(of: names.map(\.term))
        var fileCounts = [Int](repeating: 0, count: names.count)
        var definerCounts = [Int](repeating: 0, count: names.count)
        for hit in hits {
            fileCounts[hit.term] += 1
            let isDefiner = hit.weight & FileRecord.definingBit != 0
            if isDefiner, let path = path(hit), path != subject.path,
                SourceLanguage(path: path) == subject.language
            {
                definerCounts[hit.term] += 1
            }
        }
        let query = WeightedQuery(
            names: names, fileCounts: fileCounts, definerCounts: definerCounts, fileCount: index.fileCount)
        // By slot: hits are in most files, and a table of numbers is looked at faster than a dictionary.
        var lexical = [Double](repeating: 0, count: index.spans.count)
        var defining: [Int: Double] = [:]
        let meanLength = index.meanIdentifierCount
        for hit in hits {
            let length = Double(index.spans[hit.slot].identifierCount)
            let count = Double(hit.weight & ~FileRecord.definingBit)
            let held =
                1 - ContextSelector.lengthShare + ContextSelector.lengthShare * length / max(1, meanLength)
            lexical[hit.slot] +=
                query.lexicalWeights[hit.term] * count * (1 + ContextSelector.repetition)
                / (count + ContextSelector.repetition * held)
            if hit.weight & FileRecord.definingBit != 0 {
                defining[hit.slot, default: 0] += query.definitionWeights[hit.term]
            }
        }
        if signals.contains(.lexical) { addLexical(lexical, subject, to: &scores) }
        if signals.contains(.definitions) { addDefinitions(defining, subject, to: &scores) }
        if signals.contains(.path) {
            for place in scores.keys {
                let nearness = self.nearness(snapshot.files[place].path, to: subject.path)
                scores[place]?.add(.path, weights.path * nearness)
            }
        }
        return query
    }

    private func path(_ hit: RepositoryIndex.Hit) -> RelativePath? { index.slots[hit.slot]?.path }

    private func addLexical(
        _ bySlot: [Double], _ subject: Subject, to scores: inout [Int: ContextScore]
    ) {
        // One more than are taken, because the current file may be among them.
        let limit = ContextSelector.maximumCandidateCountPerSignal
        let least = ContextSelector.greatest(limit + 1, of: bySlot)
        let others = bySlot.indices.compactMap { slot -> (path: RelativePath, value: Double)? in
            guard bySlot[slot] > 0, bySlot[slot] >= least, let path = index.slots[slot]?.path,
                path != subject.path
            else { return nil }
            return (path, bySlot[slot])
        }
        let best = others.sorted { ($1.value, $0.path) < ($0.value, $1.path) }.prefix(limit)
        guard let highest = best.first?.value, highest > 0 else { return }
        for (path, value) in best {
            guard let place = snapshot.index(of: path) else { continue }
            scores[place, default: ContextScore()].addCursor(.lexical, weights.lexicalFile * value / highest)
        }
    }

    /// The `rank`-th greatest of the values, from 1; 0 where there are fewer. None is below 0.
    static func greatest(_ rank: Int, of values: [Double]) -> Double {
        // Rising; nearly all values are below the first and looked at once.
        var top = [Double](repeating: 0, count: rank)
        for value in values where value > top[0] {
            let place = top.firstIndex { $0 >= value } ?? top.count
            top[0..<(place - 1)] = top[1..<place]
            top[place - 1] = value
        }
        return top[0]
    }

    private func addDefinitions(
        _ bySlot: [Int: Double], _ subject: Subject, to scores: inout [Int: ContextScore]
    ) {
        for (slot, value) in bySlot where value > 0 {
            guard let path = index.slots[slot]?.path, path != subject.path,
                SourceLanguage(path: path) == subject.language, let place = snapshot.index(of: path)
            else { continue }
            let points = min(weights.maximumDefinitions, weights.definition * value)
            scores[place, default: ContextScore()].addCursor(.definitions, points)
        }
    }

    /// 1 for the same folder, less for each step to a common one, 0 where only the root is common.
    private func nearness(_ path: RelativePath, to other: RelativePath) -> Double {
        let shared = PathIndex.sharedFolderCount(path.folder, other.folder)
        let depth = max(path.folder.utf8.count { $0 == 0x2F }, other.folder.utf8.count { $0 == 0x2F }) + 1
        return Double(shared) / Double(depth)
    }
}

/// The names near the cursor with what they weigh in this repository.
struct WeightedQuery {
    /// Names in the order of `CursorNames`.
    let terms: [UInt32]
    /// For similarity: strength times inverse document frequency; 0 for names that no other file holds.
    let lexicalWeights: [Double]
    /// For definitions: strength by the number of definers; 0 for the current file's own names.
    let definitionWeights: [Double]
    /// Sum of `lexicalWeights`.
    let total: Double
    private let places: [UInt32: Int]

    init(names: [UsedName], fileCounts: [Int], definerCounts: [Int], fileCount: Int) {
        terms = names.map(\.term)
        lexicalWeights = names.indices.map { place in
            let held = Double(fileCounts[place])
            guard held > 0 else { return 0 }
            return names[place].strength
                * inverseFrequency(held, of: Double(max(fileCount, fileCounts[place])))
        }
        definitionWeights = names.indices.map { place in
            let count = definerCounts[place]
            guard count > 0, count <= ContextSelector.maximumDefinerCount, !names[place].isOwn else {
                return 0
            }
            return names[place].strength / Double(count)
        }
        total = lexicalWeights.reduce(0, +)
        places = Dictionary(zip(terms, terms.indices), uniquingKeysWith: { first, _ in first })
    }

    /// Place of a term among the names.
    func place(of term: UInt32) -> Int? { places[term] }
}

/// BM25's inverse document frequency.
func inverseFrequency(_ held: Double, of all: Double) -> Double {
    log1p((all - held + 0.5) / (held + 0.5))
}
