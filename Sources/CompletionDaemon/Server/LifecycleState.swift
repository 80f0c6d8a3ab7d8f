// The session's life as a state machine (LSP 3.18 "Server lifecycle"): what may be asked when, and the exit
// code. Pure; the server asks it before it looks at any message.

/// Where a session stands.
enum LifecycleState: Equatable, Sendable {
    /// Nothing but `initialize` is answered.
    case started
    /// `initialize` was answered. Requests are served from here on, `initialized` or not: waiting for that
    /// notification would only make a sloppy client fail.
    case serving
    /// `shutdown` was answered; only `exit` is expected.
    case shutDown

    /// Why a request may not be served now, nil when it may.
    func refusal(of request: ClientRequest) -> ResponseError? {
        switch (self, request) {
        case (.started, .initialize): nil
        case (.started, _): .serverNotInitialized
        case (.serving, .initialize): .alreadyInitialized
        case (.serving, _): nil
        case (.shutDown, _): .shutDown
        }
    }

    /// Notifications outside the serving state are dropped, except `exit`.
    var acceptsNotifications: Bool { self == .serving }

    /// The process's exit code when the session ends now: 0 after `shutdown`, 1 otherwise.
    var exitCode: Int32 { self == .shutDown ? 0 : 1 }
}
