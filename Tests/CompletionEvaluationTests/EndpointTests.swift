// The client for other engines: which addresses and keys it takes, what it understands of answers, and how it behaves
// towards a server on this machine that redirects, fails and recovers.

import CompletionEvaluation
import Foundation
import TestSupport
import Testing

@Suite("Evaluation endpoint")
struct EndpointTests {
    @Test("Plain http only on this machine; no user, password or query in an address")
    func addresses() throws {
        for good in [
            "https://host/v1", "http://127.0.0.1:8080/v1/", "http://localhost:1/v1", "http://[::1]:80/v1",
        ] {
            #expect(throws: Never.self, "\(good)") { try EndpointURL(good) }
        }
        for bad in [
            "http://host/v1", "ftp://127.0.0.1/", "https://user:secret@host/v1", "https://host/v1?key=secret",
            "host",
            "http://127.0.0.1.example.org/v1", "",
        ] {
            let error = #expect(throws: EvaluationError.self, "\(bad)") { try EndpointURL(bad) }
            #expect(error?.description.contains("secret@") != true)
        }
    }

    @Test("A key file that others can read is refused")
    func keyFile() throws {
        let path = try RepositoryFixture.temporaryFolder() + "/key"
        try Data("abc-123\n".utf8).write(to: URL(fileURLWithPath: path))
        chmod(path, 0o644)
        #expect(throws: EvaluationError.self) { try EndpointKey.find(file: path) }
        chmod(path, 0o600)
        #expect(try EndpointKey.find(file: path) == "abc-123")
    }

    private func stream(_ text: String, pieceLength: Int) -> EndpointStream {
        var stream = EndpointStream()
        let bytes = Array(text.utf8)
        for start in stride(from: 0, to: bytes.count, by: pieceLength) {
            bytes[start..<min(bytes.count, start + pieceLength)].withUnsafeBytes { stream.append($0) }
        }
        stream.end()
        return stream
    }

    @Test("Streams come in pieces of any length", arguments: [1, 7, 10_000])
    func streams(_ pieceLength: Int) {
        let step = #"{"id":5,"logprob":-0.5,"top_logprobs":[{"id":5,"logprob":-0.5},{"id":6,"logprob":-1.5}]}"#
        let text = """
            : a comment
            data: {"choices":[{"text":"return ","logprobs":{"content":[\(step)]}}]}

            data: {"choices":[{"text":"é","finish_reason":"stop"}],"timings":{"prompt_n":3,"cache_n":4}}
            data: [DONE]

            """
        let answer = stream(text, pieceLength: pieceLength).answer
        #expect(String(decoding: answer.text, as: UTF8.self) == "return é")
        #expect(answer.tokens == [5])
        #expect(answer.margins == [1])
        #expect(answer.promptTokens == 7)
        #expect(answer.stopReason == "stop")
    }

    @Test("A server that does not stream, and one that reports an error")
    func others() {
        let whole = stream(
            #"{"choices":[{"text":"x","logprobs":{"tokens":["x"],"token_logprobs":[-0.1],"#
                + #""top_logprobs":[{"x":-0.1,"y":-2.1}]}}],"usage":{"prompt_tokens":9}}"#,
            pieceLength: 50)
        #expect(whole.answer.text == [0x78])
        #expect(whole.answer.margins == [2])
        #expect(whole.answer.promptTokens == 9)
        #expect(
            stream(#"{"error":{"message":"no such model"}}"#, pieceLength: 9).failure?.contains(
                "no such model") == true)
    }

    private func endpoint(_ server: LoopbackServer) throws -> CompletionEndpoint {
        CompletionEndpoint(
            url: try EndpointURL("http://127.0.0.1:\(server.port)/v1"), model: nil, key: "secret", extra: [:],
            timeout: .seconds(20))
    }

    private static let request = EndpointRequest(
        prompt: .array([.number(1)]), suffix: nil, maximumTokens: 4, temperature: 0, seed: 1,
        wantsProbabilities: false)

    @Test("A passing failure is tried again; the key goes into a header and the prompt's ids are integers")
    func retry() throws {
        let server = try LoopbackServer(answers: [
            "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 34\r\n\r\n{\"choices\":[{\"text\":\"hello\"}]}    ",
        ])
        let answer = try endpoint(server).complete(
            Self.request, isCancelled: { false }, shouldStop: { _ in false })
        #expect(String(decoding: answer.text, as: UTF8.self) == "hello")
        #expect(answer.attempts == 2)
        #expect(server.requests.last?.contains("Authorization: Bearer secret") == true)
        #expect(server.requests.last?.contains(#""prompt":[1]"#) == true)
    }

    @Test("A redirect is refused, and the key is not sent on")
    func redirect() throws {
        let server = try LoopbackServer(answers: [
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
        ])
        let error = #expect(throws: EvaluationError.self) {
            try endpoint(server).complete(Self.request, isCancelled: { false }, shouldStop: { _ in false })
        }
        #expect(error?.message.contains("redirects") == true)
        #expect(error?.message.contains("secret") == false)
        #expect(server.requests.count == 1)
    }

    private static let key = "sk-0123456789abcdef"

    /// The error that a server's answer ends in.
    private func failure(
        _ status: String, _ body: String, _ request: EndpointRequest = Self.request
    ) throws -> EvaluationError? {
        let server = try LoopbackServer(answers: [
            "HTTP/1.1 \(status)\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
        ])
        let endpoint = CompletionEndpoint(
            url: try EndpointURL("http://127.0.0.1:\(server.port)/v1"), model: nil, key: Self.key, extra: [:],
            timeout: .seconds(20), attemptCount: 1)
        return #expect(throws: EvaluationError.self) {
            try endpoint.complete(request, isCancelled: { false }, shouldStop: { _ in false })
        }
    }

    @Test(
        "The key is in no message, whatever a server repeats of it",
        arguments: [
            #"{"error":{"message":"bad header: Bearer KEY"}}"#, #"{"error":"KEY"}"#, #"{"detail":"KEY"}"#,
            #"{"message":"you sent sk-012345********"}"#, #"{"error":{"message":"SK-0123456789ABCDEF"}}"#,
            "<html>Authorization: Bearer KEY</html>", "KEY",
            #"{"error":{"message":"\u0073\u006b-0123456789abcdef"}}"#,
        ])
    func echoedKey(body: String) throws {
        let body = body.replacingOccurrences(of: "KEY", with: Self.key)
        for status in ["401 Unauthorized", "400 Bad Request", "500 Error", "200 OK"] {
            let error = try failure(status, body)
            let message = (error?.description ?? "").lowercased()
            #expect(!message.contains("sk-012345") && !message.contains("abcdef"), "\(status)")
            if status != "200 OK" { #expect(message.contains(status.prefix(3)), "\(status)") }
        }
    }

    @Test("What a server says is shown short, on one line and without characters that a terminal obeys")
    func serverText() throws {
        let said = #"no\u001b[2J model\nnamed\u202e \u0007x "# + String(repeating: "y", count: 5_000)
        let message = try failure("404 Not Found", #"{"error":{"message":"\#(said.prefix(3_000))"}}"#)?.message ?? ""
        #expect(message.contains("404 (no [2J model named x yyy") && message.count < 400)
        #expect(!message.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x202E })
    }

    @Test("One character of any number of accents does not make a message long")
    func accents() throws {
        let said = "e" + String(repeating: "\u{301}", count: 1_500)
        let message = try failure("404 Not Found", #"{"error":"\#(said)"}"#)?.message ?? ""
        #expect(message.contains("404") && message.unicodeScalars.count < 400)
    }

    @Test("A message that repeats a piece of the prompt is left out, however the server lays it out")
    func echoedPrompt() throws {
        var request = Self.request
        request.prompt = .string("import prices\n\ndef discounted_total(\n    price, rate):\n")
        request.suffix = "    return price * (1 - rate)\n"
        for said in ["bad: def discounted_total( price, rate):", "input='return price * (1 - rate)'"] {
            for status in ["400 Bad Request", "422 No", "200 OK"] {
                let message = try failure(status, #"{"error":{"message":"\#(said)"}}"#, request)?.message ?? ""
                #expect(message.contains("left out") && !message.contains("price"), "\(status): \(message)")
            }
        }
        request.prompt = .array((100..<120).map { .number(Double($0)) })
        let ids = (100..<120).map { "\($0)" }.joined(separator: ", ")
        let message = try failure("400 Bad Request", #"{"error":"not [\#(ids)]"}"#, request)?.message ?? ""
        #expect(message.contains("left out"))
        let harmless = try failure("400 Bad Request", #"{"error":"the price is too high"}"#, request)?.message ?? ""
        #expect(harmless.contains("the price is too high"))
    }

    @Test("Failures that pass are told from refusals, which asking again would not change")
    func kinds() throws {
        for (status, kind) in [
            ("400 Bad Request", EvaluationError.Kind.refusal), ("401 Unauthorized", .refusal),
            ("404 Not Found", .refusal), ("429 Too Many", .endpoint), ("500 Error", .endpoint), ("503 Busy", .endpoint),
        ] {
            let error = try failure(status, "")
            #expect(error?.kind == kind && error?.fix.isEmpty == false, "\(status)")
        }
        let gone = CompletionEndpoint(
            url: try EndpointURL("http://127.0.0.1:\(try LoopbackServer.freePort())/v1"), model: nil, key: nil,
            extra: [:], timeout: .seconds(20), attemptCount: 1)
        let error = #expect(throws: EvaluationError.self) {
            try gone.complete(Self.request, isCancelled: { false }, shouldStop: { _ in false })
        }
        #expect(error?.kind == .endpoint)
    }

    @Test("The stop rule ends the transfer")
    func stopRule() throws {
        let server = try LoopbackServer(answers: [
            "HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\ndata: {\"choices\":[{\"text\":\"a\\n\"}]}\n\n"
        ])
        let answer = try endpoint(server).complete(
            Self.request, isCancelled: { false }, shouldStop: { $0.contains(0x0A) })
        #expect(answer.stopReason == "stop_rule")
    }
}
