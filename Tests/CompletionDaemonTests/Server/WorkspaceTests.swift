// What the server asks its client for, and what it tells: settings by folder, registrations, folders that come and go,
// status.

import Synchronization
import TestSupport
import Testing

@testable import CompletionDaemon

/// Notes what a session tells its provider.
private final class NotingProvider: CompletionProvider {
    private let notes = Mutex<[String]>([])
    private let outcome: CompletionOutcome
    private let offersMenu: Bool

    init(_ outcome: CompletionOutcome = .none(reason: "test"), offersMenu: Bool = false) {
        self.outcome = outcome
        self.offersMenu = offersMenu
    }

    var all: [String] { notes.withLock { $0 } }
    private func note(_ text: String) { notes.withLock { $0.append(text) } }

    func complete(_ request: CompletionRequest) async -> CompletionOutcome {
        if let style = request.indentation { note("indents \(style.usesTabs ? "tabs" : "spaces") \(style.width)") }
        guard case .items(let items) = outcome else { return outcome }
        return .items(items.map { CompletionItem(text: $0.text, at: request.byteOffset) })
    }

    func workspaceOpened(_ workspace: WorkspaceDescription, progress: any WorkProgress) {}
    func workspaceChanged(rootPaths: [String]) { note("roots \(rootPaths.joined(separator: " "))") }
    func readAhead(rootPaths: [String]) {}
    func documentChanged(_ document: DocumentSnapshot) {}
    func documentSaved(_ document: DocumentSnapshot) {}
    func documentClosed(_ uri: DocumentURI) {}
    func settingsChanged(_ settings: JSONValue?) { note("settings \(settings?["contextTokens"] ?? .null)") }
    func settingsChanged(_ settings: JSONValue?, forFolder path: String) {
        note("settings of \(path) \(settings?["contextTokens"] ?? .null)")
    }
    func offersMenuCompletions(_ initializationOptions: JSONValue?) -> Bool { offersMenu }
    func sessionEnded(limit: Duration) {}
}

@Suite("Workspace", .timeLimit(.minutes(10)))
struct WorkspaceTests {
    private func initialize(
        _ client: TestClient, capabilities: JSONTree, options: JSONTree = .null
    ) async throws -> JSONTree {
        try client.request(
            1, "initialize",
            [
                "capabilities": capabilities, "initializationOptions": options,
                "workspaceFolders": [["uri": "file:///one", "name": "one"]],
            ])
        let answer = try await client.response(to: 1)
        try client.notify("initialized", [:])
        return answer
    }

    private func answer(_ client: TestClient, to request: JSONTree, _ result: JSONTree) throws {
        client.send(
            try JSONTree.object(["jsonrpc": "2.0", "id": request["id"] ?? .null, "result": result]).bytes)
    }

    @Test("Settings are asked for, for each folder, at the beginning and when they change")
    func configuration() async throws {
        let provider = NotingProvider()
        let client = TestClient(provider: provider)
        _ = try await initialize(
            client,
            capabilities: ["workspace": ["configuration": true, "didChangeConfiguration": ["dynamicRegistration": true]]])
        let registration = try await client.nextNotification()
        #expect(registration["method"] == "client/registerCapability")
        let registered = registration.value(at: "params.registrations")
        #expect(registered?[0]?["method"] == "workspace/didChangeConfiguration" && registered?[1] == nil)
        try answer(client, to: registration, .null)
        let question = try await client.nextNotification()
        #expect(question["method"] == "workspace/configuration")
        #expect(
            question.value(at: "params.items") == [
                ["section": "foretoken"], ["section": "foretoken", "scopeUri": "file:///one"],
            ])
        try answer(client, to: question, [["contextTokens": 512], ["contextTokens": 256]])
        try client.notify("workspace/didChangeConfiguration", ["settings": nil])
        let again = try await client.nextNotification()
        #expect(again["method"] == "workspace/configuration")
        #expect(
            provider.all == [
                "settings integer(512)", "settings of /one integer(256)", "settings null",
            ])
    }

    @Test("Folders come and go; a client that cannot be asked is not")
    func folders() async throws {
        let provider = NotingProvider()
        let client = TestClient(provider: provider)
        let capabilities = try await initialize(client, capabilities: [:])
        #expect(
            capabilities.value(at: "result.capabilities.workspace.workspaceFolders.changeNotifications") == true)
        try client.notify(
            "workspace/didChangeWorkspaceFolders",
            ["event": ["added": [["uri": "file:///two", "name": "two"]], "removed": []]])
        try client.notify(
            "workspace/didChangeWorkspaceFolders",
            ["event": ["added": [], "removed": [["uri": "file:///one", "name": "one"]]]])
        try client.request(2, "shutdown")
        _ = try await client.response(to: 2)
        #expect(provider.all == ["roots /one /two", "roots /two"])
        #expect(client.notifications == [])
    }

    @Test("Inline completion is registered where the client wants that, and offered at once where it does not")
    func registration() async throws {
        let dynamic = TestClient(provider: NotingProvider())
        let answer = try await initialize(
            dynamic, capabilities: ["textDocument": ["inlineCompletion": ["dynamicRegistration": true]]])
        #expect(answer.value(at: "result.capabilities.inlineCompletionProvider") == nil)
        let registration = try await dynamic.nextNotification()
        let registered = registration.value(at: "params.registrations")?[0]
        #expect(registered?["method"] == "textDocument/inlineCompletion")
        #expect(registered?["registerOptions"] == ["documentSelector": [["scheme": "file"]]])
        let fixed = TestClient(provider: NotingProvider())
        let offered = try await initialize(fixed, capabilities: [:])
        #expect(offered.value(at: "result.capabilities.inlineCompletionProvider") == true)
        #expect(offered.value(at: "result.capabilities.completionProvider") == nil)
    }

    @Test("A menu's item replaces the word before the cursor by itself and the suggestion")
    func menu() async throws {
        let provider = NotingProvider(.items([CompletionItem(text: "gth(\n    1)", at: 0)]), offersMenu: true)
        let client = TestClient(provider: provider)
        let answer = try await initialize(client, capabilities: [:])
        #expect(answer.value(at: "result.capabilities.completionProvider.resolveProvider") == false)
        try client.open("file:///one/a.swift", "let a = é.len\n")
        try client.request(
            2, "textDocument/completion",
            ["textDocument": ["uri": "file:///one/a.swift"], "position": ["line": 0, "character": 13]])
        let list = try await client.response(to: 2)["result"]
        #expect(list?["isIncomplete"] == true)
        let item = try #require(list?["items"]?[0])
        #expect(item["label"] == "length(" && item["filterText"] == "length(\n    1)")
        #expect(item["detail"] == "foretoken, 2 lines")
        #expect(item.value(at: "textEdit.newText") == "length(\n    1)")
        #expect(
            item.value(at: "textEdit.range") == [
                "start": ["line": 0, "character": 10], "end": ["line": 0, "character": 13],
            ])
        #expect(item.value(at: "command.command") == "foretoken.didAccept")
    }

    @Test("A client of Copilot's kind is told when the status changes, and its indentation counts")
    func status() async throws {
        let provider = NotingProvider(.inactive(reason: "switched off"))
        let client = TestClient(provider: provider)
        _ = try await initialize(
            client, capabilities: [:],
            options: ["editorInfo": ["name": "e", "version": "1"], "editorPluginInfo": ["name": "p", "version": "1"]])
        try client.open("file:///one/a.swift", "let a\n")
        try client.request(
            2, "textDocument/inlineCompletion",
            [
                "textDocument": ["uri": "file:///one/a.swift", "version": 1],
                "position": ["line": 0, "character": 5], "context": ["triggerKind": 2],
                "formattingOptions": ["tabSize": 2, "insertSpaces": true],
            ])
        #expect(try await client.response(to: 2)["result"] == .null)
        let busy = try await client.nextNotification()
        #expect(busy["method"] == "didChangeStatus")
        #expect(busy["params"] == ["busy": true, "message": "", "kind": "Normal"])
        let inactive = try await client.nextNotification()
        #expect(inactive["params"] == ["busy": false, "message": "switched off", "kind": "Inactive"])
        #expect(provider.all == ["indents spaces 2"])
    }
}
