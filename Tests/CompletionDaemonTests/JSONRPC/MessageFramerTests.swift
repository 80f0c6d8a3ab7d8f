// The base protocol's framing: what is accepted, what is refused, and that reads may cut the stream anywhere.

import Testing

@testable import CompletionDaemon

@Suite("Message framing")
struct MessageFramerTests {
    private func frame(_ body: String) -> [UInt8] {
        Array("Content-Length: \(body.utf8.count)\r\n\r\n\(body)".utf8)
    }

    private func message(_ body: String) -> Frame { .message(Array(body.utf8)) }

    private func frames(_ portions: [[UInt8]], limits: Limits = Limits()) -> [Frame] {
        var framer = MessageFramer(limits: limits)
        var frames: [Frame] = []
        for portion in portions {
            framer.append(portion)
            while let frame = framer.next() { frames.append(frame) }
        }
        return frames
    }

    private func frames(_ text: String, limits: Limits = Limits()) -> [Frame] {
        frames([Array(text.utf8)], limits: limits)
    }

    @Test("A stream cut into any two or three portions gives the same messages")
    func anySplit() {
        let stream =
            frame("{\"a\":1}") + Array("content-type: x\r\nCONTENT-LENGTH:4\r\n\r\n𝒳".utf8) + frame("")
            + Array("junk\r\n\r\n".utf8) + frame("[]")
        let expected = frames([stream])
        #expect(
            expected == [
                message("{\"a\":1}"), message("𝒳"), message(""), .malformed(.missingContentLength),
                message("[]"),
            ])
        for first in 0...stream.count {
            #expect(frames([Array(stream[..<first]), Array(stream[first...])]) == expected)
            for second in stride(from: first, through: stream.count, by: 7) {
                let portions = [stream[..<first], stream[first..<second], stream[second...]].map(Array.init)
                #expect(frames(portions) == expected)
            }
        }
        #expect(frames(stream.map { [$0] }) == expected)
    }

    @Test(
        "Unusual but clear headers are accepted",
        arguments: [
            "Content-Length: 2\r\n\r\n{}",
            "content-length: 2\r\n\r\n{}",
            "Content-Type: application/vscode-jsonrpc; charset=utf-8\r\nContent-Length: 2\r\n\r\n{}",
            "Content-Length: 2\r\nContent-Type: application/vscode-jsonrpc; charset=utf8\r\n\r\n{}",
            "Content-Length:2\n\n{}",
            "Content-Length \t:\t 002 \r\n\r\n{}",
            "X-Unknown: Content-Length: 9\r\nContent-Length: 2\r\n\r\n{}",
            "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
            "\r\n\nContent-Length: 2\r\n\r\n{}",
        ])
    func acceptedHeaders(text: String) {
        #expect(frames(text) == [message("{}")])
    }

    @Test(
        "A malformed header is reported once and the next message is found",
        arguments: [
            ("Content-Type: x\r\n\r\n{}", FrameError.missingContentLength),
            ("Content-Length\r\n\r\n{}", .missingContentLength),
            ("{\"jsonrpc\":\"2.0\"}\r\n\r\n", .missingContentLength),
            ("Content-Length: \r\n\r\n{}", .invalidContentLength(found: "")),
            ("Content-Length: -2\r\n\r\n{}", .invalidContentLength(found: "-2")),
            ("Content-Length: +2\r\n\r\n{}", .invalidContentLength(found: "+2")),
            ("Content-Length: 0x2\r\n\r\n{}", .invalidContentLength(found: "0x2")),
            ("Content-Length: 2 2\r\n\r\n{}", .invalidContentLength(found: "2 2")),
            (
                "Content-Length: 99999999999999999999\r\n\r\n{}",
                .invalidContentLength(found: "99999999999999999999")
            ),
            (
                "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
                .conflictingContentLengths(first: 2, second: 3)
            ),
        ])
    func malformedHeaders(text: String, error: FrameError) {
        #expect(frames([Array(text.utf8) + frame("[1]")]) == [.malformed(error), message("[1]")])
    }

    @Test("A header without an end is given up at the limit, in the text of a field or without one")
    func endlessHeader() {
        var limits = Limits()
        limits.frameHeaderByteCount = 64
        let filler = String(repeating: "x", count: 100)
        for text in [filler, "Content-Length: \(filler)", "A: \(filler)\r\nB: \(filler)"] {
            let found = frames([Array(text.utf8) + frame("{}")], limits: limits)
            #expect(found.first == .malformed(.headerTooLong(limit: 64)))
            #expect(found.last == message("{}"))
            #expect(found.count <= 3)
        }
    }

    @Test("A body over the limit is reported, passed over by its length and not kept")
    func oversizeBody() {
        var limits = Limits()
        limits.frameBodyByteCount = 10
        let huge = String(repeating: "Content-Length: 2\r\n\r\n{}", count: 20)
        let found = frames([frame(huge) + frame("0123456789")], limits: limits)
        #expect(
            found == [.malformed(.bodyTooLong(byteCount: huge.utf8.count, limit: 10)), message("0123456789")])
    }

    @Test("The end of a stream is told apart: between messages or inside one")
    func streamEnd() {
        func isBetween(_ text: String) -> Bool {
            var framer = MessageFramer(limits: Limits())
            framer.append(Array(text.utf8))
            while framer.next() != nil {}
            return framer.isBetweenMessages
        }
        #expect(isBetween(""))
        #expect(isBetween("Content-Length: 2\r\n\r\n{}"))
        #expect(!isBetween("Content-Le"))
        #expect(!isBetween("Content-Length: 2\r\n\r\n{"))
    }
}
