// Looks files of a snapshot up by name, folder and path ending, so that an import is resolved without walking
// the list. Built once per listing and immutable.

/// Lookup tables over the files of one snapshot; results are indices into its `files`.
package final class PathIndex: Sendable {
    private let files: [RepositorySnapshot.File]
    private let byName: [String: [Int]]
    private let byFolder: [String: [Int]]
    private let foldersByName: [String: [String]]
    private let bySubject: [String: [Int]]

    /// Builds the tables.
    package init(_ snapshot: RepositorySnapshot) {
        files = snapshot.files
        var byName: [String: [Int]] = [:]
        var byFolder: [String: [Int]] = [:]
        var bySubject: [String: [Int]] = [:]
        for (index, file) in files.enumerated() {
            bySubject[PathIndex.subject(of: file.path), default: []].append(index)
            byName[String(file.path.fileName), default: []].append(index)
            byFolder[String(file.path.folder), default: []].append(index)
        }
        var foldersByName: [String: [String]] = [:]
        var seen = Set<String>()
        for folder in byFolder.keys.sorted() {
            // A folder that holds only folders has a name too: `Sources/Module/Part/file`.
            var folder = folder
            while !folder.isEmpty, seen.insert(folder).inserted {
                foldersByName[PathIndex.lastComponent(folder), default: []].append(folder)
                folder = PathIndex.parent(folder)
            }
        }
        self.byName = byName
        self.bySubject = bySubject
        self.byFolder = byFolder
        self.foldersByName = foldersByName.mapValues { $0.sorted() }
    }

    /// The file with exactly this path.
    func file(_ path: String) -> Int? {
        let folder = PathIndex.parent(path)
        return byFolder[folder]?.first { files[$0].path.string.utf8.elementsEqual(path.utf8) }
    }

    /// The files directly in a folder.
    func files(inFolder folder: String) -> [Int] { byFolder[folder] ?? [] }

    /// Files about the same subject as `path`: its test, its implementation, its header; without itself.
    func siblings(of path: RelativePath) -> [Int] {
        let all = (bySubject[PathIndex.subject(of: path)] ?? []).filter { files[$0].path != path }
        // "index", "mod", "utils": a name that many files have says something only within a folder.
        guard all.count > PathIndex.maximumSiblingCount else { return all }
        return all.filter { files[$0].path.folder == path.folder }
    }

    /// More files of one name than this are not siblings.
    private static let maximumSiblingCount = 6

    /// The file name in lower case without what marks tests: `test_a.py`, `a_test.go`, `a.spec.ts`,
    /// `ATests.swift`.
    static func subject(of path: RelativePath) -> String {
        var name = path.stem.lowercasedASCII()
        for prefix in ["test_", "tests_"] where name.hasPrefix(prefix) { name.removeFirst(prefix.utf8.count) }
        for suffix in ["_tests", "_test", "_spec", "tests", "test", "spec"]
        where name.hasSuffix(suffix) && name.utf8.count > suffix.utf8.count {
            name.removeLast(suffix.utf8.count)
            break
        }
        return name
    }

    /// Files whose path is the ending or ends in "/" + ending.
    func files(endingIn ending: String) -> [Int] {
        let name = PathIndex.lastComponent(ending)
        return (byName[name] ?? []).filter { PathIndex.path(files[$0].path.string, endsIn: ending) }
    }

    /// Folders whose path is the ending or ends in "/" + ending.
    func folders(endingIn ending: String) -> [String] {
        (foldersByName[PathIndex.lastComponent(ending)] ?? []).filter { PathIndex.path($0, endsIn: ending) }
    }

    /// The path of a result.
    func path(at index: Int) -> RelativePath { files[index].path }

    /// Of several files the one that shares most of its folders with `folder`; among equals the shortest
    /// path, then the first in order.
    func nearest(_ indices: [Int], to folder: String) -> Int? {
        indices.min { a, b in
            let first = files[a].path.string
            let second = files[b].path.string
            let shared = (
                PathIndex.sharedFolderCount(first, folder), PathIndex.sharedFolderCount(second, folder)
            )
            if shared.0 != shared.1 { return shared.0 > shared.1 }
            if first.utf8.count != second.utf8.count { return first.utf8.count < second.utf8.count }
            return a < b
        }
    }

    /// Leading path components that two paths have in common.
    static func sharedFolderCount(_ a: some StringProtocol, _ b: some StringProtocol) -> Int {
        let slash = UInt8(ascii: "/")
        return zip(a.utf8.split(separator: slash), b.utf8.split(separator: slash))
            .prefix { $0.elementsEqual($1) }.count
    }

    static func lastComponent(_ path: String) -> String {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return path }
        return String(path[path.utf8.index(after: slash)...])
    }

    static func parent(_ path: String) -> String {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "" }
        return String(path[..<slash])
    }

    private static func path(_ path: String, endsIn ending: String) -> Bool {
        guard path.utf8.count >= ending.utf8.count else { return false }
        let tail = path.utf8.suffix(ending.utf8.count)
        guard tail.elementsEqual(ending.utf8) else { return false }
        return tail.startIndex == path.startIndex
            || path.utf8[path.utf8.index(before: tail.startIndex)] == UInt8(ascii: "/")
    }
}
