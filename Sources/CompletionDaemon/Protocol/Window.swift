// `window/logMessage` (LSP 3.18): lines for the editor's log of this server.

/// One line for the client's log.
struct LogMessageParams: Encodable, Sendable {
    /// How serious it is, by the protocol's numbers.
    enum Kind: Int, Encodable, Sendable {
        case error = 1
        case warning = 2
        case info = 3
    }

    static let method = "window/logMessage"

    let type: Kind
    let message: String
}
