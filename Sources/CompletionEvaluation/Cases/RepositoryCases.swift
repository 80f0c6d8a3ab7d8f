// Cases from a git repository, at HEAD and from its history. Everything is read from commits, never from the work
// tree, so the same commit and seed give the same cases whatever is being edited meanwhile.

package import RepoContext

#if canImport(Glibc)
    import Glibc
#endif

/// What to draw from a repository.
package struct RepositoryCaseOptions: Sendable {
    package var limit: Int
    package var seed: UInt64
    package var kinds: Set<CaseKind>
    /// Names as in reports; empty takes all.
    package var languages: Set<String>
    /// A folder or file of the repository that cases come from; empty takes all.
    package var part: String

    package init(
        limit: Int, seed: UInt64, kinds: Set<CaseKind>, languages: Set<String> = [], part: String = ""
    ) {
        self.limit = limit
        self.seed = seed
        self.kinds = kinds
        self.languages = languages
        self.part = part
    }
}

/// Draws cases from a repository.
package struct RepositoryCases: Sendable {
    /// Larger files are data.
    static let maximumFileByteCount = 1 << 20
    /// Files read for candidates at most; of more, those that the seed puts first.
    package static let maximumFileCount = 20_000
    /// Commits looked at, newest first.
    package static let maximumCommitCount = 5_000
    /// Commits that change more files are imports, renames or formatters.
    static let maximumCommitFileCount = 40

    let folder: String
    let options: RepositoryCaseOptions
    let isCancelled: @Sendable () -> Bool

    package init(
        folder: String, options: RepositoryCaseOptions,
        isCancelled: @escaping @Sendable () -> Bool = { false }
    ) {
        self.folder = folder
        self.options = options
        self.isCancelled = isCancelled
    }

    /// The root of the work tree that holds the folder, and the commit that HEAD is.
    package static func locate(_ folder: String) throws -> (root: String, head: GitObjectID) {
        do {
            guard let repository = try GitRepository.discover(fromFolder: folder) else {
                throw EvaluationError(
                    .data, "\(folder) is in no git repository", fix: "name a folder of a repository")
            }
            guard let root = repository.workTreePath else {
                throw EvaluationError(
                    .data, "\(folder) is a bare repository", fix: "clone it and name the clone")
            }
            guard let head = try repository.headCommitID() else {
                throw EvaluationError(.data, "\(root) has no commit yet", fix: "commit something first")
            }
            return (root, head)
        } catch let error as GitError {
            throw EvaluationError(.data, "\(folder) cannot be read: \(error)", fix: "see foretoken doctor")
        }
    }

    /// A path of the work tree relative to its root, which is the empty one.
    package static func part(of root: String, at path: String) throws -> String {
        guard let resolved = realpath(path, nil), let resolvedRoot = realpath(root, nil) else {
            throw EvaluationError(.data, "\(path) cannot be found", fix: "check the path")
        }
        defer {
            free(resolved)
            free(resolvedRoot)
        }
        let (whole, prefix) = (String(cString: resolved), String(cString: resolvedRoot) + "/")
        return whole.hasPrefix(prefix) ? String(whole.dropFirst(prefix.count)) : ""
    }

    // MARK: HEAD

    private struct HeadPlace {
        let path: RelativePath
        let blobID: GitObjectID
        let range: Range<Int>
    }

    /// Places in the files of HEAD.
    package func atHead() throws -> CaseSelection {
        let (root, head) = try Self.locate(folder)
        guard let repository = try GitRepository.discover(fromFolder: root) else { return CaseSelection() }
        var files: [(path: RelativePath, id: GitObjectID)] = []
        let tree = try GitTree.open(commit: head, of: repository)
        var withheld = WithheldFiles(workTree: root)
        withheld.follow(rulesOf: tree, of: repository)
        var ignoredCount = 0
        _ = tree.forEachFile(of: repository) { path, id in
            guard isWanted(path) else { return true }
            if withheld.isIgnored(path) { ignoredCount += 1 } else { files.append((path, id)) }
            return true
        }
        if files.count > Self.maximumFileCount {
            files.sort { order(of: $0.path) < order(of: $1.path) }
            files.removeLast(files.count - Self.maximumFileCount)
        }
        var selection = CaseSelection()
        selection.source = "\(head)"
        selection.noteIgnored(fileCount: ignoredCount, problem: withheld.rulesProblem)
        var draw = CaseDraw<HeadPlace>(limit: options.limit)
        for (path, blobID) in files {
            if isCancelled() { break }
            let text: [UInt8]
            switch Self.content(blobID, of: repository) {
            case .text(let bytes, _): text = bytes
            case .skipped(let reason):
                selection.skipped.append(SkippedInput(line: 0, reason: "\(path): \(reason.words)"))
                continue
            }
            let finder = CursorFinder(text, language: language(of: path), seed: options.seed)
            for place in finder.places(kinds: options.kinds) {
                draw.add(
                    CaseCandidate(
                        kind: place.kind, id: "\(path):\(place.line + 1):\(place.kind.rawValue)",
                        seed: options.seed,
                        payload: HeadPlace(path: path, blobID: blobID, range: place.range)))
            }
        }
        selection.candidateCount = draw.candidateCount
        let drawn = draw.drawn().sorted {
            let (a, b) = ($0.payload, $1.payload)
            return (a.path, a.range.lowerBound, $0.id) < (b.path, b.range.lowerBound, $1.id)
        }
        for candidate in drawn {
            guard let text = Self.text(candidate.payload.blobID, of: repository) else { continue }
            let range = candidate.payload.range
            selection.cases.append(
                EvaluationCase(
                    id: candidate.id, kind: candidate.kind,
                    language: LanguageName.of(path: candidate.payload.path.string),
                    path: candidate.payload.path.string, prefix: Array(text[..<range.lowerBound]),
                    suffix: Array(text[range.upperBound...]), expected: Array(text[range]),
                    context: .repository))
        }
        return selection
    }

    // MARK: What is read

    func isWanted(_ path: RelativePath) -> Bool {
        guard let language = SourceLanguage(path: path), language != .plainText,
            !SecretPolicy.isDenied(path: path)
        else { return false }
        let part = options.part
        guard part.isEmpty || path.string == part || path.string.hasPrefix(part + "/") else { return false }
        return options.languages.isEmpty || options.languages.contains(LanguageName.of(path: path.string))
    }

    func language(of path: RelativePath) -> SourceLanguage { SourceLanguage(path: path) ?? .other }

    private func order(of path: RelativePath) -> UInt64 {
        var hash = StableHash(seed: options.seed)
        hash.add(path.string)
        return hash.value
    }

    /// A blob's text, or why it is not read: too large, no UTF-8 text, a key or a credential in it.
    static func content(_ id: GitObjectID, of repository: borrowing GitRepository) -> FileContent {
        // A partial clone does not have every blob, and none is fetched.
        guard let blob = try? GitBlob.open(id, of: repository) else { return .skipped(.missing) }
        guard let bytes = blob.bytes(maximumByteCount: maximumFileByteCount) else { return .skipped(.tooLarge) }
        return .checked(bytes, stamp: nil)
    }

    static func text(_ id: GitObjectID, of repository: borrowing GitRepository) -> [UInt8]? {
        if case .text(let bytes, _) = content(id, of: repository) { return bytes }
        return nil
    }
}

extension CaseSelection {
    /// Says how many files a `.foretokenignore` kept out, and why where it cannot be followed; their names stay out of
    /// reports too.
    mutating func noteIgnored(fileCount: Int, problem: String?) {
        if let problem { skipped.append(SkippedInput(line: 0, reason: problem)) }
        guard fileCount > 0 else { return }
        let files = fileCount == 1 ? "1 file" : "\(fileCount) files"
        skipped.append(SkippedInput(line: 0, reason: "\(files) that \(IgnoreRules.fileName) names"))
    }
}

extension FileSkipReason {
    /// As reports say it.
    fileprivate var words: String {
        switch self {
        case .missing: "not in this clone"
        case .notRegular: "no regular file"
        case .tooLarge: "larger than \(RepositoryCases.maximumFileByteCount >> 20) MiB"
        case .binary: "binary"
        case .notUTF8: "not UTF-8"
        case .secret: "holds a key or a credential"
        case .unreadable: "cannot be read"
        }
    }
}
