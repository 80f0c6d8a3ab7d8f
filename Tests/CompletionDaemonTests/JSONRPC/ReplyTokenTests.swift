// The reply law: one answer, whatever happens to the token.

import TestSupport
import Testing

@testable import CompletionDaemon

@Suite("Reply tokens")
struct ReplyTokenTests {
    @Test("A token that is let go unanswered answers internalError")
    func dropped() throws {
        let output = CapturedOutput()
        _ = ReplyToken(id: .number(3), sink: output, logger: silentLogger)
        #expect(output.allBodies.count == 1)
        let message = try JSONTree(parsing: try #require(output.allBodies.first))
        #expect(message["id"] == 3)
        #expect(message.value(at: "error.code") == -32603)
    }

    #if !DEBUG
        @Test("A second answer is not sent")
        func answeredTwice() throws {
            let output = CapturedOutput()
            let token = ReplyToken(id: .number(3), sink: output, logger: silentLogger)
            token.send(result: NullResult())
            token.send(result: NullResult())
            token.send(error: .requestCancelled)
            #expect(
                output.allBodies.map { String(decoding: $0, as: UTF8.self) } == [
                    #"{"id":3,"jsonrpc":"2.0","result":null}"#
                ])
        }
    #endif

    @Test("An error without an id carries a null id")
    func nullID() {
        let output = CapturedOutput()
        ReplyToken(id: nil, sink: output, logger: silentLogger).send(error: .requestCancelled)
        let text = output.allBodies.map { String(decoding: $0, as: UTF8.self) }
        #expect(
            text == [
                #"{"error":{"code":-32800,"message":"cancelled by the client"},"id":null,"jsonrpc":"2.0"}"#
            ])
    }
}
