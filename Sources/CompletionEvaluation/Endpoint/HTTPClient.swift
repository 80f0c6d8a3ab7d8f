// The one HTTP client of the project: a request to a server that the user named, and nothing else. Encrypted unless the
// server is on this machine, redirects refused, answers and times bounded. Blocking: call it on a thread of your own.

import CHTTPClient

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
#if canImport(Glibc)
    import Glibc
#endif

/// A server's address, checked.
package struct EndpointURL: Sendable, Equatable, CustomStringConvertible {
    /// Without a trailing slash; it holds no user, password or query.
    package let text: String
    package let isLoopback: Bool

    package init(_ text: String) throws {
        let fix = "write for example http://127.0.0.1:8080/v1 or https://host/v1"
        guard let url = URL(string: text), let scheme = url.scheme?.lowercased(), let host = url.host(),
            scheme == "http" || scheme == "https", !host.isEmpty
        else { throw EvaluationError(.usage, "'\(text)' is no address of a server", fix: fix) }
        guard url.user() == nil, url.password() == nil, url.query() == nil, url.fragment() == nil else {
            throw EvaluationError(
                .usage, "the server's address holds a user, a password or a query",
                fix: "give keys in a file; \(fix)")
        }
        let name = host.lowercased().filter { $0 != "[" && $0 != "]" }
        isLoopback = name == "localhost" || name == "::1" || Self.isLoopbackAddress(name)
        guard scheme == "https" || isLoopback else {
            throw EvaluationError(
                .usage, "\(text) is not encrypted and not on this machine",
                fix: "use https, or a server on 127.0.0.1")
        }
        self.text = text.hasSuffix("/") ? String(text.dropLast()) : text
    }

    private static func isLoopbackAddress(_ name: String) -> Bool {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }

    package var description: String { text }
}

/// Why a request gave nothing.
package struct HTTPFailure: Error, Sendable, Equatable {
    package let message: String
    var fix = "look into the server's log"
    /// Whether another attempt may succeed: the server cannot be reached, is busy or has a failure of its own.
    package let isPassing: Bool
}

/// Sends requests.
package struct HTTPClient: Sendable {
    /// What is kept of an answer that reports an error.
    static let maximumErrorByteCount = 4_096

    let connectTimeout: Duration
    let timeout: Duration

    package init(connectTimeout: Duration = .seconds(10), timeout: Duration) {
        self.connectTimeout = connectTimeout
        self.timeout = timeout
    }

    /// Posts JSON and hands each piece of a successful answer to `onBody`, which returns false for no more.
    ///
    /// - Parameter sent: texts in the body that no message may repeat.
    package func post(
        _ url: EndpointURL, path: String, body: [UInt8], key: String?, sent: [String], isCancelled: () -> Bool,
        onBody: (UnsafeRawBufferPointer) -> Bool
    ) throws(HTTPFailure) {
        var headers = [
            "Content-Type: application/json", "Accept: text/event-stream, application/json", "Expect:",
        ]
        if let key { headers.append("Authorization: Bearer \(key)") }
        let result = withoutActuallyEscaping(isCancelled) { isCancelled in
            withoutActuallyEscaping(onBody) { onBody in
                perform(url.text + path, url.isLoopback, headers, body, Transfer(onBody, isCancelled))
            }
        }
        try check(result.0, firstBytes: result.1, key: key, sent: sent)
    }

    /// What C calls back; lives as long as one call.
    private final class Transfer {
        let onBody: (UnsafeRawBufferPointer) -> Bool
        let isCancelled: () -> Bool
        /// The beginning of the answer, for the message when it is an error.
        var firstBytes: [UInt8] = []

        init(_ onBody: @escaping (UnsafeRawBufferPointer) -> Bool, _ isCancelled: @escaping () -> Bool) {
            self.onBody = onBody
            self.isCancelled = isCancelled
        }
    }

    private func perform(
        _ url: String, _ isLoopback: Bool, _ headers: [String], _ body: [UInt8], _ transfer: Transfer
    ) -> (foretoken_http_result, [UInt8]) {
        var result = foretoken_http_result()
        let copies = headers.map { strdup($0) }
        defer { copies.forEach { free($0) } }
        var pointers = copies.map { UnsafePointer($0) }
        url.withCString { url in
            pointers.withUnsafeMutableBufferPointer { pointers in
                body.withUnsafeBytes { body in
                    var request = foretoken_http_request()
                    request.url = url
                    request.headers = UnsafePointer(pointers.baseAddress)
                    request.header_count = pointers.count
                    request.body = body.baseAddress?.assumingMemoryBound(to: CChar.self)
                    request.body_byte_count = body.count
                    request.connect_timeout_ms = Int(connectTimeout / .milliseconds(1))
                    request.timeout_ms = Int(timeout / .milliseconds(1))
                    request.allows_plain_http = isLoopback ? 1 : 0
                    request.context = Unmanaged.passUnretained(transfer).toOpaque()
                    request.on_body = { context, bytes, count in
                        guard let context, let bytes else { return 0 }
                        let transfer = Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
                        let piece = UnsafeRawBufferPointer(start: bytes, count: count)
                        let room = HTTPClient.maximumErrorByteCount - transfer.firstBytes.count
                        transfer.firstBytes += piece.prefix(max(0, room))
                        return transfer.onBody(piece) ? 1 : 0
                    }
                    request.should_stop = { context in
                        guard let context else { return 1 }
                        return Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue().isCancelled()
                            ? 1 : 0
                    }
                    foretoken_http_perform(&request, &result)
                }
            }
        }
        return (result, transfer.firstBytes)
    }

    private func check(
        _ result: foretoken_http_result, firstBytes: [UInt8], key: String?, sent: [String]
    ) throws(HTTPFailure) {
        let words = withUnsafeBytes(of: result.message) {
            String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        }
        switch result.outcome {
        case FORETOKEN_HTTP_NO_LIBRARY:
            throw HTTPFailure(
                message: "libcurl is not installed", fix: "install it (Debian: apt-get install libcurl4)",
                isPassing: false)
        case FORETOKEN_HTTP_UNREACHABLE:
            throw HTTPFailure(
                message: "the server cannot be reached: \(words)", fix: "check that it runs, and its address",
                isPassing: true)
        case FORETOKEN_HTTP_TIMEOUT:
            throw HTTPFailure(
                message: "the server did not answer in time", fix: "check that it runs, or give it more time",
                isPassing: true)
        case FORETOKEN_HTTP_FAILED:
            throw HTTPFailure(message: words, fix: "check the server's address and certificate", isPassing: false)
        default: break
        }
        let status = result.status
        if (200..<300).contains(status) { return }
        // A stopped transfer has no status before the first line of the answer.
        if status == 0, result.outcome == FORETOKEN_HTTP_STOPPED { return }
        throw Self.failure(status: status, body: firstBytes, key: key, sent: sent)
    }

    private static func failure(status: Int, body: [UInt8], key: String?, sent: [String]) -> HTTPFailure {
        if (300..<400).contains(status) {
            return HTTPFailure(
                message: "the server redirects (\(status)), which is not followed", fix: "name the address itself",
                isPassing: false)
        }
        let said = ServerMessage.shown(body: body, key: key, sent: sent).map { " (\($0))" } ?? ""
        let fix =
            switch status {
            case 401, 403: "check the key"
            case 404, 405: "check the address, which mostly ends in /v1, and the model's name"
            case 400, 422:
                "check the model's name, which form of \"prompt\" the server takes, and how long a prompt it reads"
            case 413: "lower the number of prompt tokens"
            case 429: "ask less often, or try again later"
            default: "look into the server's log"
            }
        return HTTPFailure(
            message: "the server answered \(status)\(said)", fix: fix, isPassing: status == 429 || status >= 500)
    }
}
