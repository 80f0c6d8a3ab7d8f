// The recorded sessions of lsp-fixtures/protocol, replayed in process. Sessions that need a model are
// replayed against the built binary, where the model is.

import FoundationEssentials
import TestSupport
import Testing

@testable import CompletionDaemon

@Suite("Recorded sessions", .timeLimit(.minutes(10)))
struct FixtureTests {
    /// The checkout's fixtures, three folders up from this file.
    private static var folder: URL {
        URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().appending(path: "lsp-fixtures/protocol")
    }

    @Test("Every recorded protocol session replays without a difference and ends tidily")
    func replay() async throws {
        let names = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
            .filter { $0.hasSuffix(".jsonl") }
        #expect(!names.isEmpty)
        for name in names {
            let text = try Data(contentsOf: Self.folder.appending(path: name))
            let transcript = try Transcript(jsonLines: Array(text)).relocated(toRootURI: "file:///elsewhere")
            let client = TestClient(provider: ScriptedProvider.inserting("x"))
            let mismatches = try await TranscriptReplay.run(transcript, against: client)
            #expect(mismatches == [], "\(name)")
            #expect(await client.exitCode() == 0, "\(name)")
        }
    }
}
