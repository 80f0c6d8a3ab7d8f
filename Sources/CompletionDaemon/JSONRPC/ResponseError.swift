// The error half of a response: the codes of JSON-RPC 2.0 section 5.1 and of LSP 3.18 "Response Message".
// Messages are for people: they say what was expected and never contain document text.

/// A numeric error code with its meaning.
enum ErrorCode: Int, Sendable, Codable {
    case parseError = -32700
    case invalidRequest = -32600
    case methodNotFound = -32601
    case invalidParams = -32602
    case internalError = -32603
    case serverNotInitialized = -32002
    case requestFailed = -32803
    case requestCancelled = -32800
}

/// The `error` member of a response.
struct ResponseError: Error, Equatable, Sendable, Codable {
    let code: ErrorCode
    let message: String

    static let serverNotInitialized = ResponseError(
        code: .serverNotInitialized, message: "the server is not initialized: send 'initialize' first")
    static let alreadyInitialized = ResponseError(
        code: .invalidRequest, message: "'initialize' was already received: it may be sent only once")
    static let shutDown = ResponseError(
        code: .invalidRequest, message: "the server has been shut down: only 'exit' may follow")
    static let requestCancelled = ResponseError(code: .requestCancelled, message: "cancelled by the client")
    static let sessionEnded = ResponseError(code: .requestCancelled, message: "the session is ending")

    static func methodNotFound(_ method: String) -> ResponseError {
        ResponseError(code: .methodNotFound, message: "method '\(method.prefix(100))' is not supported")
    }

    static func invalidRequest(_ reason: String) -> ResponseError {
        ResponseError(code: .invalidRequest, message: reason)
    }
}
