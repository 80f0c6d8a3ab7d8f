// The whole program on a real repository with the real model: a recorded editor session, replayed in process and
// against the built binary, ends in the completion that `complete` gives, and that completion comes from context.

import Foundation
import TestSupport
import Testing

@testable import CompletionDaemon
@testable import SpecEngine

@Suite("End to end", .serialized)
struct EndToEndTests {
    private static let contextTokens = 1_024
    private static let fixturePath = FixturePaths.checkoutRoot + "/lsp-fixtures/completion/python-call.jsonl"
    /// Set to record the session anew after a change of model or prompt.
    private static let isRecording = ProcessInfo.processInfo.environment["FORETOKEN_UPDATE_FIXTURES"] == "1"

    private static func provider() throws -> CompletionService {
        var configuration = CompletionService.Configuration(
            engine: EngineConfiguration(modelPath: FixturePaths.defaultModel), contextTokens: contextTokens)
        // However slow the machine is, the session ends in a completion.
        configuration.automaticLimit = nil
        return CompletionService(configuration: configuration)
    }

    /// What `complete` prints at the project's cursor.
    private func completed(_ project: DrawingProject) throws -> String {
        let place = "\(project.filePath):\(DrawingProject.line):\(DrawingProject.column)"
        let result = try Binary.run([
            "complete", place, "--model", FixturePaths.defaultModel, "--context-tokens",
            "\(Self.contextTokens)",
        ])
        #expect(result.exitCode == 0, "\(result.errorOutput)")
        return result.output.hasSuffix("\n") ? String(result.output.dropLast()) : result.output
    }

    @Test("At its default level the log holds no text of the files that are worked in")
    func logHoldsNoSource() async throws {
        let project = try DrawingProject()
        let log = try RepositoryFixture.temporaryFolder() + "/log"
        let transcript = try Transcript(jsonLines: FixturePaths.bytes(Self.fixturePath))
            .relocated(toRootURI: project.rootURI)
        let server = try ServerProcess(
            path: "/bin/sh",
            arguments: [
                "-c", "log=$1; shift; exec \"$0\" \"$@\" 2> \"$log\"", Binary.path, log, "serve", "--model",
                FixturePaths.defaultModel, "--context-tokens", "\(Self.contextTokens)", "--disk-cache", "off",
                "--answer-within", "0",
            ])
        #expect(try await TranscriptReplay.run(transcript, against: server).isEmpty)
        #expect(server.waitForExit() == 0)
        let written = String(decoding: try FixturePaths.bytes(log), as: UTF8.self)
        let shapes = try String(contentsOfFile: project.repository.absolute("shapes.py"), encoding: .utf8)
        let lines = (DrawingProject.caller + shapes).split(separator: "\n").map {
            $0.trimmingCharacters(in: .whitespaces)
        }
        #expect(written.contains("initialized by"), "the log is where it is looked for")
        #expect(!lines.contains { $0.count >= 8 && written.contains($0) }, "\(written)")
    }

    @Test("The recorded session replays in process and against the binary, and equals what complete prints")
    func recordedSession() async throws {
        let project = try DrawingProject()
        if Self.isRecording { try await Self.record(project) }
        let transcript = try Transcript(jsonLines: FixturePaths.bytes(Self.fixturePath))
            .relocated(toRootURI: project.rootURI)

        let client = TestClient(provider: try Self.provider())
        let mismatches = try await TranscriptReplay.run(transcript, against: client)
        #expect(mismatches.isEmpty, "in process: \(mismatches)")
        #expect(await client.exitCode() == 0)

        let server = try ServerProcess(
            path: Binary.path,
            arguments: [
                "serve", "--model", FixturePaths.defaultModel, "--context-tokens", "\(Self.contextTokens)",
                "--disk-cache", "off", "--answer-within", "0",
            ])
        let binaryMismatches = try await TranscriptReplay.run(transcript, against: server)
        #expect(binaryMismatches.isEmpty, "binary: \(binaryMismatches)")
        #expect(server.waitForExit() == 0)

        let texts = transcript.steps.filter { $0.from == .server }.compactMap { step -> String? in
            guard case .array(let items)? = step.message.value(at: "result.items"), let first = items.first,
                case .string(let text)? = first["insertText"]
            else { return nil }
            return text
        }
        #expect(texts.last == (try completed(project)), "the session's completion is complete's")
        #expect(texts.last?.hasPrefix("rectangles(") == true, "\(texts)")
    }

    @Test("Without the file that defines the called name the completion is another one")
    func contextMatters() throws {
        let with = try completed(DrawingProject())
        let without = try completed(DrawingProject(withShapes: false))
        #expect(with.hasPrefix("rectangles("))
        #expect(!without.hasPrefix("rectangles("), "\(without)")
    }

    /// Drives a session as an editor does: opens the file without the last characters, types them, asks.
    private static func record(_ project: DrawingProject) async throws {
        try? FileManager.default.removeItem(atPath: fixturePath)  // there may be none yet
        let client = TestClient(provider: try provider(), recorder: try TranscriptRecorder(path: fixturePath))
        let uri = project.rootURI + "/" + DrawingProject.file
        try client.request(
            1, "initialize",
            [
                "processId": nil, "clientInfo": ["name": "recorder"], "rootUri": .string(project.rootURI),
                "capabilities": ["general": ["positionEncodings": ["utf-16"]]],
            ])
        _ = try await client.response(to: 1)
        try client.notify("initialized", [:])
        let line = DrawingProject.line - 1
        let end = DrawingProject.column - 1
        try client.open(
            uri, DrawingProject.caller.replacing("shapes.intersect_", with: "shapes.inters"),
            languageID: "python")
        var id: Int64 = 2
        func ask(character: Int) async throws {
            try client.request(
                .integer(id), "textDocument/inlineCompletion",
                [
                    "textDocument": ["uri": .string(uri)],
                    "position": ["line": .integer(Int64(line)), "character": .integer(Int64(character))],
                    "context": ["triggerKind": 2],
                ])
            _ = try await client.response(to: .integer(id))
            id += 1
        }
        try await ask(character: end - 4)
        for (offset, letter) in "ect_".enumerated() {
            let character = Int64(end - 4 + offset)
            let position: JSONTree = ["line": .integer(Int64(line)), "character": .integer(character)]
            try client.notify(
                "textDocument/didChange",
                [
                    "textDocument": ["uri": .string(uri), "version": .integer(Int64(offset + 2))],
                    "contentChanges": [
                        ["range": ["start": position, "end": position], "text": .string("\(letter)")]
                    ],
                ])
        }
        try await ask(character: end)
        try client.request(.integer(id), "shutdown")
        _ = try await client.response(to: .integer(id))
        try client.notify("exit")
        _ = await client.exitCode()
        // The temporary folder means nothing to whoever reads the recording.
        let recorded = String(decoding: try FixturePaths.bytes(fixturePath), as: UTF8.self)
        try Data(recorded.replacing(project.repository.path, with: "/drawing").utf8)
            .write(to: URL(fileURLWithPath: fixturePath))
    }
}
