// A whole file mapped read-only into memory, owned by one object. It knows nothing of what is in the file.
// Pages are shared with the page cache, so a model that several processes map is in memory once. If another
// process truncates the file while it is mapped, touching the lost pages raises SIGBUS: replace model files
// by rename, never in place.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Why a file could not be mapped.
package enum MappedFileError: Error, Equatable {
    case missing(path: String)
    case notRegularFile(path: String)
    case empty(path: String)
    case unreadable(path: String, reason: String)

    /// What happened, in one sentence without a final full stop.
    package var message: String {
        switch self {
        case .missing(let path): "there is no file at \(path)"
        case .notRegularFile(let path): "\(path) is a directory or a device, not a file"
        case .empty(let path): "\(path) is empty"
        case .unreadable(let path, let reason): "\(path) cannot be read: \(reason)"
        }
    }

    /// What the user can do about it.
    package var fix: String {
        switch self {
        case .missing: "check the path; a relative path starts at the current directory"
        case .notRegularFile: "give the path of the file itself"
        case .empty: "the copy or download did not finish: fetch the file again"
        case .unreadable: "check the permissions of the file and of the folders above it"
        }
    }
}

/// A read-only memory mapping of one regular file. The mapping ends when the last reference goes.
///
/// Thread-safe: nothing can be changed through it.
package final class MappedFile: Sendable {
    /// The path as it was given to `open`.
    package let path: String

    // The mapping is read-only and lives exactly as long as this object, so any thread may read it.
    nonisolated(unsafe) private let mapping: UnsafeRawBufferPointer

    /// The file that was opened, whatever its name stands for by now.
    package let identity: FileIdentity

    private init(path: String, identity: FileIdentity, mapping: UnsafeRawBufferPointer) {
        self.path = path
        self.identity = identity
        self.mapping = mapping
    }

    deinit {
        munmap(UnsafeMutableRawPointer(mutating: mapping.baseAddress), mapping.count)
    }

    /// The file's bytes; valid while this object lives.
    package var bytes: UnsafeRawBufferPointer { mapping }

    /// The file's size at the time it was opened.
    package var byteCount: Int { mapping.count }

    /// Maps the file at `path`.
    package static func open(_ path: String) throws(MappedFileError) -> MappedFile {
        // Without O_NONBLOCK, opening a named pipe would wait for a writer for ever.
        let descriptor = retryingOnInterrupt { systemOpen(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) }
        guard descriptor >= 0 else {
            if errno == ENOENT || errno == ENOTDIR { throw .missing(path: path) }
            throw .unreadable(path: path, reason: lastErrorText())
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw .unreadable(path: path, reason: lastErrorText())
        }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .notRegularFile(path: path) }
        guard status.st_size > 0 else { throw .empty(path: path) }
        guard let byteCount = Int(exactly: status.st_size),
            let address = mmap(nil, byteCount, PROT_READ, MAP_PRIVATE, descriptor, 0),
            address != MAP_FAILED
        else { throw .unreadable(path: path, reason: lastErrorText()) }
        return MappedFile(
            path: path, identity: FileIdentity(status),
            mapping: UnsafeRawBufferPointer(start: address, count: byteCount))
    }

    /// Tells the kernel that the bytes in `range` will not be read soon, so that their memory can be given
    /// back. They stay readable (from the disk). Only pages that lie wholly inside `range` are affected.
    package func adviseDontNeed(_ range: Range<Int>) {
        precondition(range.lowerBound >= 0 && range.upperBound <= mapping.count)
        let pageByteCount = Int(sysconf(Int32(_SC_PAGESIZE)))
        guard let base = mapping.baseAddress, pageByteCount > 0 else { return }
        let first = (range.lowerBound + pageByteCount - 1) / pageByteCount * pageByteCount
        let end = range.upperBound / pageByteCount * pageByteCount
        guard first < end else { return }
        // Advice only: a refusal changes nothing that the caller could act on.
        _ = madvise(UnsafeMutableRawPointer(mutating: base + first), end - first, MADV_DONTNEED)
    }
}

/// `open(2)`, under a name that `MappedFile.open` does not hide.
private func systemOpen(_ path: String, _ flags: Int32) -> Int32 { open(path, flags) }

private func retryingOnInterrupt(_ call: () -> Int32) -> Int32 {
    while true {
        let result = call()
        if result >= 0 || errno != EINTR { return result }
    }
}

private func lastErrorText() -> String { String(cString: strerror(errno)) }
