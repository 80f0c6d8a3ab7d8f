// One warm per work tree at a time, and the newest checkout wins: whoever comes while another is at work leaves a mark
// and goes, and the one at work begins anew when it sees the mark. The lock goes with its process however it ends.

import SpecEngine

#if canImport(Glibc)
    import Glibc
#endif

/// The right to warm a work tree. Any thread.
final class WarmFlight: Sendable {
    private let descriptor: Int32
    private let markPath: String

    /// Nil when another process is at work, which was told.
    init?(workTreePath: String, folder: String) throws {
        try SnapshotStore.makePrivateFolder(folder)
        let name = folder + "/warm-" + SnapshotStore.folderName(of: workTreePath)
        markPath = name + ".again"
        descriptor = open(name + ".lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw CommandError.file(
                "\(name).lock cannot be opened: \(String(cString: strerror(errno)))",
                fix: "check XDG_RUNTIME_DIR")
        }
        if flock(descriptor, LOCK_EX | LOCK_NB) == 0 {
            unlink(markPath)
            return
        }
        let mark = open(markPath, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o600)
        if mark >= 0 { close(mark) }
        // The other may have ended between the two looks, without seeing the mark.
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            return nil
        }
        unlink(markPath)
    }

    deinit { close(descriptor) }

    /// Whether somebody came meanwhile.
    var isOutdated: Bool { access(markPath, F_OK) == 0 }

    /// The work begins anew.
    func renew() { unlink(markPath) }
}
