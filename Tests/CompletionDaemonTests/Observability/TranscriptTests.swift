// Recording and replay: what the recorder writes is what the replay reads, a session replays against itself,
// and a difference is found.

import FoundationEssentials
import TestSupport
import Testing

@testable import CompletionDaemon

@Suite("Transcripts", .timeLimit(.minutes(10)))
struct TranscriptTests {
    private func temporaryPath() -> String {
        FileManager.default.temporaryDirectory.appending(path: "transcript-\(UUID().uuidString).jsonl").path
    }

    /// A short session with an answered, a superseded and a cancelled request; the recording.
    private func record() async throws -> Transcript {
        let path = temporaryPath()
        defer { try? FileManager.default.removeItem(atPath: path) }
        let recorder = try TranscriptRecorder(path: path)
        let provider = ScriptedProvider { request in
            request.byteOffset == 0
                ? .answer(.items([CompletionItem(text: "one\n", at: 0)])) : .holdUntilCancelled
        }
        let client = TestClient(provider: provider, recorder: recorder)
        try client.request(
            1, "initialize",
            [
                "clientInfo": ["name": "tests"], "rootUri": "file:///recorded/root", "capabilities": [:],
                "workspaceFolders": [["uri": "file:///recorded/root", "name": "root"]],
            ])
        _ = try await client.response(to: 1)
        try client.open("file:///recorded/root/a.swift", "text\n")
        try client.complete(2, "file:///recorded/root/a.swift")
        _ = try await client.response(to: 2)
        try client.complete(3, "file:///recorded/root/a.swift", character: 2)
        try client.complete(4, "file:///recorded/root/a.swift", character: 3)
        _ = try await client.response(to: 3)
        try client.notify("$/cancelRequest", ["id": 4])
        _ = try await client.response(to: 4)
        try client.request(5, "shutdown")
        _ = try await client.response(to: 5)
        try client.notify("exit")
        _ = await client.exitCode()
        return try Transcript(jsonLines: Array(try Data(contentsOf: URL(filePath: path))))
    }

    @Test("A recorded session replays in another folder without a difference")
    func recordAndReplay() async throws {
        let transcript = try await record()
        #expect(transcript.client == "tests")
        #expect(transcript.root == "file:///recorded/root")
        #expect(transcript.steps.count { $0.from == .client } == 8)
        #expect(transcript.steps.count { $0.from == .server } == 5)
        let provider = ScriptedProvider { request in
            #expect(request.document.path == "/other/place/a.swift")
            return request.byteOffset == 0
                ? .answer(.items([CompletionItem(text: "one\n", at: 0)])) : .holdUntilCancelled
        }
        let moved = transcript.relocated(toRootURI: "file:///other/place")
        let mismatches = try await TranscriptReplay.run(moved, against: TestClient(provider: provider))
        #expect(mismatches == [])
    }

    @Test("A replay against a server that answers otherwise names the differing field")
    func replayFindsDifferences() async throws {
        let transcript = try await record()
        let provider = ScriptedProvider { request in
            request.byteOffset == 0 ? .answer(.none(reason: "test")) : .holdUntilCancelled
        }
        let mismatches = try await TranscriptReplay.run(transcript, against: TestClient(provider: provider))
        #expect(mismatches.map(\.id) == [2])
        #expect(mismatches.map(\.field) == ["result.items"])
    }

    @Test("A recording never replaces a file and says what to do instead")
    func existingFile() throws {
        let path = temporaryPath()
        try Data("kept".utf8).write(to: URL(filePath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        #expect(throws: TranscriptError.self) { _ = try TranscriptRecorder(path: path) }
        #expect(try Data(contentsOf: URL(filePath: path)) == Data("kept".utf8))
    }

    @Test("Without contents a recording has the shape of texts, and names, but no text")
    func blottedOut() throws {
        let folder = temporaryPath()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let recorder = try TranscriptRecorder.inFolder(folder, keepsContents: false)
        let text = "let key = \"sésame\"\n\tfoo(𝒳)"
        let message: JSONTree = [
            "method": "textDocument/didOpen",
            "params": [
                "textDocument": ["uri": "file:///a/b.swift", "version": 1, "text": .string(text)],
                "label": ["sésame", ["value": "sésame"]],
            ],
        ]
        recorder.record(try message.bytes, from: .client)
        recorder.record(Array("not JSON: sésame".utf8), from: .client)
        let names = try FileManager.default.contentsOfDirectory(atPath: folder)
        #expect(names.count == 1 && names[0].hasSuffix(".jsonl"))
        let bytes = Array(try Data(contentsOf: URL(filePath: folder + "/" + names[0])))
        #expect(!String(decoding: bytes, as: UTF8.self).contains("same"))
        let recorded = try Transcript(jsonLines: bytes).steps.map(\.message)
        #expect(recorded[0].value(at: "params.textDocument.uri") == "file:///a/b.swift")
        let blotted = try #require(recorded[0].value(at: "params.textDocument.text")?.string)
        #expect(blotted == "xxx xxx x xxéxxxxx\n\txxx(😀)")
        #expect(blotted.utf8.count == text.utf8.count && blotted.utf16.count == text.utf16.count)
        #expect(recorded[1] == .null)
    }

    @Test("Pretty-printed messages are recorded on one line")
    func lineBreaks() throws {
        let path = temporaryPath()
        defer { try? FileManager.default.removeItem(atPath: path) }
        let recorder = try TranscriptRecorder(path: path)
        recorder.record(Array("{\r\n \"method\": \"x\"\n}".utf8), from: .client)
        let transcript = try Transcript(jsonLines: Array(try Data(contentsOf: URL(filePath: path))))
        #expect(transcript.steps.map(\.message) == [["method": "x"]])
        #expect(transcript.client == "unknown")
    }

    @Test(
        "Fixture files that are not in the format are refused with the line",
        arguments: [
            ("", "the first line must be"), ("{\"schema\":1}\n", "the first line must be"),
            ("{\"schema\":2,\"client\":\"\",\"root\":\"\",\"compare\":[]}\n", "schema 2"),
            ("{\"schema\":1,\"client\":\"\",\"root\":\"\",\"compare\":[]}\n{\"at_ms\":0}\n", "line 2"),
        ])
    func badFiles(text: String, message: String) {
        let error = #expect(throws: TranscriptFormatError.self) {
            _ = try Transcript(jsonLines: Array(text.utf8))
        }
        #expect(error?.description.hasPrefix(message) == true)
    }
}
