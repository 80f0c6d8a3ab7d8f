// The completion request over the wire: positions, cancellation, supersession, and failures.

import Synchronization
import TestSupport
import Testing

@testable import CompletionDaemon

@Suite("Inline completion", .timeLimit(.minutes(10)))
struct InlineCompletionTests {
    private let uri = "file:///work/a.swift"

    private func started(
        _ provider: ScriptedProvider, encodings: [String]? = nil, limits: Limits = Limits()
    ) async throws -> TestClient {
        let client = TestClient(provider: provider, limits: limits)
        _ = try await client.initialize(positionEncodings: encodings)
        return client
    }

    private func range(_ line: Int64, _ start: Int64, _ end: Int64) -> JSONTree {
        [
            "start": ["line": .integer(line), "character": .integer(start)],
            "end": ["line": .integer(line), "character": .integer(end)],
        ]
    }

    @Test(
        "The item's range is counted in the negotiated encoding",
        arguments: [("utf-8", 7, 11), ("utf-16", 4, 6), ("utf-32", 3, 4)] as [(String, Int64, Int64)])
    func ranges(encoding: String, start: Int64, end: Int64) async throws {
        // é is two bytes, 𝒳 four bytes and two UTF-16 units. The item replaces the second 𝒳.
        let provider = ScriptedProvider { request in
            .answer(
                .items([
                    CompletionItem(text: "new", replaceRange: request.byteOffset - 4..<request.byteOffset)
                ]))
        }
        let client = try await started(provider, encodings: [encoding])
        try client.open(uri, "x\r\né𝒳 𝒳\r\n")
        try client.complete(1, uri, line: 1, character: end)
        let item = try await client.response(to: 1).value(at: "result.items")?[0]
        #expect(item?["insertText"] == "new")
        #expect(item?["range"] == range(1, start, end))
    }

    @Test("The provider sees the text, cursor and neighbours as they were when the request was sent")
    func requestContents() async throws {
        let provider = ScriptedProvider { _ in .hold }
        let client = try await started(provider)
        try client.open("file:///work/other.swift", "other")
        try client.open(uri, "let a\n")
        try client.notify(
            "textDocument/didChange",
            [
                "textDocument": ["uri": .string(uri), "version": 2],
                "contentChanges": [["range": range(0, 5, 5), "text": " = 1"]],
            ])
        try client.complete(1, uri, line: 0, character: 9, triggerKind: 1)
        var calls = provider.calls.makeAsyncIterator()
        let request = try #require(await calls.next())
        #expect(request.document.bytes == Array("let a = 1\n".utf8))
        #expect(request.document.version == 2)
        #expect(request.document.path == "/work/a.swift")
        #expect(request.document.languageID == "swift")
        #expect(request.byteOffset == 9)
        #expect(request.triggerKind == .invoked)
        #expect(request.openDocuments.map(\.path) == ["/work/other.swift"])
        #expect(request.recentPaths == ["/work/a.swift", "/work/other.swift"])
        provider.release(.none(reason: "test"))
        #expect(try await client.response(to: 1)["result"] == .null)
    }

    @Test("A position outside the text is moved to the nearest place")
    func positionOutside() async throws {
        let client = try await started(ScriptedProvider.inserting("x"))
        try client.open(uri, "ab\ncd")
        try client.complete(1, uri, line: 900, character: 900)
        #expect(try await client.response(to: 1).value(at: "result.items")?[0]?["range"] == range(1, 2, 2))
        try client.complete(2, uri, line: 0, character: 900)
        #expect(try await client.response(to: 2).value(at: "result.items")?[0]?["range"] == range(0, 2, 2))
    }

    @Test("A document that gets the focus is more recent than those opened after it")
    func focus() async throws {
        let provider = ScriptedProvider { _ in .hold }
        let client = try await started(provider)
        for name in ["c", "b"] { try client.open("file:///work/\(name).swift", "") }
        try client.open(uri, "")
        try client.notify("textDocument/didFocus", ["textDocument": ["uri": "file:///work/c.swift"]])
        try client.notify("textDocument/didFocus", [:])
        try client.complete(1, uri)
        var calls = provider.calls.makeAsyncIterator()
        let paths = try #require(await calls.next()).recentPaths
        let places = try ["/work/c.swift", "/work/b.swift"].map { try #require(paths.firstIndex(of: $0)) }
        #expect(places[0] < places[1])
    }

    @Test("There is no answer but null for documents that are not open")
    func notOpen() async throws {
        let provider = ScriptedProvider.inserting("x")
        let client = try await started(provider)
        try client.complete(1, uri)
        #expect(try await client.response(to: 1)["result"] == .null)
        try client.open(uri, "")
        try client.notify("textDocument/didSave", ["textDocument": ["uri": .string(uri)]])
        try client.notify("textDocument/didClose", ["textDocument": ["uri": .string(uri)]])
        try client.complete(2, uri)
        #expect(try await client.response(to: 2)["result"] == .null)
        #expect(provider.savedDocuments.map(\.description) == [uri])
        #expect(provider.closedDocuments.map(\.description) == [uri])
    }

    @Test("A cancelled request is answered at once, even by a provider that does not listen")
    func cancellation() async throws {
        let provider = ScriptedProvider { _ in .hold }
        let client = try await started(provider)
        try client.open(uri, "")
        try client.complete(1, uri)
        var calls = provider.calls.makeAsyncIterator()
        let request = try #require(await calls.next())
        try client.notify("$/cancelRequest", ["id": 1])
        #expect(try await client.response(to: 1).value(at: "error.code") == -32800)
        #expect(request.cancellation.reason == .client)
        #expect(client.inFlight.count == 0)
        // The late outcome goes nowhere, and the id is free again.
        try client.complete(1, uri)
        _ = await calls.next()
        provider.release(.items([CompletionItem(text: "late", at: 0)])) { $0.cancellation.isCancelled }
        provider.release(.items([CompletionItem(text: "new", at: 0)])) { !$0.cancellation.isCancelled }
        let next = try JSONTree(parsing: try #require(await client.receive()))
        #expect(next.value(at: "result.items.insertText") == ["new"])
    }

    @Test("A cancellation overtakes requests that still wait in the queue")
    func cancellationOvertakes() async throws {
        let provider = ScriptedProvider { _ in .hold }
        let events = EventQueue(maximumCount: 100, maximumCost: .max)
        let inFlight = InFlightRequests()
        let output = CapturedOutput()
        let intake = MessageIntake(
            events: events, inFlight: inFlight, sink: output, limits: Limits(), recorder: nil,
            logger: silentLogger)
        // No server runs yet: everything below waits in the queue.
        _ = intake.receive(
            .message(
                Array(
                    #"""
                    {"jsonrpc":"2.0","id":5,"method":"textDocument/inlineCompletion",\#
                    "params":{"textDocument":{"uri":"u:1"},"position":{"line":0,"character":0}}}
                    """#
                    .utf8)))
        _ = intake.receive(
            .message(Array(#"{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":5}}"#.utf8)))
        guard case .request(_, let pending)? = events.popIfAvailable() else {
            Issue.record("expected the request first")
            return
        }
        #expect(pending.cancellation.reason == .client)
        inFlight.remove(pending.id)
        pending.reply.send(error: .requestCancelled)
        provider.release(.cancelled)
    }

    @Test("A newer request for the same document ends the older one at once, with null")
    func supersession() async throws {
        let provider = ScriptedProvider {
            $0.byteOffset == 1 ? .hold : .answer(.items([CompletionItem(text: "n", at: 0)]))
        }
        let client = try await started(provider)
        try client.open(uri, "abc")
        try client.open("file:///other", "abc")
        try client.complete(1, uri, character: 1)
        try client.complete(2, "file:///other", character: 1)
        var calls = provider.calls.makeAsyncIterator()
        let held = try #require(await calls.next())
        let other = try #require(await calls.next())
        try client.complete(3, uri, character: 2)
        #expect(try await client.response(to: 1)["result"] == .null)
        #expect(try await client.response(to: 3).value(at: "result.items.insertText") == ["n"])
        let reasons = [held, other].map { ($0.document.uri.description, $0.cancellation.reason) }
        #expect(reasons.first { $0.0 == uri }?.1 == .superseded)
        #expect(reasons.first { $0.0 != uri }?.1 == RequestCancellation.Reason?.none)
        provider.release(.items([CompletionItem(text: "slow", at: 0)]))
        #expect(try await client.response(to: 2).value(at: "result.items.insertText") == ["slow"])
    }

    @Test("Shutdown answers what is still running")
    func shutdown() async throws {
        let client = try await started(ScriptedProvider { _ in .holdUntilCancelled })
        try client.open(uri, "")
        try client.complete(1, uri)
        try client.request(2, "shutdown")
        #expect(try await client.response(to: 1).value(at: "error.code") == -32800)
        #expect(try await client.response(to: 2)["result"] == .null)
    }

    @Test("An id that is still in use is refused, the first request keeps it")
    func duplicateID() async throws {
        let provider = ScriptedProvider { _ in .hold }
        let client = try await started(provider)
        try client.open(uri, "")
        try client.complete(1, uri)
        var calls = provider.calls.makeAsyncIterator()
        _ = await calls.next()
        try client.complete(1, uri)
        let refusal = try JSONTree(parsing: try #require(await client.receive()))
        #expect(refusal.value(at: "error.code") == -32600)
        provider.release(.items([CompletionItem(text: "first", at: 0)]))
        let answer = try JSONTree(parsing: try #require(await client.receive()))
        #expect(answer.value(at: "result.items.insertText") == ["first"])
    }

    @Test("A failure is an error for who asked, one log line for who types")
    func failures() async throws {
        let client = try await started(
            ScriptedProvider { _ in .answer(.failed(message: "no model: do this")) })
        try client.open(uri, "")
        try client.complete(1, uri, triggerKind: 1)
        let asked = try await client.response(to: 1)
        #expect(asked.value(at: "error.code") == -32803)
        #expect(asked.value(at: "error.message") == "no model: do this")
        for id in Int64(2)..<5 {
            try client.complete(.integer(id), uri, triggerKind: 2)
            #expect(try await client.response(to: .integer(id))["result"] == .null)
        }
        #expect(client.notifications.map { $0.value(at: "params.message") } == ["no model: do this"])
    }

    @Test("A failure that comes back after a completion is said again")
    func returningFailure() async throws {
        let number = Mutex(0)
        let client = try await started(
            ScriptedProvider { _ in
                let isFailure = number.withLock { number in
                    number += 1
                    return number != 3
                }
                return .answer(
                    isFailure
                        ? .failed(message: "no server: start it") : .items([CompletionItem(text: "x", at: 0)]))
            })
        try client.open(uri, "")
        for id in Int64(1)..<6 {
            try client.complete(.integer(id), uri, triggerKind: 2)
            _ = try await client.response(to: .integer(id))
        }
        let said = client.notifications.compactMap { $0.value(at: "params.message") }
        #expect(said == ["no server: start it", "no server: start it"])
    }

    @Test("Above the number of running completions a request is answered with nothing")
    func tooManyRunning() async throws {
        var limits = Limits()
        limits.runningCompletionCount = 2
        let provider = ScriptedProvider { _ in .hold }
        let client = try await started(provider, limits: limits)
        for number in Int64(0)..<3 {
            try client.open("file:///\(number)", "")
            try client.complete(.integer(number), "file:///\(number)")
        }
        #expect(try await client.response(to: 2)["result"] == .null)
        var calls = provider.calls.makeAsyncIterator()
        _ = await calls.next()
        _ = await calls.next()
        provider.release(.items([CompletionItem(text: "x", at: 0)]))
        #expect(try await client.response(to: 0).value(at: "result.items.insertText") == ["x"])
        #expect(try await client.response(to: 1).value(at: "result.items.insertText") == ["x"])
    }

    @Test("A document over the size limit is reported to the user once")
    func largeDocument() async throws {
        var limits = Limits()
        limits.documentByteCount = 4
        let client = try await started(ScriptedProvider.inserting("x"), limits: limits)
        try client.open(uri, "12345")
        let notification = try await client.nextNotification()
        #expect(notification["method"] == "window/logMessage")
        #expect(notification.value(at: "params.type") == 2)
        try client.complete(1, uri)
        #expect(try await client.response(to: 1)["result"] == .null)
    }
}

@Suite("Inline completion answers")
struct InlineCompletionAnswerTests {
    private func list(
        _ text: String, selected: SelectedCompletion? = nil, _ items: [CompletionItem]
    ) -> (texts: [String], ranges: [PositionRange], invalid: Int) {
        let document = DocumentSnapshot(
            uri: DocumentURI("u:1"), languageID: "", version: nil, bytes: Array(text.utf8))
        let answer = InlineCompletionAnswer(
            document: document, selectedCompletion: selected, encoding: .utf16)
        let (list, invalid) = answer.list(items) { $0 }
        return (list?.items.map(\.insertText) ?? [], list?.items.map(\.range) ?? [], invalid)
    }

    @Test("Items whose range leaves its line, the text or a character are not shown")
    func invalidRanges() {
        let items = [0..<3, 2..<3, 0..<99, -1..<0, 4..<5, 3..<5].map {
            CompletionItem(text: "x", replaceRange: $0)
        }
        let found = list("ab\né", items)
        #expect(found.invalid == 5)
        #expect(found.ranges.count == 1)
        #expect(list("ab", [CompletionItem(text: "", at: 0)]).texts == [])
    }

    @Test("While the menu highlights an item, suggestions begin with it and use its range")
    func selectedCompletion() {
        // foo.ba| with "bar" highlighted, which would replace "ba".
        let selected = SelectedCompletion(replaceRange: 4..<6, text: "bar")
        let found = list(
            "foo.ba", selected: selected,
            [
                CompletionItem(text: "r(x)", at: 6), CompletionItem(text: "z", at: 6),
                CompletionItem(text: "r", at: 6),
            ])
        #expect(found.texts == ["bar(x)", "bar"])
        #expect(found.ranges[0].start.character == 4 && found.ranges[0].end.character == 6)
    }
}
