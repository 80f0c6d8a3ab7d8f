// The reply law under load: whatever order requests, cancellations, edits and slow completions come in, each
// request is answered exactly once, and the documents end as if the edits had come alone.

import TestSupport
import Testing

@testable import CompletionDaemon

@Suite("Interleavings", .timeLimit(.minutes(10)))
struct InterleavingTests {
    /// A session of random messages; returns the ids sent.
    private func drive(
        _ client: TestClient, _ provider: ScriptedProvider, _ random: inout SeededRandom
    ) async throws -> [JSONTree] {
        _ = try await client.initialize(positionEncodings: ["utf-8"])
        let uris = ["file:///a", "file:///b", "untitled:c"]
        for uri in uris { try client.open(uri, "") }
        var ids: [JSONTree] = []
        for step in Int64(0)..<200 {
            let uri = random.element(of: uris)
            switch random.below(10) {
            case 0..<4:
                let id: JSONTree = random.oneIn(2) ? .integer(step) : .string("s\(step)")
                ids.append(id)
                try client.complete(id, uri, line: 0, character: step)
            case 4..<6:
                guard !ids.isEmpty else { continue }
                // Any id: running, queued, answered long ago.
                try client.notify("$/cancelRequest", ["id": random.element(of: ids)])
            case 6..<8:
                try client.notify(
                    "textDocument/didChange",
                    [
                        "textDocument": ["uri": .string(uri), "version": .integer(step)],
                        "contentChanges": [["text": .string("\(step)")]],
                    ])
            case 8:
                provider.release(.items([CompletionItem(text: "x", at: 0)]))
                await Task.yield()
            default:
                let id: JSONTree = .integer(step)
                ids.append(id)
                try client.request(id, "unknown/\(step)")
            }
        }
        return ids
    }

    private func answerCounts(_ client: TestClient) throws -> [JSONTree: Int] {
        var counts: [JSONTree: Int] = [:]
        for body in client.output.allBodies {
            let message = try JSONTree(parsing: body)
            guard message["method"] == nil else { continue }
            counts[message["id"] ?? .null, default: 0] += 1
        }
        return counts
    }

    @Test("Each request of a random session is answered exactly once", arguments: UInt64(0)..<40)
    func everyRequestOnce(seed: UInt64) async throws {
        var random = SeededRandom(seed: seed)
        let provider = ScriptedProvider { request in
            switch request.byteOffset % 4 {
            case 0: .hold
            case 1: .holdUntilCancelled
            case 2: .answer(.none(reason: "test"))
            default: .answer(.items([CompletionItem(text: "x", at: request.byteOffset)]))
            }
        }
        let client = TestClient(provider: provider)
        let ids = try await drive(client, provider, &random)
        if random.oneIn(2) {
            try client.request("last", "shutdown")
            _ = try await client.response(to: "last")
            try client.notify("exit")
            #expect(await client.exitCode() == 0, "seed \(seed)")
        } else {
            client.closeInput()
            #expect(await client.exitCode() == 1, "seed \(seed)")
        }
        let counts = try answerCounts(client)
        for id in ids { #expect(counts[id] == 1, "seed \(seed), id \(id)") }
        let expectedCount = ids.count + 1 + (counts["last"] ?? 0)
        #expect(counts.values.reduce(0, +) == expectedCount, "seed \(seed)")
        #expect(client.inFlight.count == 0, "seed \(seed)")
        #expect(client.faults.faultCount == 0, "seed \(seed)")
        provider.release(.cancelled)
    }

    @Test("Handlers of a cancellation run exactly once, however setting and observing race")
    func cancellationHandlers() async {
        for _ in 0..<200 {
            let cancellation = RequestCancellation()
            let runCount = Monitor(0)
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<4 {
                    group.addTask { cancellation.onCancel { runCount.withLock { $0 += 1 } } }
                    group.addTask { cancellation.cancel(.client) }
                }
            }
            #expect(runCount.withLock { $0 } == 4)
            cancellation.cancel(.superseded)
            #expect(cancellation.reason == .client)
            #expect(runCount.withLock { $0 } == 4)
        }
    }
}
