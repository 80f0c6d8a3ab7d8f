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
        guard let process = pid_t(exactly: processID), process > 0,
            case .running(let start) = look(at: process)
        else { return }
        _ = BlockingThread.start(name: "parent-watch") {
            let milliseconds = Int32(clamping: Int(interval / .milliseconds(1)))
            repeat { poll(nil, 0, milliseconds) } while !isGone(process, start)
            gone()
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

    private static func isGone(_ process: pid_t, _ start: UInt64) -> Bool {
        switch look(at: process) {
        case .running(let now): now != start
        case .gone: true
        case .unclear: false
        }
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
