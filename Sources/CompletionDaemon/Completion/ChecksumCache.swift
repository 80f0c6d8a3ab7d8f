// SHA-256 of model files, remembered between runs: a draft names its target by checksum, and hashing 45 MB takes a
// fifth of a second. An entry holds while device, inode, size, modification and change time are the same. The file is a
// hint: whatever is wrong with it, the checksum is computed.

import SpecEngine

#if canImport(Glibc)
    import Glibc
#endif

/// Lines of "sha256 device inode size modified changed" in the cache directory, times as "seconds nanoseconds".
struct ChecksumCache: Sendable {
    private let directory: String?

    private static let fileName = "checksums"
    private static let entryLimit = 64
    private static let byteCountLimit = 16 << 10
    /// A file changed so recently could be changed again without a difference in its times.
    private let settledSeconds: Int

    init(directory: String? = UserDirectories.cache, settledSeconds: Int = 2) {
        self.directory = directory
        self.settledSeconds = settledSeconds
    }

    func sha256(_ path: String) throws(EngineError) -> String {
        guard let directory, let identity = FileIdentity.of(path) else { return try FileChecksum.sha256(path) }
        let file = directory + "/" + Self.fileName
        let key = identity.description
        let entries = Self.entries(file)
        if let entry = entries.first(where: { $0.key == key }) { return entry.checksum }
        let checksum = try FileChecksum.sha256(path)
        if FileIdentity.of(path) == identity, time(nil) - identity.changeTime > settledSeconds {
            Self.write(entries.suffix(Self.entryLimit - 1) + [(checksum, key)], to: file, in: directory)
        }
        return checksum
    }

    /// The same for a file that was opened before; nil where another one is at its path by now, or it has changed.
    func sha256(_ path: String, openedAs identity: FileIdentity) throws(EngineError) -> String? {
        guard FileIdentity.of(path) == identity else { return nil }
        let checksum = try sha256(path)
        return FileIdentity.of(path) == identity ? checksum : nil
    }

    /// What the file holds; nothing unless it is a regular file of ours that nobody else can write.
    private static func entries(_ file: String) -> [(checksum: String, key: String)] {
        let descriptor = open(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_uid == geteuid(),
            status.st_mode & 0o022 == 0, status.st_size <= byteCountLimit
        else { return [] }
        var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
        let count = read(descriptor, &bytes, bytes.count)
        guard count == bytes.count else { return [] }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ")
            guard fields.count == 8, fields[0].utf8.count == 64,
                fields[0].utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) })
            else { return nil }
            return (String(fields[0]), fields.dropFirst().joined(separator: " "))
        }
    }

    /// Replaces the file as a whole. Where that is not possible there is no cache.
    private static func write(
        _ entries: some Collection<(checksum: String, key: String)>, to file: String, in directory: String
    ) {
        guard makeDirectory(directory) else { return }
        // What cannot be kept is computed again.
        try? AtomicFile.write(file, text: entries.map { "\($0.checksum) \($0.key)\n" }.joined())
    }

    /// The last two folders at most: `~/.cache/foretoken` below a home that exists.
    private static func makeDirectory(_ directory: String) -> Bool {
        if let slash = directory.lastIndex(of: "/") { mkdir(String(directory[..<slash]), 0o700) }
        mkdir(directory, 0o700)
        return access(directory, W_OK) == 0
    }
}
