// Chooses files for a cursor. Ranking gathers the few hundred candidates that some signal names and scores
// them; choosing divides a byte budget among them in two zones, so that what the cursor brings in stands at
// the end of the context and never moves what stands before it.
//
// Zone 1, up to 60 %: by the steady score alone. It changes when the snapshot, the imports or the user's
// trail change, not while a line is typed. Zone 2, the rest: files that define names used near the cursor,
// then the next steady candidates as filling. In the prompt: zone 1 with the least relevant first (by tier,
// then by path), then the filling in the same order, then the files that the cursor brought in, by path. The
// most relevant text is so nearest to the current file, and a new name costs the tokens of zone 2 at most.

/// A candidate with its score.
package struct RankedFile: Sendable {
    /// Place in the snapshot's `files`.
    package var index: Int
    package var path: RelativePath
    package var score: ContextScore
}

/// A file with its place and share in the prompt.
package struct SelectedFile: Sendable, Equatable {
    package var path: RelativePath
    package var score: ContextScore
    /// Bytes of text it may take.
    package var byteCount: Int
    /// 0 is the most valuable.
    package var rank: Int
}

/// Ranks and chooses.
package struct ContextSelector {
    /// Candidates taken from one signal, so that a folder of thousands costs no more than one of sixty.
    static let maximumCandidateCountPerSignal = 64
    /// Text of the current file that is scanned for imports and its own definitions.
    static let maximumScannedByteCount = 256 << 10
    /// Share of the budget for zone 1, in percent.
    static let steadySharePercent = 60
    /// A file with less room than this is not started: a few lines without their context help nobody.
    static let minimumShareByteCount = 240
    /// Files in a prompt at most.
    static let maximumFileCount = 12

    let snapshot: RepositorySnapshot
    let paths: PathIndex
    let index: RepositoryIndex
    let history: ChangeHistory
    /// Signals that count for nothing: for measuring what each is worth.
    var disabledSignals: Set<ContextSignal> = []

    /// The current file as far as ranking needs it.
    struct Subject {
        var path: RelativePath
        var language: SourceLanguage
        var imports: [ImportReference]
        var names: CursorNames
        var openPaths: [RelativePath]
        var recentPaths: [RelativePath]

        init(
            path: RelativePath, text: [UInt8], cursor: Int, openPaths: [RelativePath],
            recentPaths: [RelativePath]
        ) {
            let language = SourceLanguage(path: path) ?? .other
            let head = text.count > maximumScannedByteCount ? Array(text[..<maximumScannedByteCount]) : text
            let own = DefinitionScanner.definitions(in: head, language: language)
            self.path = path
            self.language = language
            imports = ImportScanner.references(
                in: head, tokens: SourceLexer.tokens(head, language: language), language: language
            )
            names = CursorNames(text: text, cursor: cursor, language: language, own: Set(own.map(\.name)))
            self.openPaths = openPaths
            self.recentPaths = recentPaths
        }
    }

    // MARK: Ranking

    /// Candidates by falling total score; ties by path.
    func ranked(_ subject: Subject) -> [RankedFile] {
        var scores: [Int: ContextScore] = [:]
        func add(_ indices: some Sequence<Int>, _ signal: ContextSignal, strength: Double = 1) {
            if disabledSignals.contains(signal) { return }
            for index in indices.prefix(ContextSelector.maximumCandidateCountPerSignal) {
                scores[index, default: ContextScore()].add(signal, strength: strength)
            }
        }
        let resolver = ImportResolver(paths: paths, currentPath: subject.path, language: subject.language)
        let imports = resolver.resolve(subject.imports)
        add(imports.files, .importedFile)
        add(imports.folderMembers, .importedFolder)
        add(paths.siblings(of: subject.path), .sibling)
        add(paths.files(inFolder: String(subject.path.folder)), .sameFolder)
        add(subject.openPaths.compactMap(snapshot.index(of:)), .open)
        for (place, path) in subject.recentPaths.enumerated() {
            let strength = 1 - Double(place) / Double(ContextQuery.maximumRecentPathCount)
            add([path].compactMap(snapshot.index(of:)), .recent, strength: strength)
        }
        let companions = history.companions(of: subject.path).sorted {
            ($1.value, $0.key) < ($0.value, $1.key)
        }
        for (path, share) in companions.prefix(ContextSelector.maximumCandidateCountPerSignal) {
            add([path].compactMap(snapshot.index(of:)), .companion, strength: min(1, share))
        }
        // These say too little to make a candidate of a file on their own, or to lift one into zone 1 that
        // only the cursor names.
        for index in scores.keys {
            let file = snapshot.files[index]
            if file.change != .unchanged { add([index], .modified) }
            add([index], .recentCommit, strength: history.recency(of: file.path))
            if SourceLanguage(path: file.path) != subject.language { add([index], .otherLanguage) }
        }
        if !disabledSignals.contains(.definesUsedName) { addUsedNames(subject, to: &scores) }
        return scores.compactMap { candidate($0.key, $0.value, subject) }
            .sorted { ($1.score.total, $0.path) < ($0.score.total, $1.path) }
    }

    private func addUsedNames(_ subject: Subject, to scores: inout [Int: ContextScore]) {
        for used in subject.names.names {
            let definers = index.definers(of: used.name).filter {
                SourceLanguage(path: $0) == subject.language
            }
            // A name that many files define tells them apart less; one defined in nine or more not at all.
            guard !definers.isEmpty, definers.count <= 8 else { continue }
            for path in definers where path != subject.path {
                guard let place = snapshot.index(of: path) else { continue }
                scores[place, default: ContextScore()].add(usedName: used, definerCount: definers.count)
            }
        }
    }

    private func candidate(_ place: Int, _ score: ContextScore, _ subject: Subject) -> RankedFile? {
        let path = snapshot.files[place].path
        guard score.total >= ContextScore.minimum, path != subject.path, SourceLanguage(path: path) != nil,
            !SecretPolicy.isDenied(path: path), !(index.record(path)?.isUnhelpful ?? false)
        else { return nil }
        return RankedFile(index: place, path: path, score: score)
    }

    // MARK: Choosing

    /// Divides the budget and gives the files in the order in which they stand in the prompt.
    func selection(_ ranked: [RankedFile], byteCount: Int) -> [SelectedFile] {
        let bySteady = ranked.filter { $0.score.steady >= ContextScore.minimum }
            .sorted { ($1.score.tier, $0.path) < ($0.score.tier, $1.path) }
        var chosen = Allocation(byteCount: byteCount * ContextSelector.steadySharePercent / 100)
        for file in bySteady {
            // Not by what the cursor says: zone 1 must not move with it.
            chosen.take(
                file, size: size(file), takesAllThatIsLeft: file.score.signals.contains(.importedFile))
        }
        let steadyPaths = Set(chosen.files.map(\.path))
        var rest = Allocation(byteCount: byteCount - chosen.usedByteCount)
        rest.rankOffset = chosen.files.count
        for file in ranked where file.score.cursor > 0 && !steadyPaths.contains(file.path) {
            rest.take(file, size: size(file), takesAllThatIsLeft: file.score.cursor >= 1)
        }
        let cursorPaths = Set(rest.files.map(\.path))
        for file in bySteady where !steadyPaths.contains(file.path) && !cursorPaths.contains(file.path) {
            rest.take(file, size: size(file), takesAllThatIsLeft: false)
        }
        let order: (SelectedFile, SelectedFile) -> Bool = {
            ($0.score.tier, $0.path) < ($1.score.tier, $1.path)
        }
        let filling = rest.files.filter { !cursorPaths.contains($0.path) }.sorted(by: order)
        let brought = rest.files.filter { cursorPaths.contains($0.path) }.sorted { $0.path < $1.path }
        return chosen.files.sorted(by: order) + filling + brought
    }

    private func size(_ file: RankedFile) -> Int {
        snapshot.files[file.index].byteCount ?? index.record(file.path)?.byteCount ?? 4_096
    }

    /// A budget that is being handed out, most valuable file first.
    private struct Allocation {
        let byteCount: Int
        var usedByteCount = 0
        var rankOffset = 0
        var files: [SelectedFile] = []

        init(byteCount: Int) { self.byteCount = byteCount }

        mutating func take(_ file: RankedFile, size: Int, takesAllThatIsLeft: Bool) {
            let left = byteCount - usedByteCount
            guard left >= minimumShareByteCount, rankOffset + files.count < maximumFileCount else { return }
            // Files that the code names may take all; others leave room for the next one.
            let most = takesAllThatIsLeft ? left : max(minimumShareByteCount, byteCount / 3)
            let share = min(size, most, left)
            usedByteCount += share
            files.append(
                SelectedFile(
                    path: file.path, score: file.score, byteCount: share, rank: rankOffset + files.count
                )
            )
        }
    }
}
