// What `Position.character` counts (LSP 3.18, `general.positionEncodings`).

/// The unit of columns on the wire, fixed for a session by `initialize`.
enum PositionEncoding: String, Sendable, Codable, CaseIterable {
    case utf8 = "utf-8"
    case utf16 = "utf-16"
    case utf32 = "utf-32"

    /// The first of the client's encodings, which it lists by preference, that exists; UTF-16 when it names
    /// none.
    static func negotiated(clientPreference: [String]?) -> PositionEncoding {
        clientPreference?.lazy.compactMap { PositionEncoding(rawValue: $0) }.first ?? .utf16
    }
}
