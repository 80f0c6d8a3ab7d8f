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

@Suite("Mutated input", .timeLimit(.minutes(HostileCorpus.soakCount == nil ? 10 : 60)))
struct MutationTests {
    private let messages: [[UInt8]]

    init() throws { messages = try HostileCorpus.messages() }

    /// The ids that valid requests after the damage carry; no mutation can make them up.
    private func sentinel(_ number: Int) -> JSONTree { .string("sentinel-\(number)") }

    /// A mutation that means to end the session would end the test.
    private func endsSession(_ body: [UInt8]) -> Bool {
        let text = String(decoding: body, as: UTF8.self)
        return text.contains("\"exit\"") || text.contains("\"shutdown\"")
    }

    @Test(
        "A valid request after each of some thousand mutated messages is answered exactly once",
        arguments: UInt64(0)..<4)
    func mutatedMessages(seed: UInt64) async throws {
        let seed = seed + HostileCorpus.firstSeed
        var mutator = Mutator(random: SeededRandom(seed: seed))
        let count = (HostileCorpus.soakCount ?? 4_000) / 4
        let bodies = (0..<count).map { _ in mutator.mutate(mutator.random.element(of: messages)) }
        try await expectAnswers(amid: bodies, name: "seed \(seed)")
    }

    @Test("A valid request after each of the messages known to be hostile is answered exactly once")
    func damagedMessages() async throws {
        try await expectAnswers(amid: try HostileCorpus.damagedMessages(), name: "damaged.txt")
    }

    /// Sends each of the bodies, and after each a request that must be answered.
    private func expectAnswers(amid bodies: [[UInt8]], name: String) async throws {
        let client = TestClient(provider: ScriptedProvider.inserting("x"))
        _ = try await client.initialize()
        var sentCount = 0
        for (number, body) in bodies.enumerated() where !endsSession(body) {
            client.send(body)
            // Damage may have switched completions off, or changed what is open.
            try client.notify("workspace/didChangeConfiguration", ["settings": ["foretoken": ["enabled": true]]])
            try client.open("file:///s", "text")
            try client.complete(sentinel(number), "file:///s", line: 0, character: 4)
            let answer = try await client.response(to: sentinel(number))
            #expect(answer.value(at: "result.items.insertText") == ["x"], "\(name), message \(number)")
            sentCount += 1
        }
        client.closeInput()
        #expect(await client.exitCode() == 1)
        try expectAnswersOnce(client, count: sentCount, name: name)
    }

    private func expectAnswersOnce(_ client: TestClient, count: Int, name: String) throws {
        var counts: [JSONTree: Int] = [:]
        for body in client.output.allBodies {
            let message = try JSONTree(parsing: body)
            if let id = message["id"], id.string?.hasPrefix("sentinel-") == true {
                counts[id, default: 0] += 1
            }
        }
        #expect(counts.count == count, "\(name)")
        #expect(client.faults.faultCount == 0, "\(name)")
        #expect(counts.values.allSatisfy { $0 == 1 }, "\(name)")
    }

    @Test(
        "Mutated streams in random portions end, and what came before the damage is read whole",
        arguments: UInt64(0)..<8)
    func mutatedStreams(seed: UInt64) {
        let seed = seed + HostileCorpus.firstSeed
        var mutator = Mutator(random: SeededRandom(seed: seed))
        var limits = Limits()
        limits.frameBodyByteCount = 4096
        limits.frameHeaderByteCount = 256
        for round in 0..<(HostileCorpus.soakCount ?? 3_200) / 8 {
            let intact = (0..<3).map { _ in mutator.random.element(of: messages) }
            let rest = (0..<6).flatMap { _ in HostileCorpus.frame(mutator.random.element(of: messages)) }
            let stream = intact.flatMap(HostileCorpus.frame) + mutator.mutate(rest)
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

    @Test(
        "Whole sessions over pipes with mutated frames among valid ones end, and answer nothing twice",
        arguments: UInt64(0)..<4)
    func mutatedSessions(seed: UInt64) async throws {
        let seed = seed + HostileCorpus.firstSeed
        var mutator = Mutator(random: SeededRandom(seed: seed))
        for round in 0..<max(4, (HostileCorpus.soakCount ?? 0) / 4 / 100) {
            var stream = HostileSession.beginning
            for number in 0..<100 {
                let frame = mutator.mutate(HostileCorpus.frame(mutator.random.element(of: messages)))
                if endsSession(frame) { continue }
                stream += frame + HostileSession.request("sentinel-\(number)")
            }
            let end = try await HostileSession.run(stream)
            #expect(end.exitCode == 1, "seed \(seed), round \(round)")
            #expect(end.answerCounts["beginning"] == 1, "seed \(seed), round \(round)")
            // Ids of the corpus may come again once they are answered.
            let own = end.answerCounts.filter { $0.key.hasPrefix("sentinel-") }
            #expect(own.values.allSatisfy { $0 == 1 }, "seed \(seed), round \(round)")
        }
    }

    @Test("Sessions over pipes with streams known to be hostile end, and answer what came before")
    func damagedStreams() async throws {
        for (name, bytes) in try HostileCorpus.damagedStreams() {
            let end = try await HostileSession.run(HostileSession.beginning + bytes)
            #expect(end.exitCode == 1, "\(name)")
            #expect(end.answerCounts["beginning"] == 1, "\(name)")
        }
    }
}
