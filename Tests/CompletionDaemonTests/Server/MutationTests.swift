// Hostile input, seeded: frames and messages changed at random. Nothing may crash or hang, a valid request
// after the damage is answered exactly once, and the session still ends when told.

import TestSupport
import Testing

@testable import CompletionDaemon

/// Changes bytes the way broken clients and fuzzers do.
struct Mutator {
    var random: SeededRandom

    private static let fragments = [
        "{", "}", "[", "]", "\"", "\\", ",", ":", "null", "true", "-1", "1e999", "18446744073709551616",
        "\\u", "\\ud800",
        "\u{0}", "\r\n", "\r\n\r\n", "Content-Length: ", "Content-Length: 5\r\n\r\n", "id", "method", "𝒳",
        "2147483648",
        "{\"a\":", "[[[[[[[[", "params",
    ]

    mutating func mutate(_ original: [UInt8]) -> [UInt8] {
        var bytes = original
        for _ in 0..<1 + random.below(4) { mutateOnce(&bytes) }
        return bytes
    }

    private mutating func mutateOnce(_ bytes: inout [UInt8]) {
        let start = random.below(bytes.count + 1)
        let end = min(bytes.count, start + random.below(12))
        switch random.below(6) {
        case 0: bytes.removeSubrange(start..<end)
        case 1: bytes.replaceSubrange(start..<end, with: random.element(of: Self.fragments).utf8)
        case 2: bytes.insert(contentsOf: random.element(of: Self.fragments).utf8, at: start)
        case 3: if start < bytes.count { bytes[start] ^= UInt8(1 << random.below(8)) }
        case 4: bytes.insert(contentsOf: bytes[start..<end], at: random.below(bytes.count + 1))
        default: bytes.removeSubrange(start...)
        }
    }
}

@Suite("Mutated input", .timeLimit(.minutes(2)))
struct MutationTests {
    private let messages = [
        #"""
        {"jsonrpc":"2.0","id":1,"method":"textDocument/inlineCompletion",\#
        "params":{"textDocument":{"uri":"file:///a"},"position":{"line":1,"character":2},\#
        "context":{"triggerKind":2,"selectedCompletionInfo":{"range":{"start":{"line":0,"character":0},\#
        "end":{"line":0,"character":2}},"text":"ab"}}}}
        """#,
        #"""
        {"jsonrpc":"2.0","method":"textDocument/didChange","params":{"textDocument":{"uri":"file:///a",\#
        "version":2},"contentChanges":[{"range":{"start":{"line":0,"character":0},"end":{"line":1,\#
        "character":3}},"text":"héllo\n𝒳"}]}}
        """#,
        #"""
        {"jsonrpc":"2.0","method":"textDocument/didOpen","params":{"textDocument":{"uri":"file:///a",\#
        "languageId":"swift","version":1,"text":"one\r\ntwo 𝒳\nthree"}}}
        """#,
        #"{"jsonrpc":"2.0","method":"textDocument/didSave","params":{"textDocument":{"uri":"file:///a"}}}"#,
        #"{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":1}}"#,
        #"{"jsonrpc":"2.0","id":"x","method":"workspace/symbol","params":{"query":""}}"#,
        #"""
        {"jsonrpc":"2.0","id":4,"method":"initialize",\#
        "params":{"capabilities":{"general":{"positionEncodings":["utf-8"]}},\#
        "initializationOptions":{"a":[1,{"b":null}]}}}
        """#,
    ]

    /// The ids that valid requests after the damage carry; no mutation can make them up.
    private func sentinel(_ number: Int) -> JSONTree { .string("sentinel-\(number)") }

    @Test(
        "A valid request after each of some thousand mutated messages is answered exactly once",
        arguments: UInt64(0)..<4)
    func mutatedMessages(seed: UInt64) async throws {
        var mutator = Mutator(random: SeededRandom(seed: seed))
        let client = TestClient(provider: ScriptedProvider.inserting("x"))
        _ = try await client.initialize()
        for number in 0..<1000 {
            let body = mutator.mutate(Array(mutator.random.element(of: messages).utf8))
            // A mutation that means to end the session would end the test.
            let text = String(decoding: body, as: UTF8.self)
            guard !text.contains("\"exit\""), !text.contains("\"shutdown\"") else { continue }
            client.send(body)
            try client.open("file:///s", "text")
            try client.complete(sentinel(number), "file:///s", line: 0, character: 4)
            let answer = try await client.response(to: sentinel(number))
            #expect(answer.value(at: "result.items.insertText") == ["x"], "seed \(seed), message \(number)")
        }
        client.closeInput()
        #expect(await client.exitCode() == 1)
        try expectAnswersOnce(client, seed: seed)
    }

    private func expectAnswersOnce(_ client: TestClient, seed: UInt64) throws {
        var counts: [JSONTree: Int] = [:]
        for body in client.output.allBodies {
            let message = try JSONTree(parsing: body)
            if let id = message["id"], id.string?.hasPrefix("sentinel-") == true {
                counts[id, default: 0] += 1
            }
        }
        #expect(counts.count > 900, "seed \(seed)")
        #expect(client.faults.faultCount == 0, "seed \(seed)")
        #expect(counts.values.allSatisfy { $0 == 1 }, "seed \(seed)")
    }

    @Test(
        "Mutated streams in random portions end, and what came before the damage is read whole",
        arguments: UInt64(0)..<8)
    func mutatedStreams(seed: UInt64) {
        var mutator = Mutator(random: SeededRandom(seed: seed))
        var limits = Limits()
        limits.frameBodyByteCount = 4096
        limits.frameHeaderByteCount = 256
        for round in 0..<400 {
            let intact = (0..<3).map { _ in Array(mutator.random.element(of: messages).utf8) }
            let rest = (0..<6).flatMap { _ in Self.frame(Array(mutator.random.element(of: messages).utf8)) }
            let stream = intact.flatMap(Self.frame) + mutator.mutate(rest)
            var framer = MessageFramer(limits: limits)
            var frames: [Frame] = []
            var index = 0
            while index < stream.count {
                let end = min(stream.count, index + 1 + mutator.random.below(200))
                framer.append(stream[index..<end])
                while let frame = framer.next() { frames.append(frame) }
                index = end
            }
            #expect(Array(frames.prefix(3)) == intact.map { .message($0) }, "seed \(seed), round \(round)")
            #expect(frames.count <= stream.count)
            for case .message(let body) in frames { _ = ClientMessage.decode(body, limits: limits) }
        }
    }

    private static func frame(_ body: [UInt8]) -> [UInt8] {
        Array("Content-Length: \(body.count)\r\n\r\n".utf8) + body
    }
}
