// The folder that a run writes into: made, checked beforehand, kept from a second run, and its files replaced so that a
// crash leaves the old or the new one. What the files hold is others' business.

import RepoContext

#if canImport(Glibc)
    import Glibc
#endif

/// Files of a run's folder.
package enum RunFolder {
    /// Makes the folder and those above it; others may read them as the user's umask says.
    package static func make(_ folder: String) throws {
        if isFolder(folder) { return }
        let above = parent(of: folder)
        if above != folder { try make(above) }
        if mkdir(folder, 0o777) == 0 { return }
        let reason = String(cString: strerror(errno))
        // Another run may have made it meanwhile.
        guard isFolder(folder) else { throw unusable(folder, reason: reason) }
    }

    /// Says now what would stop a run later, without making anything.
    package static func check(_ folder: String) throws {
        guard !folder.isEmpty else { throw unusable("''", reason: "it has no name") }
        var nearest = folder
        var status = stat()
        while stat(nearest, &status) != 0 {
            guard errno == ENOENT, parent(of: nearest) != nearest else {
                throw unusable(folder, reason: String(cString: strerror(errno)))
            }
            nearest = parent(of: nearest)
        }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw unusable(folder, reason: "\(nearest) is no folder")
        }
        guard access(nearest, W_OK | X_OK) == 0 else {
            throw unusable(folder, reason: "\(nearest): \(String(cString: strerror(errno)))")
        }
    }

    /// Keeps a second run out of a folder for as long as it lives.
    static func lock(_ folder: String) throws -> FileLock {
        let lock: FileLock?
        do {
            lock = try FileLock.take(folder: folder)
        } catch {
            throw Self.error("cannot be locked", folder, code: error.code)
        }
        guard let lock else {
            throw EvaluationError(
                .data, "\(folder) is being written by another evaluation",
                fix: "wait for it or use another --output")
        }
        return lock
    }

    private static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    private static func unusable(_ folder: String, reason: String) -> EvaluationError {
        EvaluationError(
            .data, "the folder \(folder) cannot be used: \(reason)", fix: "choose another --output")
    }

    static func parent(of path: String) -> String {
        var path = path[...]
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// - Parameter code: as `errno` gives it.
    static func error(_ what: String, _ path: String, code: Int32 = errno) -> EvaluationError {
        EvaluationError(
            .data, "\(path) \(what): \(String(cString: strerror(code)))",
            fix: "check the folder and the disk")
    }

    /// Brings a folder's own entries to disk.
    static func synchronize(_ folder: String) throws {
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw error("cannot be opened", folder) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw error("cannot be brought to disk", folder) }
    }

    static func write(_ bytes: [UInt8], to descriptor: Int32, path: String) throws {
        try bytes.withUnsafeBytes { buffer in
            var offset = 0
            while offset < buffer.count {
                let count = Glibc.write(descriptor, buffer.baseAddress! + offset, buffer.count - offset)
                if count > 0 {
                    offset += count
                } else if errno != EINTR {
                    throw error("cannot be written", path)
                }
            }
        }
    }

    /// Writes a file so that it is either the old or the new one.
    package static func replace(_ path: String, with bytes: [UInt8]) throws {
        let temporary = path + ".new"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw error("cannot be written", temporary) }
        defer { close(descriptor) }
        try write(bytes, to: descriptor, path: temporary)
        guard fsync(descriptor) == 0, rename(temporary, path) == 0 else {
            throw error("cannot be written", path)
        }
        try synchronize(parent(of: path))
    }
}
