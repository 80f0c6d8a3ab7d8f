// The session's life over the wire: what may be asked when, every error code, and exit codes.

import TestSupport
import Testing

@testable import CompletionDaemon

@Suite("Lifecycle", .timeLimit(.minutes(10)))
struct LifecycleTests {
    private func client() -> TestClient { TestClient(provider: ScriptedProvider.inserting("x")) }

    private func code(_ response: JSONTree) -> JSONTree? { response.value(at: "error.code") }

    @Test("A session from initialize to exit ends with code 0")
    func wholeSession() async throws {
        let client = client()
        let answer = try await client.initialize()
        #expect(answer.value(at: "result.serverInfo.name") == "foretoken")
        let capabilities: JSONTree = [
            "executeCommandProvider": ["commands": ["foretoken.didAccept", "foretoken.snooze"]],
            "inlineCompletionProvider": true,
            "positionEncoding": "utf-16",
            "textDocumentSync": ["openClose": true, "change": 2, "save": ["includeText": false]],
            "workspace": ["workspaceFolders": ["supported": true, "changeNotifications": true]],
        ]
        #expect(answer.value(at: "result.capabilities") == capabilities)
        try client.request(1, "shutdown")
        #expect(try await client.response(to: 1) == ["jsonrpc": "2.0", "id": 1, "result": nil])
        try client.notify("exit")
        #expect(await client.exitCode() == 0)
    }

    @Test("Leaving without shutdown ends with code 1, by exit or by end of input")
    func untidyEnds() async throws {
        let exiting = client()
        _ = try await exiting.initialize()
        try exiting.notify("exit")
        #expect(await exiting.exitCode() == 1)
        let early = client()
        try early.notify("exit")
        #expect(await early.exitCode() == 1)
        let gone = client()
        _ = try await gone.initialize()
        gone.closeInput()
        #expect(await gone.exitCode() == 1)
    }

    @Test("The end of input after shutdown ends with code 0")
    func endOfInputAfterShutdown() async throws {
        let client = client()
        _ = try await client.initialize()
        try client.request(1, "shutdown")
        client.closeInput()
        #expect(await client.exitCode() == 0)
    }

    @Test("Before initialize requests are refused and notifications dropped")
    func beforeInitialize() async throws {
        let client = client()
        try client.open("file:///a", "text")
        try client.complete(1, "file:///a")
        try client.request(2, "shutdown")
        #expect(code(try await client.response(to: 1)) == -32002)
        #expect(code(try await client.response(to: 2)) == -32002)
        _ = try await client.initialize()
        try client.complete(3, "file:///a")
        #expect(try await client.response(to: 3)["result"] == .null)
    }

    @Test("After shutdown requests are refused, a second initialize always")
    func afterShutdown() async throws {
        let client = client()
        _ = try await client.initialize()
        try client.request(1, "initialize", ["capabilities": [:]])
        #expect(code(try await client.response(to: 1)) == -32600)
        try client.request(2, "shutdown")
        try client.complete(3, "file:///a")
        try client.request(4, "initialize", ["capabilities": [:]])
        #expect(code(try await client.response(to: 3)) == -32600)
        #expect(code(try await client.response(to: 4)) == -32600)
    }

    @Test("Unknown requests are refused, unknown notifications and responses ignored")
    func unknown() async throws {
        let client = client()
        _ = try await client.initialize()
        try client.notify("workspace/didChangeConfiguration", ["settings": nil])
        try client.notify("$/setTrace", ["value": "off"])
        try client.notify("textDocument/didOpen", ["textDocument": 5])
        client.sendText(#"{"jsonrpc":"2.0","id":77,"result":null}"#)
        try client.request(1, "textDocument/hover", [:])
        try client.request("two", "textDocument/inlineCompletion", ["position": 1])
        #expect(code(try await client.response(to: 1)) == -32601)
        #expect(code(try await client.response(to: "two")) == -32602)
        #expect(client.output.allBodies.count == 3)
    }

    @Test("Bodies that are no messages are answered with a null id and the session goes on")
    func invalidMessages() async throws {
        let client = client()
        client.sendText("{")
        #expect(code(try await client.response(to: nil)) == -32700)
        client.sendText("[]")
        client.sendMalformed(.missingContentLength)
        _ = try await client.initialize()
        let codes = try client.output.allBodies.map { try JSONTree(parsing: $0) }.compactMap(code)
        #expect(codes == [-32700, -32600, -32700])
    }

    @Test(
        "The first encoding that both sides know is used",
        arguments: [
            (nil, "utf-16"), ([], "utf-16"), (["utf-8", "utf-16"], "utf-8"), (["utf-7", "utf-32"], "utf-32"),
            (["utf-16"], "utf-16"), (["x"], "utf-16"),
        ] as [([String]?, String)])
    func encodings(offered: [String]?, used: String) async throws {
        let answer = try await client().initialize(positionEncodings: offered)
        #expect(answer.value(at: "result.capabilities.positionEncoding") == .string(used))
    }

    @Test("Workspace folders, client name and options reach the provider")
    func workspace() async throws {
        let provider = ScriptedProvider.inserting("x")
        let client = TestClient(provider: provider)
        try client.request(
            1, "initialize",
            [
                "processId": 1, "clientInfo": ["name": "vim", "version": "9"], "rootUri": "file:///old",
                "workspaceFolders": [
                    ["uri": "file:///w%20a", "name": "a"], ["uri": "untitled:x", "name": "b"],
                ],
                "capabilities": ["textDocument": ["inlineCompletion": 5]],
                "initializationOptions": ["k": [1, "v"]],
            ])
        _ = try await client.response(to: 1)
        // The server tells the provider after it has answered; one more round trip and it has.
        try client.request(2, "none")
        _ = try await client.response(to: 2)
        let workspace = try #require(provider.openedWorkspaces.first)
        #expect(workspace.rootPaths == ["/w a"])
        #expect(workspace.clientName == "vim")
        #expect(workspace.initializationOptions?["k"] == .array([.integer(1), .string("v")]))
    }
}
