// A lock on a file or folder, for one process at a time. It goes with its process however that ends, so nobody has to
// clean up; the file stays. What the lock protects is its owner's business.

#if canImport(Glibc)
    import Glibc
#endif

/// An exclusive lock, held as long as it lives. Any thread.
package final class FileLock: Sendable {
    /// Why there can be none.
    package struct Failure: Error {
        /// As `errno` gives it.
        package let code: Int32

        package var reason: String { String(cString: strerror(code)) }
    }

    private let descriptor: Int32

    /// Makes the file where there is none. Nil while another one has it; does not wait.
    package static func take(file path: String) throws(Failure) -> FileLock? {
        try take(open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o600))
    }

    /// Nil while another one has it; does not wait.
    package static func take(folder path: String) throws(Failure) -> FileLock? {
        try take(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC))
    }

    private static func take(_ descriptor: Int32) throws(Failure) -> FileLock? {
        guard descriptor >= 0 else { throw Failure(code: errno) }
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            let code = errno
            if code == EINTR { continue }
            close(descriptor)
            if code == EWOULDBLOCK { return nil }
            throw Failure(code: code)
        }
        return FileLock(descriptor)
    }

    private init(_ descriptor: Int32) {
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }
}
