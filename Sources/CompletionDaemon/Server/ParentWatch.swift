// Ends the session when the editor's process has gone without a word (LSP 3.18: `processId` of `initialize`,
// `--clientProcessId`). A closed input tells that too, except where something else holds the pipe open.

import Glibc

/// Watches one process.
enum ParentWatch {
    /// How often is looked. A waiting daemon must not show in anybody's list of busy processes.
    static let interval = Duration.seconds(3)

    /// Calls `gone` once the process has ended, on a thread of its own that lasts until then. Does nothing for a
    /// process that is not there when it is first seen clearly: it may live in another namespace.
    ///
    /// - Parameter look: how a process is looked at.
    static func start(
        processID: Int64, interval: Duration = interval, look: @escaping @Sendable (pid_t) -> Sight = look(at:),
        _ gone: @escaping @Sendable () -> Void
    ) {
        guard let process = pid_t(exactly: processID), process > 0 else { return }
        let first = look(process)
        if first == .gone { return }
        _ = BlockingThread.start(name: "parent-watch") {
            let milliseconds = Int32(clamping: Int(interval / .milliseconds(1)))
            // Where nothing can be seen at first, the next clear look is the first one.
            var known = first
            while true {
                poll(nil, 0, milliseconds)
                let now = look(process)
                if now == .unclear || now == known { continue }
                if known != .unclear { return gone() }
                if now == .gone { return }
                known = now
            }
        }
    }

    /// What a look at a process shows.
    enum Sight: Equatable {
        /// It began at this time, in clock ticks since the system did. Its number is used again, its beginning is not.
        case running(start: UInt64)
        case gone
        /// Nothing can be seen now: descriptors or memory have run out, which says nothing about the process.
        case unclear
    }

    /// - Parameter code: of errno.
    static func sight(afterFailureToOpen code: Int32) -> Sight {
        code == ENOENT || code == ESRCH ? .gone : .unclear
    }

    static func look(at process: pid_t) -> Sight {
        let descriptor = open("/proc/\(process)/stat", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return sight(afterFailureToOpen: errno) }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 1024)
        let count = read(descriptor, &bytes, bytes.count)
        // The second field, the name in parentheses, may hold anything (proc(5)).
        guard count > 0 else { return count < 0 && errno == ESRCH ? .gone : .unclear }
        guard let end = bytes[..<count].lastIndex(of: UInt8(ascii: ")")) else { return .unclear }
        let fields = bytes[(end + 1)..<count].split(separator: UInt8(ascii: " "))
        guard fields.count > 19, let start = UInt64(String(decoding: fields[19], as: UTF8.self)) else {
            return .unclear
        }
        return fields[0] == [UInt8(ascii: "Z")] ? .gone : .running(start: start)
    }
}
