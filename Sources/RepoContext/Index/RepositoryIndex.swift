// The scanned files of one root: which content each path has, which identifiers stand in it and which of them it
// defines. Filled piece by piece within time limits, updated path by path, keyed by content so that nothing
// unchanged is read twice. A query passes once over the terms of all files: a million terms take about a
// millisecond, which spares the inverted lists that a save would have to take apart. The `index` thread owns it.

/// Records by path, terms of all files in one array.
package final class RepositoryIndex {
    /// Files scanned per root at most. With 150 terms a file takes about 1 KiB here.
    package static let maximumFileCount = 20_000
    /// Terms of all files at most (5 bytes each).
    package static let maximumTermCount = 8 << 20
    /// Largest file that is scanned.
    package static let maximumFileByteCount = 512 << 10
    /// Largest file of prose or data that is scanned: more is a table.
    static let maximumPlainTextByteCount = 64 << 10
    /// Files that define one name, told at most: a name defined everywhere says nothing.
    static let maximumDefinerCount = 32
    /// Records of contents that no path has at the moment (other branches), kept at most.
    static let maximumIdleRecordCount = 2_000

    /// One file.
    struct Entry {
        var path: RelativePath
        var key: ContentKey
        var imports: [ImportReference]
        /// Its terms' place in `terms` and `weights`.
        var start: Int
        var count: Int
        var identifierCount: Int
        var byteCount: Int
        var isUnhelpful: Bool
    }

    /// One term of a query in one file.
    struct Hit {
        /// The file's slot.
        var slot: Int
        /// Place of the term in the query.
        var term: Int
        /// As in `FileRecord.weights`.
        var weight: UInt8
    }

    /// What a query reads of every file: plain numbers, because copying an Entry costs more than the look at it.
    struct Span {
        var start = 0
        /// 0 where a file was removed, or is not asked about.
        var count = 0
        var identifierCount = 0
    }

    /// By slot; nil where a file was removed.
    private(set) var slots: [Entry?] = []
    /// By slot, what of `slots` a query reads.
    private(set) var spans: [Span] = []
    private var freeSlots: [Int] = []
    private var slotByPath: [RelativePath: Int] = [:]
    private(set) var terms: [UInt32] = []
    private(set) var weights: [UInt8] = []
    /// Terms of removed files, still in `terms`.
    private var deadTermCount = 0
    private var idleRecords: [ContentKey: FileRecord] = [:]
    /// Identifiers of all files.
    private var identifierCount = 0

    package init() {}

    /// An index from the cache.
    init(entries: [Entry], terms: [UInt32], weights: [UInt8]) {
        slots = entries
        self.terms = terms
        self.weights = weights
        slotByPath.reserveCapacity(entries.count)
        for (slot, entry) in entries.enumerated() {
            slotByPath[entry.path] = slot
            byteCount += entry.byteCount
            identifierCount += entry.identifierCount
        }
        spans = entries.map(RepositoryIndex.span)
    }

    private static func span(_ entry: Entry) -> Span {
        Span(
            start: entry.start, count: entry.isUnhelpful ? 0 : entry.count,
            identifierCount: entry.identifierCount)
    }

    /// Files with a record.
    package var fileCount: Int { slotByPath.count }

    /// Bytes of source that the records were made from.
    private(set) var byteCount = 0

    /// Counts changes, so that the cache knows when it is behind.
    private(set) var changeCount = 0

    /// Identifiers in a file on average.
    var meanIdentifierCount: Double { Double(identifierCount) / Double(max(1, fileCount)) }

    /// What is known about a path, whatever content it was made from.
    func entry(_ path: RelativePath) -> Entry? { slotByPath[path].flatMap { slots[$0] } }

    /// The content that a path's record was made from.
    func key(_ path: RelativePath) -> ContentKey? { entry(path)?.key }

    /// A record made earlier from this content, for a path that has none yet.
    func idleRecord(_ key: ContentKey) -> FileRecord? { idleRecords[key] }

    // MARK: Changing

    /// Sets or replaces a path's record. Does nothing when the index is full and the path is new.
    func set(_ path: RelativePath, key: ContentKey, record: FileRecord) {
        remove(path)
        guard fileCount < RepositoryIndex.maximumFileCount,
            terms.count - deadTermCount + record.terms.count <= RepositoryIndex.maximumTermCount
        else { return }
        idleRecords[key] = nil
        let entry = Entry(
            path: path, key: key, imports: record.imports, start: terms.count, count: record.terms.count,
            identifierCount: record.identifierCount, byteCount: record.byteCount,
            isUnhelpful: record.isUnhelpful)
        terms += record.terms
        weights += record.weights
        if let slot = freeSlots.popLast() {
            slots[slot] = entry
            spans[slot] = RepositoryIndex.span(entry)
            slotByPath[path] = slot
        } else {
            slotByPath[path] = slots.count
            slots.append(entry)
            spans.append(RepositoryIndex.span(entry))
        }
        byteCount += record.byteCount
        identifierCount += record.identifierCount
        changeCount += 1
    }

    /// Forgets a path; its record stays for a while for the same content elsewhere.
    func remove(_ path: RelativePath) {
        guard let slot = slotByPath.removeValue(forKey: path), let entry = slots[slot] else { return }
        slots[slot] = nil
        spans[slot] = Span()
        freeSlots.append(slot)
        byteCount -= entry.byteCount
        identifierCount -= entry.identifierCount
        deadTermCount += entry.count
        changeCount += 1
        if idleRecords.count >= RepositoryIndex.maximumIdleRecordCount { idleRecords.removeAll() }
        // The text of an open document comes back no more than any keystroke does.
        if case .document = entry.key {} else { idleRecords[entry.key] = record(of: entry) }
        if deadTermCount > max(1 << 16, terms.count / 4) { compact() }
    }

    /// Forgets the paths that are no longer listed.
    func keepOnly(_ snapshot: RepositorySnapshot) {
        // Nearly always all are listed, which a look at each listed path tells sooner than a search for each known one.
        let listedCount = snapshot.files.count { slotByPath[$0.path] != nil }
        guard listedCount < slotByPath.count else { return }
        for path in slotByPath.keys.filter({ snapshot.index(of: $0) == nil }) { remove(path) }
    }

    private func record(of entry: Entry) -> FileRecord {
        let range = entry.start..<(entry.start + entry.count)
        return FileRecord(
            terms: Array(terms[range]), weights: Array(weights[range]),
            identifierCount: entry.identifierCount,
            imports: entry.imports, byteCount: entry.byteCount, isUnhelpful: entry.isUnhelpful)
    }

    private func compact() {
        var newTerms: [UInt32] = []
        var newWeights: [UInt8] = []
        newTerms.reserveCapacity(terms.count - deadTermCount)
        newWeights.reserveCapacity(terms.count - deadTermCount)
        for slot in slots.indices {
            guard let entry = slots[slot] else { continue }
            let range = entry.start..<(entry.start + entry.count)
            slots[slot]?.start = newTerms.count
            spans[slot].start = newTerms.count
            newTerms += terms[range]
            newWeights += weights[range]
        }
        (terms, weights, deadTermCount) = (newTerms, newWeights, 0)
    }

    // MARK: Asking

    /// Where the terms stand, by rising slots; each term once in `query`.
    func hits(of query: [UInt32]) -> [Hit] {
        let table = TermTable(query)
        var hits: [Hit] = []
        terms.withUnsafeBufferPointer { terms in
            for (slot, span) in spans.enumerated() {
                for place in span.start..<(span.start + span.count) where table.mayHold(terms[place]) {
                    guard let term = table.place(of: terms[place]) else { continue }
                    hits.append(Hit(slot: slot, term: term, weight: weights[place]))
                }
            }
        }
        return hits
    }

    /// Files that define a name, in no particular order; at most `maximumDefinerCount`.
    func definers(of name: UInt64) -> [RelativePath] {
        hits(of: [identifierTerm(name)]).filter { $0.weight & FileRecord.definingBit != 0 }
            .prefix(RepositoryIndex.maximumDefinerCount).compactMap { slots[$0.slot]?.path }
    }
}

/// A small set of terms that says of almost every other term at once that it does not hold it.
private struct TermTable {
    private var filter = [UInt64](repeating: 0, count: 1 << 10)
    private var places: [UInt32: Int] = [:]

    init(_ terms: [UInt32]) {
        for (place, term) in terms.enumerated() {
            filter[Int(term & 0xFFFF) >> 6] |= 1 << UInt64(term & 63)
            places[term] = place
        }
    }

    func mayHold(_ term: UInt32) -> Bool { filter[Int(term & 0xFFFF) >> 6] & (1 << UInt64(term & 63)) != 0 }

    func place(of term: UInt32) -> Int? { places[term] }
}
