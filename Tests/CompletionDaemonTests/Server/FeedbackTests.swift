// What clients tell about suggestions, over the protocol, ends in the counts; what is not understood is refused.

import FoundationEssentials
import Glibc
import TestSupport
import Testing

@testable import CompletionDaemon

@Suite(.timeLimit(.minutes(10)))
struct FeedbackTests {
    @Test("Shown, partly taken and taken suggestions are counted under their language")
    func counts() async throws {
        var template = Array("/tmp/feedback-test-XXXXXX".utf8CString)
        let folder = try #require(mkdtemp(&template).map { String(cString: $0) })
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let store = UsageStore(folder: folder)
        let recorder = UsageRecorder(store: store) { "2026-03-04" }
        let client = TestClient(provider: ScriptedProvider.inserting("total(1)"), usage: recorder)
        _ = try await client.initialize()
        try client.open("file:///a.swift", "x = ")
        try client.complete(1, "file:///a.swift", character: 4)
        let answer = try await client.response(to: 1)
        let item = try #require(answer.value(at: "result.items")?[0])
        try client.notify("textDocument/didFocus", ["textDocument": ["uri": "file:///a.swift"]])
        try client.notify("textDocument/didFocus", ["textDocument": nil])
        try client.notify("textDocument/didShowCompletion", ["item": item])
        try client.notify(
            "textDocument/didPartiallyAcceptCompletion", ["item": item, "acceptedLength": 5])
        try client.request(2, "workspace/executeCommand", try #require(item["command"]))
        #expect(try await client.response(to: 2)["result"] == .null)
        recorder.end()
        let counts = try #require(try store.read().days["2026-03-04"]?["swift"])
        #expect(counts.answered == 1 && counts.shown == 1 && counts.shownCharacters == 8)
        #expect(counts.partiallyAccepted == 1 && counts.accepted == 1 && counts.acceptedCharacters == 8)
    }

    @Test("Unknown commands and impossible arguments are refused, and the session goes on")
    func refused() async throws {
        let client = TestClient(provider: ScriptedProvider.inserting("x"))
        _ = try await client.initialize()
        let calls: [JSONTree] = [
            ["command": "rm"], ["command": "foretoken.snooze", "arguments": ["long"]],
            ["command": "foretoken.snooze", "arguments": [-1]], ["command": "foretoken.snooze", "arguments": [100000]],
            ["arguments": []],
        ]
        for (id, call) in calls.enumerated() {
            try client.request(.integer(Int64(id)), "workspace/executeCommand", call)
            let answer = try await client.response(to: .integer(Int64(id)))
            #expect(answer.value(at: "error.code") == -32602)
        }
        try client.request("good", "workspace/executeCommand", ["command": "foretoken.snooze", "arguments": [5]])
        #expect(try await client.response(to: "good")["result"] == .null)
    }
}
