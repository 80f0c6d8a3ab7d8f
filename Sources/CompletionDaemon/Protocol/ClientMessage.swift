// Everything a client can send, as closed enums, and the one place where method names meet types. A message
// is decoded in one pass: id and method first, then the parameters by the method's type. Nothing here throws
// for what a client may get wrong; a wrong message decodes to a case that says how to answer it.
//
// To add a message: a case in ClientRequest or ClientNotification, its method name in the decoding below, its
// parameters in a file of its family; the compiler then asks for its handling in Server.

/// A request with decoded parameters.
enum ClientRequest: Sendable {
    case initialize(InitializeParams)
    case shutdown
    case inlineCompletion(InlineCompletionParams)
    case menuCompletion(MenuCompletionParams)
    case executeCommand(ExecuteCommandParams)
    case unknown(method: String)
    case invalidParams(method: String, reason: String)
}

/// A notification with decoded parameters.
enum ClientNotification: Sendable {
    case initialized
    case exit
    case didOpen(DidOpenParams)
    case didChange(DidChangeParams)
    case didSave(DidSaveParams)
    case didClose(DidCloseParams)
    case cancelRequest(CancelParams)
    case didFocus(DidFocusParams)
    case didChangeConfiguration(DidChangeConfigurationParams)
    case didChangeWorkspaceFolders(DidChangeWorkspaceFoldersParams)
    case didShowCompletion(DidShowCompletionParams)
    case didPartiallyAcceptCompletion(DidPartiallyAcceptCompletionParams)
    case unknown(method: String)
    case invalidParams(method: String, reason: String)
}

/// What the client answered to a request of the server.
enum ClientResponse: Equatable, Sendable {
    case result(JSONValue)
    case error
}

/// One decoded body.
enum ClientMessage: Sendable {
    case request(RequestID, ClientRequest)
    case notification(ClientNotification)
    /// To a request of the server.
    case response(RequestID?, ClientResponse)
    /// Not JSON, or JSON but no message; answered with the id as far as it could be read.
    case invalid(RequestID?, ResponseError)

    /// Decodes a body. Never fails: what cannot be decoded becomes `invalid` or `invalidParams`.
    static func decode(_ body: [UInt8], limits: Limits) -> ClientMessage {
        var body = body
        do {
            try JSONText.prepare(&body, nestingLimit: limits.jsonNestingDepth)
        } catch {
            return .invalid(nil, ResponseError(code: .parseError, message: error.description))
        }
        do {
            return try WireCoding.decode(MessageEnvelope.self, from: body).message
        } catch DecodingError.dataCorrupted {
            return .invalid(nil, ResponseError(code: .parseError, message: "the message is not valid JSON"))
        } catch {
            return .invalid(nil, .invalidRequest("the message is not a JSON-RPC object"))
        }
    }
}

/// The decoding of a body by id and method.
private struct MessageEnvelope: Decodable {
    let message: ClientMessage

    private enum CodingKeys: String, CodingKey { case jsonrpc, id, method, params, result, error }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let id: RequestID?
        do {
            id = try container.decodeIfPresent(RequestID.self, forKey: .id)
        } catch {
            message = .invalid(nil, .invalidRequest("'id' must be an integer or a string"))
            return
        }
        // Wrong types are answered below like absent members.
        let version = try? container.decode(String.self, forKey: .jsonrpc)
        guard version == JSONRPCVersion.current else {
            message = .invalid(id, .invalidRequest("'jsonrpc' must be \"2.0\""))
            return
        }
        guard container.contains(.method) else {
            message = Self.responseMessage(id: id, in: container)
            return
        }
        guard let method = try? container.decode(String.self, forKey: .method) else {
            message = .invalid(id, .invalidRequest("'method' must be a string"))
            return
        }
        if let id {
            message = .request(id, Self.request(method, in: container))
        } else if container.contains(.id) {
            message = .invalid(nil, .invalidRequest("'id' must not be null"))
        } else {
            message = .notification(Self.notification(method, in: container))
        }
    }

    private typealias Container = KeyedDecodingContainer<CodingKeys>

    private static func responseMessage(id: RequestID?, in container: Container) -> ClientMessage {
        if container.contains(.error) { return .response(id, .error) }
        if container.contains(.result) {
            // What cannot be read is an answer all the same.
            return .response(id, .result((try? container.decode(JSONValue.self, forKey: .result)) ?? .null))
        }
        return .invalid(id, .invalidRequest("'method' is missing"))
    }

    private static func request(_ method: String, in container: Container) -> ClientRequest {
        do {
            switch method {
            case "initialize":
                return .initialize(try container.decode(InitializeParams.self, forKey: .params))
            case "shutdown":
                return .shutdown
            case "textDocument/inlineCompletion":
                return .inlineCompletion(try container.decode(InlineCompletionParams.self, forKey: .params))
            case "textDocument/completion":
                return .menuCompletion(try container.decode(MenuCompletionParams.self, forKey: .params))
            case "workspace/executeCommand":
                return .executeCommand(try container.decode(ExecuteCommandParams.self, forKey: .params))
            case let other:
                return .unknown(method: other)
            }
        } catch {
            return .invalidParams(method: method, reason: WireCoding.explain(error))
        }
    }

    private static func notification(_ method: String, in container: Container) -> ClientNotification {
        do {
            switch method {
            case "initialized":
                return .initialized
            case "exit":
                return .exit
            case "textDocument/didOpen":
                return .didOpen(try container.decode(DidOpenParams.self, forKey: .params))
            case "textDocument/didChange":
                return .didChange(try container.decode(DidChangeParams.self, forKey: .params))
            case "textDocument/didSave":
                return .didSave(try container.decode(DidSaveParams.self, forKey: .params))
            case "textDocument/didClose":
                return .didClose(try container.decode(DidCloseParams.self, forKey: .params))
            case "$/cancelRequest":
                return .cancelRequest(try container.decode(CancelParams.self, forKey: .params))
            case "workspace/didChangeConfiguration":
                return .didChangeConfiguration(
                    try container.decode(DidChangeConfigurationParams.self, forKey: .params))
            case "workspace/didChangeWorkspaceFolders":
                return .didChangeWorkspaceFolders(
                    try container.decode(DidChangeWorkspaceFoldersParams.self, forKey: .params))
            case "textDocument/didFocus":
                return .didFocus(try container.decode(DidFocusParams.self, forKey: .params))
            case "textDocument/didShowCompletion":
                return .didShowCompletion(try container.decode(DidShowCompletionParams.self, forKey: .params))
            case "textDocument/didPartiallyAcceptCompletion":
                return .didPartiallyAcceptCompletion(
                    try container.decode(DidPartiallyAcceptCompletionParams.self, forKey: .params))
            case let other:
                return .unknown(method: other)
            }
        } catch {
            return .invalidParams(method: method, reason: WireCoding.explain(error))
        }
    }
}
