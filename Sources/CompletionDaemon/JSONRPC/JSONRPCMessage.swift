// The three messages that the server writes, and the coding of bodies both ways. Incoming messages are
// decoded straight into their typed form (Protocol/ClientMessage.swift); there is no untyped message in
// between.

import FoundationEssentials

/// A response that carries a result. An absent result is written as null, which the protocol requires.
struct ResultMessage<Result: Encodable>: Encodable {
    let id: RequestID?
    let result: Result

    private enum CodingKeys: String, CodingKey { case jsonrpc, id, result }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(JSONRPCVersion.current, forKey: .jsonrpc)
        try container.encode(id, forKey: .id)
        try container.encode(result, forKey: .result)
    }
}

/// A response that carries an error. A nil id is written as null.
struct ErrorMessage: Encodable {
    let id: RequestID?
    let error: ResponseError

    private enum CodingKeys: String, CodingKey { case jsonrpc, id, error }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(JSONRPCVersion.current, forKey: .jsonrpc)
        try container.encode(id, forKey: .id)
        try container.encode(error, forKey: .error)
    }
}

/// A request from the server.
struct RequestMessage<Params: Encodable>: Encodable {
    let jsonrpc = JSONRPCVersion.current
    let id: RequestID
    let method: String
    let params: Params
}

/// A notification from the server.
struct NotificationMessage<Params: Encodable>: Encodable {
    let jsonrpc = JSONRPCVersion.current
    let method: String
    let params: Params
}

/// The version that every message names.
enum JSONRPCVersion {
    static let current = "2.0"
}

/// A result of null: "nothing to say", as for shutdown or no suggestion.
struct NullResult: Encodable, Sendable {
    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encodeNil()
    }
}

/// Bodies to bytes and back.
enum WireCoding {
    /// Keys are sorted, so that equal messages are equal bytes in recordings.
    static func encode(_ message: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(message))
    }

    static func decode<Message: Decodable>(_ type: Message.Type, from body: [UInt8]) throws -> Message {
        try JSONDecoder().decode(type, from: Data(body))
    }

    /// Where a decoding failed and what was expected there, in one line without the offending text.
    static func explain(_ error: any Error) -> String {
        guard let error = error as? DecodingError else { return "the message could not be decoded" }
        switch error {
        case .typeMismatch(let type, let context):
            return "\(path(context.codingPath)): expected \(type)"
        case .valueNotFound(let type, let context):
            return "\(path(context.codingPath)): expected \(type), found null"
        case .keyNotFound(let key, let context):
            return "\(path(context.codingPath + [key])): missing"
        case .dataCorrupted(let context):
            return "\(path(context.codingPath)): not a valid value"
        @unknown default:
            return "the message could not be decoded"
        }
    }

    private static func path(_ keys: [any CodingKey]) -> String {
        guard !keys.isEmpty else { return "message" }
        return keys.map { key in key.intValue.map { "[\($0)]" } ?? key.stringValue }.joined(separator: ".")
    }
}
