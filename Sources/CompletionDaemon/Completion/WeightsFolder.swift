// The packed weights in the cache directory, one file for each model and instruction set that was used: how they are
// called, how many there may be, and taking them away. What is in them is SharedPages' business.

import SpecEngine

#if canImport(Glibc)
    import Glibc
#endif

/// The files that daemons map their weights from. Any thread.
struct WeightsFolder: Sendable {
    /// What the files may take together, the one in use aside; the least recently used go first.
    static let byteLimit = 4 << 30
    /// A temporary file of this age was left by a process that is gone.
    private static let abandonedSeconds = 600

    /// A file, for people.
    struct Entry {
        let path: String
        let byteCount: Int
        /// Seconds since 1970.
        let lastUse: Int
    }

    private let directory: String
    private let byteLimit: Int

    init(cacheDirectory: String, byteLimit: Int = WeightsFolder.byteLimit) {
        directory = cacheDirectory + "/weights"
        self.byteLimit = byteLimit
    }

    func path(modelChecksum: String, instructionSet: String) -> String {
        "\(directory)/\(modelChecksum.prefix(16))-\(instructionSet)"
    }

    /// Tells that a file is in use.
    func noteUse(of path: String) { _ = utimensat(AT_FDCWD, path, nil, 0) }

    /// All files, temporary ones included, the last used first.
    func entries() -> [Entry] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var found: [Entry] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            let path = directory + "/" + name
            var status = stat()
            guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { continue }
            found.append(Entry(path: path, byteCount: Int(status.st_size), lastUse: status.st_mtim.tv_sec))
        }
        return found.sorted { ($1.lastUse, $0.path) < ($0.lastUse, $1.path) }
    }

    /// Keeps within the limit. Processes that have a removed file mapped keep what they have.
    func removeLeastRecentlyUsed(sparing newest: String) {
        var left = byteLimit
        for entry in entries() where entry.path != newest {
            let isTemporary = entry.path.contains(AtomicFile.mark)
            let isAbandoned = isTemporary && time(nil) - entry.lastUse > Self.abandonedSeconds
            left -= entry.byteCount
            if isAbandoned || left < 0 && !isTemporary { unlink(entry.path) }
        }
    }

    /// Removes all; returns how many bytes.
    func clear() -> Int {
        let removed = entries().filter { unlink($0.path) == 0 }.reduce(0) { $0 + $1.byteCount }
        rmdir(directory)
        return removed
    }
}
