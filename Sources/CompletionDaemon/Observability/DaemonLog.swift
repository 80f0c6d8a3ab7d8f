// The daemon's log: swift-log to standard error, where editors pick it up. Levels say who must act: critical,
// our own fault; error, something around us is broken; warning, the client or a document is odd; info, one
// line per session step; debug, one line per message. No level above trace contains document text, and paths
// and URIs are the most that any line says about the user's files.

import Logging

/// Sets up logging for the process.
enum DaemonLog {
    /// Enough to see a session begin, end and go wrong; a quiet editor log otherwise.
    static let defaultLevel = Logger.Level.info

    /// Call once per process, before the first logger is made.
    static func bootstrap(level: Logger.Level) {
        LoggingSystem.bootstrap { label in
            var handler = StreamLogHandler.standardError(label: label)
            handler.logLevel = level
            return EscapingLogHandler(handler)
        }
    }

    /// The logger of a part of the daemon, named after it.
    static func logger(_ part: String) -> Logger {
        Logger(label: "foretoken.\(part)")
    }
}
