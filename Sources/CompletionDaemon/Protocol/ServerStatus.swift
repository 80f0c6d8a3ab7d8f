// `didChangeStatus`, by the shape that Copilot's language server documents: what a plugin's status line shows. Sent
// only to clients that said who they are the way that server asks for: others would log an unknown message.

/// What the server is doing.
struct ServerStatus: Encodable, Equatable, Sendable {
    static let method = "didChangeStatus"

    enum Kind: String, Encodable, Sendable {
        case normal = "Normal"
        case error = "Error"
        /// Nothing is completed here: switched off, or the file is excluded.
        case inactive = "Inactive"
    }

    var busy: Bool
    var message: String
    var kind: Kind
}
