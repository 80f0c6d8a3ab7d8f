// Reads files beneath one root and nowhere else. Each component of a path is opened relative to the folder
// before it and without following links, so neither a link in the tree nor a race with one can lead out.
// Only regular files are opened, without blocking, up to a size: FIFOs and devices are never waited for.

import Glibc

/// Why a file has no text for us.
package enum FileSkipReason: Equatable, Sendable {
    /// Missing, or a component of the path is a link or no folder. For whoever asks for bytes, a link or a folder that
    /// cannot be opened is unreadable instead: what is behind it may hold rules.
    case missing
    /// A link, FIFO, socket, device or folder.
    case notRegular
    /// Larger than the bound.
    case tooLarge
    /// Holds a NUL byte.
    case binary
    /// Is not valid UTF-8.
    case notUTF8
    /// Holds a private key or another credential.
    case secret
    /// Permission denied, an I/O error, an object missing from the repository.
    case unreadable
}

/// The reason as an error.
struct FileSkip: Error {
    let reason: FileSkipReason
    init(_ reason: FileSkipReason) { self.reason = reason }
}

/// A file's text, or why there is none.
package enum FileContent: Sendable, Equatable {
    case text([UInt8], FileStamp?)
    case skipped(FileSkipReason)

    /// Applies the content rules (binary, UTF-8, private keys) to bytes from any source.
    package static func checked(_ bytes: [UInt8], stamp: FileStamp?) -> FileContent {
        if bytes.contains(0) { return .skipped(.binary) }
        guard (try? UTF8Span(validating: bytes.span)) != nil else {
            return .skipped(.notUTF8)  // the error says where; only the fact matters here
        }
        if SecretPolicy.containsPrivateKey(bytes) || SecretAssignment.isFound(in: bytes) {
            return .skipped(.secret)
        }
        return .text(bytes, stamp)
    }
}

/// An open root folder.
package struct RootDirectory: ~Copyable {
    let descriptor: Int32
    /// Absolute path, as given.
    package let path: String
    /// The root's device; walks do not leave it.
    let device: dev_t

    private init(descriptor: Int32, path: String, device: dev_t) {
        self.descriptor = descriptor
        self.path = path
        self.device = device
    }

    deinit { close(descriptor) }

    /// Opens the folder; nil when it is not a readable folder.
    package static func open(_ path: String) -> RootDirectory? {
        let descriptor = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            close(descriptor)
            return nil
        }
        return RootDirectory(descriptor: descriptor, path: path, device: status.st_dev)
    }

    /// The stamp of a regular file, or nil.
    package func stamp(_ path: RelativePath) -> FileStamp? {
        guard let status = status(path), status.st_mode & S_IFMT == S_IFREG else { return nil }
        return FileStamp(status)
    }

    private func status(_ path: RelativePath) -> stat? {
        withParent(of: path) { parent, name in
            var status = stat()
            return fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) == 0 ? status : nil
        }
    }

    /// Reads the whole file.
    package func read(_ path: RelativePath, maximumByteCount: Int) -> FileContent {
        withParent(of: path) { parent, name in
            switch RootDirectory.read(name, in: parent, maximumByteCount: maximumByteCount) {
            case .success(let (bytes, stamp)): .checked(bytes, stamp: stamp)
            case .failure(let failure): .skipped(failure.reason)
            }
        } ?? .skipped(.missing)
    }

    /// The bytes of a regular file whatever they hold; nil when it cannot be read.
    func readBytes(_ path: RelativePath, maximumByteCount: Int) -> [UInt8]? {
        try? bytes(of: path, maximumByteCount: maximumByteCount).get()
    }

    /// The same, with the reason where there are none.
    func bytes(of path: RelativePath, maximumByteCount: Int) -> Result<[UInt8], FileSkip> {
        var reason = FileSkipReason.missing
        let result: Result<[UInt8], FileSkip>? = withParent(of: path, because: &reason) { parent, name in
            RootDirectory.read(name, in: parent, maximumByteCount: maximumByteCount).map(\.0)
        }
        return result ?? .failure(FileSkip(reason))
    }

    /// Whether there is anything of that name, also a link or a device, as far as can be told.
    func holds(_ path: RelativePath) -> Bool {
        var reason = FileSkipReason.missing
        let isThere = withParent(of: path, because: &reason) { parent, name in
            var status = stat()
            return fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) == 0 || !RootDirectory.isMissing(errno)
        }
        return isThere ?? (reason != .missing)
    }

    static func isMissing(_ errorNumber: Int32) -> Bool {
        errorNumber == ENOENT || errorNumber == ENOTDIR
    }

    /// Opens a folder beneath the root; the caller closes it. -1 when it is not there or behind a link.
    func openFolder(_ folder: String) -> Int32 {
        var reason = FileSkipReason.missing
        return openFolder(folder, because: &reason)
    }

    /// The same; where it is -1, `reason` tells what is not there from what cannot be opened.
    private func openFolder(_ folder: String, because reason: inout FileSkipReason) -> Int32 {
        // Not a duplicate, which would share the position of an earlier listing.
        var current = openat(descriptor, ".", RootDirectory.folderFlags)
        if current < 0 { reason = .unreadable }
        for component in folder.utf8.split(separator: UInt8(ascii: "/")) {
            guard current >= 0 else { return -1 }
            let name = String(Substring(component))
            let next = openat(current, name, RootDirectory.folderFlags)
            if next < 0 {
                let code = errno
                var status = stat()
                // Opening a link as a folder fails as opening a file as one does.
                let isLink =
                    fstatat(current, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && status.st_mode & S_IFMT == S_IFLNK
                reason = RootDirectory.isMissing(code) && !isLink ? .missing : .unreadable
            }
            close(current)
            current = next
        }
        return current
    }

    static let folderFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK

    private func withParent<Result>(of path: RelativePath, _ body: (Int32, String) -> Result?) -> Result? {
        var reason = FileSkipReason.missing
        return withParent(of: path, because: &reason, body)
    }

    private func withParent<Result>(
        of path: RelativePath, because reason: inout FileSkipReason, _ body: (Int32, String) -> Result?
    ) -> Result? {
        let name = String(path.fileName)
        if path.folder.isEmpty { return body(descriptor, name) }
        let parent = openFolder(String(path.folder), because: &reason)
        guard parent >= 0 else { return nil }
        defer { close(parent) }
        return body(parent, name)
    }

    private static func read(_ name: String, in parent: Int32, maximumByteCount: Int)
        -> Result<([UInt8], FileStamp), FileSkip>
    {
        var status = stat()
        guard fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
            return .failure(FileSkip(isMissing(errno) ? .missing : .unreadable))
        }
        // Asked before opening, because opening some devices has effects; asked again after, because the
        // name may have been exchanged in between.
        guard status.st_mode & S_IFMT == S_IFREG else { return .failure(FileSkip(.notRegular)) }
        let file = openat(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
        guard file >= 0 else { return .failure(FileSkip(errno == ENOENT ? .missing : .unreadable)) }
        defer { close(file) }
        guard fstat(file, &status) == 0 else { return .failure(FileSkip(.unreadable)) }
        guard status.st_mode & S_IFMT == S_IFREG else { return .failure(FileSkip(.notRegular)) }
        guard status.st_size <= maximumByteCount else { return .failure(FileSkip(.tooLarge)) }
        guard let bytes = readAll(file, expectedByteCount: Int(status.st_size))
        else { return .failure(FileSkip(.unreadable)) }
        return .success((bytes, FileStamp(status)))
    }

    /// Reads up to the size that fstat gave; a file that shrinks meanwhile comes out shorter.
    private static func readAll(_ file: Int32, expectedByteCount: Int) -> [UInt8]? {
        var failed = false
        let bytes = [UInt8](unsafeUninitializedCapacity: max(1, expectedByteCount)) { buffer, count in
            while count < expectedByteCount {
                let readCount = Glibc.read(file, buffer.baseAddress! + count, expectedByteCount - count)
                if readCount < 0, errno == EINTR { continue }
                if readCount <= 0 {
                    failed = readCount < 0
                    return
                }
                count += readCount
            }
        }
        return failed ? nil : bytes
    }
}
