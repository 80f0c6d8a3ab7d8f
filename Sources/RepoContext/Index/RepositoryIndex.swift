// The scanned files of one root: which content each path has and which files define a name. Filled piece by
// piece within time limits, updated path by path, keyed by content so that nothing unchanged is read twice.
// In memory only; the `index` thread owns it.

/// Records by path, definers by name.
package final class RepositoryIndex {
    /// Files scanned per root at most. With 20 definitions a file takes about 1 KiB here.
    package static let maximumFileCount = 20_000
    /// Largest file that is scanned.
    package static let maximumFileByteCount = 512 << 10
    /// Files that define one name, kept at most: a name defined everywhere says nothing.
    static let maximumDefinerCount = 32
    /// Records of contents that no path has at the moment (other branches), kept at most.
    static let maximumIdleRecordCount = 4_000

    private struct Entry {
        var number: Int32
        var key: ContentKey
        var record: FileRecord
    }

    private var entries: [RelativePath: Entry] = [:]
    private var pathByNumber: [Int32: RelativePath] = [:]
    private var nextNumber: Int32 = 0
    private var definers: [UInt64: [Int32]] = [:]
    private var idleRecords: [ContentKey: FileRecord] = [:]

    package init() {}

    /// Files with a record.
    package var fileCount: Int { entries.count }

    /// Bytes of source that the records were made from.
    private(set) var byteCount = 0

    /// The record of a path, whatever content it was made from.
    func record(_ path: RelativePath) -> FileRecord? { entries[path]?.record }

    /// The content that a path's record was made from.
    func key(_ path: RelativePath) -> ContentKey? { entries[path]?.key }

    /// A record made earlier from this content, for a path that has none yet.
    func idleRecord(_ key: ContentKey) -> FileRecord? { idleRecords[key] }

    /// Files that define a name, in no particular order; at most `maximumDefinerCount`.
    func definers(of name: UInt64) -> [RelativePath] {
        (definers[name] ?? []).compactMap { pathByNumber[$0] }
    }

    /// Sets or replaces a path's record. Does nothing when the index is full and the path is new.
    func set(_ path: RelativePath, key: ContentKey, record: FileRecord) {
        remove(path)
        guard entries.count < RepositoryIndex.maximumFileCount else { return }
        idleRecords[key] = nil
        let number = nextNumber
        nextNumber &+= 1
        entries[path] = Entry(number: number, key: key, record: record)
        pathByNumber[number] = path
        byteCount += record.byteCount
        guard !record.isUnhelpful else { return }
        for definition in record.definitions {
            if definers[definition.name, default: []].count < RepositoryIndex.maximumDefinerCount {
                definers[definition.name, default: []].append(number)
            }
        }
    }

    /// Forgets a path; its record stays for a while for the same content elsewhere.
    func remove(_ path: RelativePath) {
        guard let entry = entries.removeValue(forKey: path) else { return }
        pathByNumber[entry.number] = nil
        byteCount -= entry.record.byteCount
        for definition in entry.record.definitions {
            guard let place = definers[definition.name]?.firstIndex(of: entry.number) else { continue }
            definers[definition.name]?.remove(at: place)
            if definers[definition.name]?.isEmpty ?? false { definers[definition.name] = nil }
        }
        if idleRecords.count >= RepositoryIndex.maximumIdleRecordCount { idleRecords.removeAll() }
        idleRecords[entry.key] = entry.record
    }

    /// Forgets the paths that are no longer listed.
    func keepOnly(_ isListed: (RelativePath) -> Bool) {
        for path in entries.keys.filter({ !isListed($0) }) { remove(path) }
    }
}
