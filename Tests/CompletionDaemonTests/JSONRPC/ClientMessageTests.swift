// Bodies to typed messages: every way to be wrong has its defined answer, and no body can crash the decoder.

import Testing

@testable import CompletionDaemon

@Suite("Message decoding")
struct ClientMessageTests {
    private func decode(_ text: String) -> ClientMessage {
        ClientMessage.decode(Array(text.utf8), limits: Limits())
    }

    private func invalid(_ text: String) -> (id: RequestID?, code: ErrorCode)? {
        guard case .invalid(let id, let error) = decode(text) else { return nil }
        return (id, error.code)
    }

    @Test(
        "What is not JSON is a parse error without an id",
        arguments: ["", " ", "{", "{]", "nonsense", "{\"jsonrpc\":\"2.0\",\"id\":1", "\"\\ud8\""])
    func notJSON(text: String) throws {
        let found = try #require(invalid(text))
        #expect(found.id == nil)
        #expect(found.code == .parseError)
    }

    @Test("Bytes that are not UTF-8 are a parse error")
    func notUTF8() {
        let body =
            Array("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"".utf8) + [0xFF, 0xC0] + Array("\"}".utf8)
        guard case .invalid(nil, let error) = ClientMessage.decode(body, limits: Limits()) else {
            Issue.record("expected an invalid message")
            return
        }
        #expect(error.code == .parseError)
    }

    @Test(
        "JSON that is no message is an invalid request, with the id where it can be read",
        arguments: [
            ("[]", nil),
            ("3", nil),
            ("null", nil),
            ("{}", nil),
            ("{\"jsonrpc\":\"2.0\"}", nil),
            ("{\"jsonrpc\":\"2.0\",\"id\":7}", RequestID.number(7)),
            ("{\"id\":7,\"method\":\"shutdown\"}", .number(7)),
            ("{\"jsonrpc\":2,\"id\":7,\"method\":\"shutdown\"}", .number(7)),
            ("{\"jsonrpc\":\"1.0\",\"id\":\"x\",\"method\":\"shutdown\"}", .string(ExactString("x"))),
            ("{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"shutdown\"}", nil),
            ("{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"shutdown\"}", nil),
            ("{\"jsonrpc\":\"2.0\",\"id\":true,\"method\":\"shutdown\"}", nil),
            ("{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"shutdown\"}", nil),
            ("{\"jsonrpc\":\"2.0\",\"id\":1e99,\"method\":\"shutdown\"}", nil),
            ("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":5}", .number(7)),
            ("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":null}", .number(7)),
            ("[{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"shutdown\"}]", nil),
        ] as [(String, RequestID?)])
    func invalidRequests(text: String, id: RequestID?) throws {
        let found = try #require(invalid(text))
        #expect(found.id == id)
        #expect(found.code == .invalidRequest)
    }

    @Test("Nesting beyond the limit is refused before any decoder sees it")
    func deepNesting() throws {
        let bomb = String(repeating: "[", count: 1_000_000)
        #expect(invalid(bomb)?.code == .parseError)
        let hidden =
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"params\":"
            + String(repeating: "{\"a\":", count: 9000)
        #expect(invalid(hidden)?.code == .parseError)
        // Brackets in strings are text.
        let text = "\"\(String(repeating: "[{", count: 5000))\\\"[[\""
        guard
            case .request(_, .unknown) = decode(
                "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"params\":{\"a\":\(text)}}")
        else {
            Issue.record("expected a request")
            return
        }
        let options = String(repeating: "[", count: 120) + String(repeating: "]", count: 120)
        guard
            case .request(_, .initialize(let params)) = decode(
                "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\","
                    + "\"params\":{\"initializationOptions\":\(options)}}"
            )
        else {
            Issue.record("expected initialize")
            return
        }
        #expect(params.initializationOptions != nil)
    }

    @Test("Half a surrogate pair in an escape becomes one replacement character; whole pairs stay")
    func loneSurrogates() {
        let text = #"a\ud83db\udca9\ud83d\uDCA9\\ud83d\ud83d\n\u0041"#
        let body =
            #"{"jsonrpc":"2.0","method":"textDocument/didOpen","#
            + #""params":{"textDocument":{"uri":"u:1","text":""#
            + text + #""}}}"#
        guard case .notification(.didOpen(let params)) = decode(body) else {
            Issue.record("expected didOpen")
            return
        }
        #expect(params.textDocument.text == "a\u{FFFD}b\u{FFFD}\u{1F4A9}\\ud83d\u{FFFD}\nA")
    }

    @Test("Ids that Swift strings call equal are different ids")
    func exactIdentifiers() {
        #expect(RequestID.string(ExactString("é")) != RequestID.string(ExactString("e\u{301}")))
        #expect(DocumentURI("file:///é") != DocumentURI("file:///e\u{301}"))
    }

    @Test(
        "Missing and wrong parameters name the place",
        arguments: [
            ("{}", "params: missing"),
            ("{\"params\":null}", "params: expected"),
            ("{\"params\":[]}", "params"),
            ("{\"params\":{}}", "params.textDocument: missing"),
            (
                "{\"params\":{\"textDocument\":{\"uri\":3},\"position\":{}}}",
                "params.textDocument.uri: expected String"
            ),
            (
                "{\"params\":{\"textDocument\":{\"uri\":\"u\"},\"position\":{\"line\":1}}}",
                "params.position.character: missing"
            ),
            (
                "{\"params\":{\"textDocument\":{\"uri\":\"\"},\"position\":{\"line\":1e300}}}",
                "the message could not be decoded"
            ),
        ])
    func invalidParams(members: String, expected: String) {
        let text =
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"textDocument/inlineCompletion\""
            + (members == "{}" ? "}" : ",") + members.dropFirst()
        let message = decode(members == "{}" ? String(text.dropLast()) : text)
        guard case .request(_, .invalidParams(_, let reason)) = message else {
            Issue.record("expected invalid parameters, found \(message)")
            return
        }
        #expect(reason.hasPrefix(expected))
    }

    @Test("Trigger kinds are 1 for asked and 2 for typing, anything else counts as typing")
    func triggerKinds() {
        let expected: [(String, InlineCompletionTriggerKind)] = [
            (",\"context\":{\"triggerKind\":1}", .invoked), (",\"context\":{\"triggerKind\":2}", .automatic),
            (",\"context\":{\"triggerKind\":0}", .automatic), (",\"context\":{}", .automatic),
            ("", .automatic),
        ]
        for (context, kind) in expected {
            let params =
                "{\"textDocument\":{\"uri\":\"u\"},\"position\":{\"line\":0,\"character\":0}\(context)}"
            let body =
                "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"textDocument/inlineCompletion\","
                + "\"params\":\(params)}"
            guard case .request(_, .inlineCompletion(let params)) = decode(body) else {
                Issue.record("expected a completion request")
                continue
            }
            #expect(params.triggerKind == kind)
        }
    }
}
