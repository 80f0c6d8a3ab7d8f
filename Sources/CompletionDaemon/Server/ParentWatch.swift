// Ends the session when the editor's process has gone without a word (LSP 3.18: `processId` of `initialize`,
// `--clientProcessId`). A closed input tells that too, except where something else holds the pipe open.

import Glibc

/// Watches one process.
enum ParentWatch {
    /// How often is looked. A waiting daemon must not show in anybody's list of busy processes.
    static let interval = Duration.seconds(3)

    /// Calls `gone` once the process has ended, on a thread of its own that lasts until then. Does nothing for a
    /// process that is not there at the start: it may live in another namespace.
    static func start(
        processID: Int64, interval: Duration = interval, _ gone: @escaping @Sendable () -> Void
    ) {
        guard let process = pid_t(exactly: processID), process > 0, let start = startTime(of: process) else {
            return
        }
        _ = BlockingThread.start(name: "parent-watch") {
            let milliseconds = Int32(clamping: Int(interval / .milliseconds(1)))
            repeat { poll(nil, 0, milliseconds) } while startTime(of: process) == start
            gone()
        }
    }

    /// When a process began, in clock ticks since the system did; nil when there is none or it has ended. The number of
    /// a process is used again, its beginning is not.
    private static func startTime(of process: pid_t) -> UInt64? {
        let descriptor = open("/proc/\(process)/stat", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 1024)
        let count = read(descriptor, &bytes, bytes.count)
        // The second field, the name in parentheses, may hold anything (proc(5)).
        guard count > 0, let end = bytes[..<count].lastIndex(of: UInt8(ascii: ")")) else { return nil }
        let fields = bytes[(end + 1)..<count].split(separator: UInt8(ascii: " "))
        guard fields.count > 19, fields[0] != [UInt8(ascii: "Z")] else { return nil }
        return UInt64(String(decoding: fields[19], as: UTF8.self))
    }
}
