// Settings files: read without following links and without blocking, again only when they have changed.

import Glibc

/// What a settings file says, kept until the file changes.
struct SettingsFile {
    /// Larger files hold no settings.
    static let maximumByteCount = 64 << 10
    static let repositoryFileName = ".foretoken.json"
    private static let nestingLimit = 16

    /// What tells one state of a file from the next.
    fileprivate struct Identity: Equatable {
        let device: UInt64
        let inode: UInt64
        let size: Int64
        let seconds: Int
        let nanoseconds: Int
    }

    let path: String
    private var identity: Identity?
    /// The file's JSON; nil without a usable file.
    private(set) var value: JSONValue?
    /// Why there is a file but no value.
    private(set) var problem: String?

    init(path: String) {
        self.path = path
    }

    /// Looks whether the file changed; true when `value` or `problem` may have.
    mutating func refresh() -> Bool {
        var status = stat()
        let isThere = lstat(path, &status) == 0
        let now = isThere ? Identity(status) : nil
        guard now != identity else { return false }
        identity = now
        (value, problem) = isThere ? Self.read(path) : (nil, nil)
        return true
    }

    private static func read(_ path: String) -> (JSONValue?, String?) {
        // A pipe must not hold us up, a link must not lead elsewhere.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else { return (nil, "cannot be read (\(String(cString: strerror(errno))))") }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            return (nil, "is not a regular file")
        }
        guard status.st_size <= maximumByteCount else { return (nil, "is larger than \(maximumByteCount) bytes") }
        var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
        let count = bytes.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
        guard count == bytes.count else { return (nil, "cannot be read whole") }
        do {
            try JSONText.prepare(&bytes, nestingLimit: nestingLimit)
            return (try WireCoding.decode(JSONValue.self, from: bytes), nil)
        } catch {
            return (nil, "is not valid JSON")
        }
    }
}

extension SettingsFile.Identity {
    fileprivate init(_ status: stat) {
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
        size = Int64(status.st_size)
        seconds = status.st_mtim.tv_sec
        nanoseconds = status.st_mtim.tv_nsec
    }
}
