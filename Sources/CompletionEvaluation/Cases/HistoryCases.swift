// Cases from what commits added. The cursor stands where the developer's did: the file is the parent's, with as much of
// the new lines as stand before the cursor; nothing that the commit wrote elsewhere is there, and the other files are
// the parent's too.

import RepoContext

extension RepositoryCases {
    private struct HistoryPlace {
        /// Newest commit first.
        let commitOrder: Int
        let parent: GitObjectID
        let path: RelativePath
        let oldBlobID: GitObjectID?
        let newBlobID: GitObjectID
        let hunk: GitFileChange.Hunk
        let range: Range<Int>
    }

    /// Places in lines that commits reachable from HEAD added.
    package func fromHistory() throws -> CaseSelection {
        let (root, head) = try Self.locate(folder)
        guard let repository = try GitRepository.discover(fromFolder: root) else { return CaseSelection() }
        var selection = CaseSelection()
        selection.source = "\(head)"
        var draw = CaseDraw<HistoryPlace>(limit: options.limit)
        var withheld = WithheldFiles(workTree: root)
        var ignored = Set<RelativePath>()
        var next: GitObjectID? = head
        var order = 0
        // First parents: what was merged into this branch, in its order; it needs no walk over the whole history.
        while let commitID = next, order < Self.maximumCommitCount, !isCancelled() {
            guard let parent = parent(of: commitID, in: repository) else { break }
            next = parent
            order += 1
            do throws(GitError) {
                let tree = try GitTree.open(commit: commitID, of: repository)
                withheld.follow(rulesOf: tree, of: repository)
                let changes = try GitFileChange.changes(
                    of: commitID, in: repository, maximumFileCount: Self.maximumCommitFileCount)
                for change in changes ?? [] where isWanted(change.path) {
                    if withheld.isIgnored(change.path) {
                        ignored.insert(change.path)
                    } else {
                        addPlaces(of: change, (commitID, parent, order), in: repository, to: &draw)
                    }
                }
            } catch {
                selection.skipped.append(SkippedInput(line: 0, reason: "commit \(commitID): \(error)"))
            }
        }
        selection.noteIgnored(fileCount: ignored.count, problem: withheld.rulesProblem)
        selection.candidateCount = draw.candidateCount
        let drawn = draw.drawn().sorted {
            let (a, b) = ($0.payload, $1.payload)
            return (a.commitOrder, a.path.string, a.range.lowerBound, $0.id)
                < (b.commitOrder, b.path.string, b.range.lowerBound, $1.id)
        }
        selection.cases = drawn.compactMap { Self.historyCase($0.id, $0.kind, $0.payload, in: repository) }
        return selection
    }

    private func parent(of commitID: GitObjectID, in repository: borrowing GitRepository) -> GitObjectID? {
        // The edge of a shallow clone ends the walk.
        guard let commit = try? GitCommit.open(commitID, of: repository), let parent = commit.firstParentID,
            (try? GitTree.open(commit: parent, of: repository)) != nil
        else { return nil }
        return parent
    }

    private func addPlaces(
        of change: GitFileChange, _ commit: (id: GitObjectID, parent: GitObjectID, order: Int),
        in repository: borrowing GitRepository, to draw: inout CaseDraw<HistoryPlace>
    ) {
        guard let text = Self.text(change.newBlobID, of: repository) else { return }
        let finder = CursorFinder(text, language: language(of: change.path), seed: options.seed)
        let commitName = "\(commit.id)".prefix(12)
        for hunk in change.hunks where !hunk.newLines.isEmpty {
            for place in finder.places(kinds: options.kinds, lines: hunk.newLines) {
                draw.add(
                    CaseCandidate(
                        kind: place.kind,
                        id: "\(commitName):\(change.path):\(place.line + 1):\(place.kind.rawValue)",
                        seed: options.seed,
                        payload: HistoryPlace(
                            commitOrder: commit.order, parent: commit.parent, path: change.path,
                            oldBlobID: change.oldBlobID, newBlobID: change.newBlobID, hunk: hunk,
                            range: place.range)))
            }
        }
    }

    private static func historyCase(
        _ id: String, _ kind: CaseKind, _ place: HistoryPlace, in repository: borrowing GitRepository
    ) -> EvaluationCase? {
        guard let new = text(place.newBlobID, of: repository) else { return nil }
        var old: [UInt8] = []
        if let oldID = place.oldBlobID {
            guard let text = text(oldID, of: repository) else { return nil }
            old = text
        }
        let hunkStart = lineStart(place.hunk.newLines.lowerBound, in: new)
        let lineEnd = new[place.range.upperBound...].firstIndex(of: 0x0A) ?? new.count
        // The rest of the cursor's own line belongs to a span; lines below it are not written yet.
        let prefix =
            Array(old[..<lineStart(place.hunk.oldLines.lowerBound, in: old)])
            + new[hunkStart..<place.range.lowerBound]
        let suffix =
            Array(new[place.range.upperBound..<lineEnd]) + [0x0A]
            + old[lineStart(place.hunk.oldLines.upperBound, in: old)...]
        return EvaluationCase(
            id: id, kind: kind, language: LanguageName.of(path: place.path.string), path: place.path.string,
            prefix: prefix, suffix: suffix, expected: Array(new[place.range]),
            context: .commit("\(place.parent)"))
    }

    private static func lineStart(_ line: Int, in text: [UInt8]) -> Int {
        var start = 0
        for _ in 0..<line {
            guard let lineFeed = text[start...].firstIndex(of: 0x0A) else { return text.count }
            start = lineFeed + 1
        }
        return start
    }
}
