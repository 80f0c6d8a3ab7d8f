// One warm per work tree at a time, and the newest checkout wins: whoever comes while another is at work leaves a mark
// and goes, and the one at work begins anew when it sees the mark. The lock goes with its process however it ends.

import RepoContext
import SpecEngine

#if canImport(Glibc)
    import Glibc
#endif

/// The right to warm a work tree. Any thread.
final class WarmFlight: Sendable {
    private let lock: FileLock
    private let markPath: String

    /// Nil when another process is at work, which was told.
    init?(workTreePath: String, folder: String) throws {
        try SnapshotStore.makePrivateFolder(folder)
        let name = folder + "/warm-" + SnapshotStore.folderName(of: workTreePath)
        markPath = name + ".again"
        if let lock = try Self.lock(name + ".lock") {
            self.lock = lock
        } else {
            let mark = open(markPath, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o600)
            if mark >= 0 { close(mark) }
            // The other may have ended between the two looks, without seeing the mark.
            guard let lock = try Self.lock(name + ".lock") else { return nil }
            self.lock = lock
        }
        unlink(markPath)
    }

    private static func lock(_ path: String) throws -> FileLock? {
        do {
            return try FileLock.take(file: path)
        } catch {
            throw CommandError.file("\(path) cannot be locked: \(error.reason)", fix: "check XDG_RUNTIME_DIR")
        }
    }

    /// Whether somebody came meanwhile.
    var isOutdated: Bool { access(markPath, F_OK) == 0 }

    /// The work begins anew.
    func renew() { unlink(markPath) }
}
