// Sessions recorded from real editors (editors/tests/run.sh with FORETOKEN_RECORD), replayed against the built binary on
// the same repository: what an editor sends is understood and answered as it was then.

import Foundation
import TestSupport
import Testing

@testable import CompletionDaemon

@Suite("Sessions of editors", .serialized)
struct EditorSessionTests {
    private static let folder = FixturePaths.checkoutRoot + "/lsp-fixtures/editors"
    private static let projectFolder = FixturePaths.checkoutRoot + "/editors/tests/project"

    static let names = ["emacs-eglot", "emacs-own", "neovim", "vim", "vscode"]

    /// The repository that the editors cloned.
    private func project() throws -> RepositoryFixture {
        let repository = try RepositoryFixture(name: "drawing")
        for name in ["report.py", "shapes.py"] {
            try repository.write(
                name, String(decoding: FixturePaths.bytes(Self.projectFolder + "/" + name), as: UTF8.self))
        }
        _ = try repository.commit("A drawing")
        return repository
    }

    @Test("A recorded session is answered as it was", arguments: names)
    func replay(name: String) async throws {
        let project = try project()
        let transcript = try Transcript(jsonLines: FixturePaths.bytes("\(Self.folder)/\(name).jsonl"))
            .relocated(toRootURI: "file://" + project.path)
        let server = try ServerProcess(
            path: Binary.path,
            arguments: [
                "serve", "--model", FixturePaths.defaultModel, "--context-tokens", "1024", "--disk-cache", "off",
                "--no-statistics", "--answer-within", "0",
            ])
        let mismatches = try await TranscriptReplay.run(transcript, against: server)
        // Without items in the recording the request was cancelled or superseded, which an answer may precede.
        let differences = mismatches.filter { $0.recorded != nil }
        #expect(differences.isEmpty, "\(differences)")
        // Eglot ends the recorder before it could record this.
        if !transcript.steps.contains(where: { $0.message["method"] == "exit" }) {
            try server.send(Array(#"{"jsonrpc":"2.0","method":"exit"}"#.utf8))
        }
        server.closeInput()
        #expect(server.waitForExit() == 0)
        #expect(suggestions(transcript).contains { $0.hasPrefix("sect_rectangles(") }, "\(suggestions(transcript))")
    }

    private func suggestions(_ transcript: Transcript) -> [String] {
        transcript.steps.filter { $0.from == .server }.compactMap { step in
            guard case .array(let items)? = step.message.value(at: "result.items"), let first = items.first,
                case .string(let text)? = first["insertText"]
            else { return nil }
            return text
        }
    }
}
