// The files of one repository or plain folder at one moment, as an immutable value: what is tracked, what the
// work tree changes, what is untracked and not ignored. It holds no text and no handle, so any thread may
// keep it. SnapshotBuilder makes it.

/// A listing of the files that context may come from.
package struct RepositorySnapshot: Sendable {
    /// Where the listing comes from.
    package enum Origin: Sendable, Equatable {
        /// HEAD's commit; nil on an unborn branch or when HEAD cannot be read.
        case git(head: GitObjectID?)
        /// A folder without a usable repository.
        case folder
    }

    /// What the work tree says about a file.
    package enum Change: Sendable, Equatable {
        case unchanged
        /// Differs from the index or, staged, from HEAD.
        case modified
        /// Not tracked and not ignored.
        case untracked
    }

    /// One file.
    package struct File: Sendable {
        package var path: RelativePath
        package var change: Change
        /// What the index or HEAD holds at this path; nil for untracked files and plain folders.
        package var blobID: GitObjectID?
        /// The work tree file's stamp, where one was taken.
        package var stamp: FileStamp?
        /// The index entry, where one was read.
        package var indexEntry: GitIndex.Entry?
        /// False for a bare repository and for files that a sparse checkout leaves out: read the blob.
        package var isInWorkTree: Bool

        /// Size where it is known without reading.
        package var byteCount: Int? {
            if let stamp { return Int(clamping: stamp.byteCount) }
            return indexEntry.map { Int($0.byteCount) }
        }
    }

    package var origin: Origin
    /// Absolute path without links and without a trailing slash.
    package var rootPath: String
    /// Base name of the root: NAME in a prompt.
    package var name: String
    /// In byte order of their paths, each path once.
    package var files: [File]
    /// Tracked, but gone from the work tree.
    package var deletedPaths: [RelativePath]
    /// False until the work tree has been compared.
    package var isStatusKnown: Bool

    package init(origin: Origin, rootPath: String, files: [File]) {
        self.origin = origin
        self.rootPath = rootPath
        name = rootPath.utf8.split(separator: UInt8(ascii: "/")).last.map { String(Substring($0)) } ?? "root"
        self.files = files
        deletedPaths = []
        isStatusKnown = origin == .folder
        sortFiles()
    }

    /// Restores the order after files were added.
    mutating func sortFiles() {
        files.sort { $0.path < $1.path }
    }

    /// Where the path is in `files`, by binary search.
    package func index(of path: RelativePath) -> Int? {
        let place = insertionPlace(of: path)
        return place < files.count && files[place].path == path ? place : nil
    }

    func insertionPlace(of path: RelativePath) -> Int {
        var low = 0
        var high = files.count
        while low < high {
            let middle = low + (high - low) / 2
            if files[middle].path < path { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// The path relative to the root; nil when it is not beneath it.
    package func relativePath(of absolutePath: String) -> RelativePath? {
        RepositorySnapshot.relativePath(of: absolutePath, beneath: rootPath)
    }

    static func relativePath(of absolutePath: String, beneath rootPath: String) -> RelativePath? {
        let prefix = rootPath == "/" ? "/" : rootPath + "/"
        guard absolutePath.utf8.starts(with: prefix.utf8) else { return nil }
        return RelativePath(bytes: Array(absolutePath.utf8.dropFirst(prefix.utf8.count)))
    }
}
