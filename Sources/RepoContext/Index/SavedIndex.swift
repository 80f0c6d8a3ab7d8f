// The bytes of a saved index: a header with magic, version, root and checksum, then the files, their terms, and the
// history that goes with a HEAD. Numbers are little-endian words of the machine that wrote them; the cache does not
// travel. Reading believes nothing: each length is checked against what is left.

/// An index and a history as they are kept on disk.
struct SavedIndex {
    /// Counts up when the format, a scanner or a hash changes: what older versions saw is not what this one would.
    static let version: UInt64 = 1
    private static let magic: UInt64 = 0x4654_4B4E_4958_3031  // "FTKNIX01"

    var entries: [RepositoryIndex.Entry]
    var terms: [UInt32]
    var weights: [UInt8]
    var history: ChangeHistory?

    /// What is worth keeping of an index: not the texts of open documents.
    init(_ index: RepositoryIndex, history: ChangeHistory) {
        entries = []
        terms = []
        weights = []
        terms.reserveCapacity(index.terms.count)
        weights.reserveCapacity(index.terms.count)
        for case var entry? in index.slots {
            if case .document = entry.key { continue }
            let range = entry.start..<(entry.start + entry.count)
            entry.start = terms.count
            terms += index.terms[range]
            weights += index.weights[range]
            entries.append(entry)
        }
        self.history = history.isComplete ? history : nil
    }

    // MARK: Writing

    func encoded(rootPath: String) -> [UInt8] {
        var body = ByteWriter()
        body.string(rootPath)
        body.word(UInt64(entries.count))
        for entry in entries {
            body.string(entry.path.string)
            switch entry.key {
            case .blob(let id):
                body.word(0)
                body.words(id.words)
            case .file(let stamp):
                body.word(1)
                body.words(stamp.words)
            case .document: continue  // left out by the initialiser
            }
            body.words([UInt64(entry.count), UInt64(entry.identifierCount), UInt64(entry.byteCount)])
            body.word(entry.isUnhelpful ? 1 : 0)
            body.imports(entry.imports)
        }
        body.word(UInt64(terms.count))
        body.array(terms)
        body.array(weights)
        encode(history, into: &body)
        var file = ByteWriter()
        file.words([
            SavedIndex.magic, SavedIndex.version, UInt64(body.bytes.count), wordChecksum(body.bytes[...]),
        ])
        return file.bytes + body.bytes
    }

    private func encode(_ history: ChangeHistory?, into body: inout ByteWriter) {
        guard let history, let head = history.head else { return body.word(0) }
        body.word(1)
        body.words(head.words)
        body.word(UInt64(history.commits.count))
        for commit in history.commits {
            body.word(UInt64(commit.count))
            for path in commit { body.string(path.string) }
        }
    }

    // MARK: Reading

    /// nil for anything but what this version wrote for this root.
    init?(_ bytes: [UInt8], rootPath: String) {
        var reader = ByteReader(bytes[...])
        guard reader.word() == SavedIndex.magic, reader.word() == SavedIndex.version,
            reader.word() == UInt64(max(0, bytes.count - 32)),
            reader.word() == wordChecksum(bytes.dropFirst(32)),
            reader.string() == rootPath, let count = reader.count(maximum: RepositoryIndex.maximumFileCount)
        else { return nil }
        entries = []
        entries.reserveCapacity(count)
        var termCount = 0
        for _ in 0..<count {
            guard let entry = SavedIndex.entry(&reader, start: termCount) else { return nil }
            termCount += entry.count
            entries.append(entry)
        }
        guard let total = reader.count(maximum: RepositoryIndex.maximumTermCount), total == termCount,
            let terms = reader.array(UInt32.self, count: total),
            let weights = reader.array(UInt8.self, count: total)
        else { return nil }
        self.terms = terms
        self.weights = weights
        guard let hasHistory = reader.word() else { return nil }
        if hasHistory == 1 {
            guard let history = SavedIndex.history(&reader) else { return nil }
            self.history = history
        }
    }

    private static func entry(_ reader: inout ByteReader, start: Int) -> RepositoryIndex.Entry? {
        guard let path = reader.string().flatMap({ RelativePath($0) }), let kind = reader.word() else {
            return nil
        }
        let key: ContentKey
        if kind == 0 {
            guard let words = reader.words(3) else { return nil }
            key = .blob(GitObjectID(words: words))
        } else {
            guard let words = reader.words(4) else { return nil }
            key = .file(FileStamp(words: words))
        }
        guard let count = reader.count(maximum: FileRecord.maximumTermCount),
            let identifierCount = reader.count(maximum: RepositoryIndex.maximumFileByteCount),
            let byteCount = reader.count(maximum: Int(Int32.max)), let flag = reader.word(),
            let imports = reader.imports()
        else { return nil }
        return RepositoryIndex.Entry(
            path: path, key: key, imports: imports, start: start, count: count,
            identifierCount: identifierCount,
            byteCount: byteCount, isUnhelpful: flag == 1)
    }

    private static func history(_ reader: inout ByteReader) -> ChangeHistory? {
        guard let words = reader.words(3), let count = reader.count(maximum: ChangeHistory.maximumCommitCount)
        else {
            return nil
        }
        var commits: [[RelativePath]] = []
        for _ in 0..<count {
            guard let pathCount = reader.count(maximum: ChangeHistory.maximumCommitFileCount) else {
                return nil
            }
            var paths: [RelativePath] = []
            for _ in 0..<pathCount {
                guard let path = reader.string().flatMap({ RelativePath($0) }) else { return nil }
                paths.append(path)
            }
            commits.append(paths)
        }
        return ChangeHistory(head: GitObjectID(words: words), commits: commits)
    }
}

/// A 64-bit checksum that reads eight bytes at a time; it finds damage, not forgery.
func wordChecksum(_ bytes: ArraySlice<UInt8>) -> UInt64 {
    bytes.withUnsafeBytes { buffer in
        var sum: UInt64 = 0x9E37_79B9_7F4A_7C15
        var place = 0
        while place + 8 <= buffer.count {
            sum =
                (sum ^ buffer.loadUnaligned(fromByteOffset: place, as: UInt64.self)) &* 0xFF51_AFD7_ED55_8CCD
            sum ^= sum >> 32
            place += 8
        }
        for byte in buffer[place...] { sum = (sum ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return sum
    }
}
