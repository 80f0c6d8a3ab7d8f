// Documents follow the editor's edits exactly, and what makes no sense is survived.

import TestSupport
import Testing

@testable import CompletionDaemon

@Suite("Document store")
struct DocumentStoreTests {
    private let uri = DocumentURI("file:///project/a.swift")

    private func opened(_ text: String, limits: Limits = Limits()) throws -> DocumentStore {
        var store = DocumentStore(limits: limits)
        _ = try open(uri, text, in: &store)
        return store
    }

    private func open(
        _ uri: DocumentURI, _ text: String, version: Int64 = 1, in store: inout DocumentStore
    ) throws -> [DocumentProblem] {
        store.open(
            DidOpenParams.TextDocument(uri: uri, languageId: "swift", version: version, text: text))
    }

    private func change(_ range: PositionRange?, _ text: String, version: Int64 = 2) -> DidChangeParams {
        DidChangeParams(
            textDocument: .init(uri: uri, version: version), contentChanges: [.init(range: range, text: text)]
        )
    }

    private func range(_ startLine: Int, _ start: Int, _ endLine: Int, _ end: Int) -> PositionRange {
        PositionRange(
            start: Position(line: startLine, character: start), end: Position(line: endLine, character: end))
    }

    private func text(_ store: DocumentStore) -> String? {
        store.snapshot(uri).map { String(decoding: $0.bytes, as: UTF8.self) }
    }

    @Test("Random edits in every encoding lead to the text that the naive editor has")
    func randomEdits() throws {
        for seed in UInt64(0)..<200 {
            var random = SeededRandom(seed: seed)
            let encoding = random.element(of: PositionEncoding.allCases)
            var naive = LineTableTests.randomText(&random, pieceCount: 15)
            var store = try opened(naive)
            for version in Int64(2)..<20 {
                var changes: [DidChangeParams.ContentChange] = []
                for _ in 0..<1 + random.below(3) {
                    let inserted = LineTableTests.randomText(&random, pieceCount: 3)
                    guard !random.oneIn(12) else {
                        changes.append(.init(range: nil, text: inserted))
                        naive = inserted
                        continue
                    }
                    let range = range(random.below(8), random.below(9), random.below(8), random.below(9))
                    changes.append(.init(range: range, text: inserted))
                    let model = NaiveText(naive)
                    let ends = [model.offset(range.start, encoding), model.offset(range.end, encoding)]
                        .sorted()
                    var bytes = Array(naive.utf8)
                    bytes.replaceSubrange(ends[0]..<ends[1], with: inserted.utf8)
                    naive = String(decoding: bytes, as: UTF8.self)
                }
                let params = DidChangeParams(
                    textDocument: .init(uri: uri, version: version), contentChanges: changes)
                _ = store.change(params, encoding: encoding)
                let snapshot = try #require(store.snapshot(uri))
                #expect(snapshot.bytes == Array(naive.utf8), "seed \(seed), version \(version)")
                #expect(snapshot.lineTable == LineTable(snapshot.bytes), "seed \(seed), version \(version)")
                #expect(snapshot.version == version)
            }
        }
    }

    @Test("A snapshot keeps its text while the document goes on")
    func snapshotsAreValues() throws {
        var store = try opened("one\n")
        let before = try #require(store.snapshot(uri))
        _ = store.change(change(range(0, 0, 0, 3), "two"), encoding: .utf16)
        #expect(before.bytes == Array("one\n".utf8))
        #expect(text(store) == "two\n")
    }

    @Test("Ranges outside the text or with swapped ends are clamped, applied and reported")
    func strangeRanges() throws {
        var store = try opened("ab\ncd")
        #expect(
            store.change(change(range(9, 9, 12, 0), "!"), encoding: .utf16) == [
                .positionOutsideText(changeIndex: 0)
            ])
        #expect(text(store) == "ab\ncd!")
        #expect(
            store.change(change(range(1, 1, 0, 1), "-", version: 3), encoding: .utf16) == [
                .positionOutsideText(changeIndex: 0)
            ])
        #expect(text(store) == "a-d!")
        #expect(
            store.change(change(nil, "new", version: 3), encoding: .utf16) == [
                .versionNotNewer(current: 3, received: 3)
            ])
        #expect(text(store) == "new")
    }

    @Test("Notifications for documents that are not open change nothing")
    func notOpen() {
        var store = DocumentStore(limits: Limits())
        #expect(store.change(change(nil, "x"), encoding: .utf8) == [.notOpen])
        #expect(store.close(uri) == [.notOpen])
        #expect(store.save(uri) == [.notOpen])
        #expect(store.snapshot(uri) == nil)
    }

    @Test("A document over the size limit is open without text until it is small again")
    func tooLarge() throws {
        var limits = Limits()
        limits.documentByteCount = 10
        var store = try opened("0123456789", limits: limits)
        let problems = store.change(change(range(0, 0, 0, 0), "x"), encoding: .utf8)
        #expect(problems == [.documentTooLarge(byteCount: 11, limit: 10)])
        #expect(store.snapshot(uri) == nil)
        #expect(store.change(change(range(0, 0, 0, 1), ""), encoding: .utf8) == [.textUnavailable])
        #expect(store.change(change(nil, "small", version: 4), encoding: .utf8) == [])
        #expect(text(store) == "small")
        #expect(store.snapshot(uri)?.languageID == "swift")
    }

    @Test(
        "A flood of edits in one message lets the text go; a change of the whole text among them counts anew")
    func editFlood() throws {
        var store = DocumentStore(limits: Limits())
        let lines = String(repeating: "\n", count: 8 << 20)
        _ = try open(uri, lines, in: &store)
        let edit = DidChangeParams.ContentChange(range: range(0, 0, 0, 0), text: "x")
        func flood(_ changes: [DidChangeParams.ContentChange], version: Int64) -> [DocumentProblem] {
            store.change(
                DidChangeParams(
                    textDocument: .init(uri: uri, version: version), contentChanges: changes),
                encoding: .utf16)
        }
        let edits = [DidChangeParams.ContentChange](repeating: edit, count: 600_000)
        let moved = 600_000 * ((8 << 20) + 600_000)
        #expect(
            flood(edits, version: 2) == [
                .tooManyEdits(count: 600_000, byteCount: moved, limit: DocumentStore.movedByteCountPerMessage)
            ])
        #expect(store.snapshot(uri) == nil)
        let whole = DidChangeParams.ContentChange(range: nil, text: "new")
        #expect(flood(edits + [whole, edit, edit], version: 3) == [])
        #expect(text(store) == "xxnew")
        #expect(store.snapshot(uri)?.version == 3)
    }

    @Test("Over the limit for all text the document least recently touched loses its text")
    func totalTextLimit() throws {
        var limits = Limits()
        limits.openTextByteCount = 25
        var store = DocumentStore(limits: limits)
        let uris = (0..<4).map { DocumentURI("file:///\($0)") }
        _ = try open(uris[0], "0123456789", in: &store)
        _ = try open(uris[1], "0123456789", in: &store)
        store.touch(uris[0])
        let problems = try open(uris[2], "0123456789", in: &store)
        #expect(problems == [.textDropped(uris[1], totalByteCount: 30, limit: 25)])
        #expect(store.snapshot(uris[1]) == nil)
        #expect(store.openDocuments(except: uris[2]).map(\.uri) == [uris[0]])
        // Closing frees its share.
        _ = store.close(uris[0])
        #expect(try open(uris[3], "0123456789", in: &store) == [])
    }

    @Test("Other open documents and recent paths come most recent first, within their limits")
    func recency() throws {
        var limits = Limits()
        limits.recentPathCount = 3
        limits.contextDocumentCount = 2
        limits.openDocumentCount = 5
        var store = DocumentStore(limits: limits)
        for name in ["a", "b", "c", "d"] { _ = try open(DocumentURI("file:///\(name)"), "", in: &store) }
        _ = try open(DocumentURI("untitled:1"), "", in: &store)
        _ = store.save(DocumentURI("file:///b"))
        _ = store.close(DocumentURI("file:///d"))
        #expect(store.recentPaths == ["/b", "/d", "/c"])
        let others = store.openDocuments(except: DocumentURI("file:///b"))
        #expect(others.map(\.uri.description) == ["untitled:1", "file:///c"])
        #expect(try open(DocumentURI("file:///e"), "", in: &store) == [])
        #expect(try open(DocumentURI("file:///f"), "", in: &store) == [.tooManyDocuments(limit: 5)])
    }
}
