// A file in the temporary directory that lives as long as the object that made it. Tests of the GGUF reader
// rewrite and patch it between two openings.

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A temporary file with in-place edits. Removed with the last reference.
package final class TemporaryFile {
    package let path: String

    /// Creates the file with `bytes` in it.
    package init(_ bytes: [UInt8] = []) throws {
        path = Self.newPath()
        try write(bytes)
    }

    /// Makes a named pipe instead of a file.
    package init(namedPipe: Void) throws {
        path = Self.newPath()
        guard mkfifo(path, 0o600) == 0 else { throw failure("mkfifo") }
    }

    private static func newPath() -> String {
        FileManager.default.temporaryDirectory.path + "/foretoken-test-\(UUID().uuidString)"
    }

    deinit { unlink(path) }

    /// Replaces the contents.
    package func write(_ bytes: [UInt8]) throws {
        try edit(O_WRONLY | O_CREAT | O_TRUNC) { descriptor in
            try Self.writeAll(bytes, at: 0, to: descriptor)
        }
    }

    /// Overwrites `bytes.count` bytes at `offset`.
    package func patch(_ bytes: [UInt8], at offset: Int) throws {
        try edit(O_WRONLY) { descriptor in try Self.writeAll(bytes, at: offset, to: descriptor) }
    }

    /// Cuts the file, or extends it with a hole that reads as zeros and takes no room on the disk.
    package func setByteCount(_ byteCount: Int) throws {
        try edit(O_WRONLY) { descriptor in
            guard ftruncate(descriptor, off_t(byteCount)) == 0 else { throw failure("ftruncate") }
        }
    }

    private func edit(_ flags: Int32, _ body: (Int32) throws -> Void) throws {
        let descriptor = open(path, flags | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure("open") }
        defer { close(descriptor) }
        try body(descriptor)
    }

    private static func writeAll(_ bytes: [UInt8], at offset: Int, to descriptor: Int32) throws {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                pwrite(
                    descriptor, buffer.baseAddress.map { $0 + written }, bytes.count - written,
                    off_t(offset + written))
            }
            guard count > 0 else { throw TemporaryFileError(call: "pwrite", errorNumber: errno) }
            written += count
        }
    }

    private func failure(_ call: String) -> TemporaryFileError {
        TemporaryFileError(call: call, errorNumber: errno)
    }
}

package struct TemporaryFileError: Error {
    package let call: String
    package let errorNumber: Int32
}
