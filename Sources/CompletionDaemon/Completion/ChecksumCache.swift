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
        guard let directory, let key = Self.key(path) else { return try FileChecksum.sha256(path) }
        let file = directory + "/" + Self.fileName
        let entries = Self.entries(file)
        if let entry = entries.first(where: { $0.key == key }) { return entry.checksum }
        let checksum = try FileChecksum.sha256(path)
        if Self.key(path) == key && isSettled(path) {
            Self.write(entries.suffix(Self.entryLimit - 1) + [(checksum, key)], to: file, in: directory)
        }
        return checksum
    }

    private static func status(_ path: String) -> stat? {
        var status = stat()
        return stat(path, &status) == 0 ? status : nil
    }

    private static func key(_ path: String) -> String? {
        // The modification time can be set to any value, the change time cannot.
        status(path).map {
            "\($0.st_dev) \($0.st_ino) \($0.st_size) \($0.st_mtim.tv_sec) \($0.st_mtim.tv_nsec)"
                + " \($0.st_ctim.tv_sec) \($0.st_ctim.tv_nsec)"
        }
    }

    private func isSettled(_ path: String) -> Bool {
        Self.status(path).map { time(nil) - max($0.st_mtim.tv_sec, $0.st_ctim.tv_sec) > settledSeconds }
            ?? false
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
        let temporary = "\(file).\(getpid())"
        unlink(temporary)  // of a process that had this number and was killed
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return }
        let text = entries.map { "\($0.checksum) \($0.key)\n" }.joined()
        let isWritten = FileDescriptorOutput.write(text, to: descriptor)
        if close(descriptor) != 0 || !isWritten || rename(temporary, file) != 0 { unlink(temporary) }
    }

    /// The last two folders at most: `~/.cache/foretoken` below a home that exists.
    private static func makeDirectory(_ directory: String) -> Bool {
        if let slash = directory.lastIndex(of: "/") { mkdir(String(directory[..<slash]), 0o700) }
        mkdir(directory, 0o700)
        return access(directory, W_OK) == 0
    }
}
