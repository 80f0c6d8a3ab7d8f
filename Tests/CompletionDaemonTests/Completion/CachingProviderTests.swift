// The provider that remembers: how often the model is asked, and that what is shown fits the document and the menu.

import Synchronization
import Testing

@testable import CompletionDaemon

struct CachingProviderTests {
    /// The texts that the model was asked about, with `|` at the cursor.
    private final class Asked: Sendable {
        private let texts = Mutex<[String]>([])

        var all: [String] { texts.withLock { $0 } }

        func note(_ request: CompletionRequest) {
            // What the editor does not have must not be remembered as if it did.
            let text = String(decoding: request.document.bytes, as: UTF8.self)
            #expect(request.isHypothetical == text.contains("totem"))
            var marked = request.document.bytes
            marked.insert(UInt8(ascii: "|"), at: request.byteOffset)
            texts.withLock { $0.append(String(decoding: marked, as: UTF8.self)) }
        }
    }

    private func provider(
        _ asked: Asked, _ outcome: @escaping @Sendable (CompletionRequest) -> CompletionOutcome
    ) -> CachingProvider {
        CachingProvider(
            ScriptedProvider { request in
                asked.note(request)
                return .answer(outcome(request))
            })
    }

    private func suggesting(_ texts: String..., asked: Asked) -> CachingProvider {
        provider(asked) { request in
            .items(texts.map { CompletionItem(text: $0, at: request.byteOffset) })
        }
    }

    private func request(
        _ marked: String, _ triggerKind: InlineCompletionTriggerKind = .automatic,
        selected: SelectedCompletion? = nil
    ) throws -> CompletionRequest {
        let parts = marked.split(separator: "|", maxSplits: 1, omittingEmptySubsequences: false)
        let document = DocumentSnapshot(
            uri: DocumentURI("file:///a.py"), languageID: "python", version: 1,
            bytes: Array((parts[0] + parts[1]).utf8))
        return CompletionRequest(
            document: document, byteOffset: parts[0].utf8.count, triggerKind: triggerKind,
            selectedCompletion: selected, openDocuments: [], recentPaths: [], cancellation: RequestCancellation())
    }

    private func texts(_ outcome: CompletionOutcome) -> [String]? {
        guard case .items(let items) = outcome else { return nil }
        return items.map(\.text)
    }

    @Test("Typing along and deleting back ask the model once")
    func typesAlong() async throws {
        let asked = Asked()
        let provider = suggesting("total(1)", asked: asked)
        #expect(texts(await provider.complete(try request("x = |\n"))) == ["total(1)"])
        #expect(texts(await provider.complete(try request("x = to|\n"))) == ["tal(1)"])
        #expect(texts(await provider.complete(try request("x =|\n"))) == [" total(1)"])
        #expect(asked.all == ["x = |\n"])
        #expect(texts(await provider.complete(try request("x = n|\n"))) == ["total(1)"])
        #expect(asked.all.count == 2)
    }

    @Test("Who asks for suggestions gets several, although one is known")
    func invoked() async throws {
        let asked = Asked()
        let provider = provider(asked) { request in
            let texts = request.triggerKind == .invoked ? ["a()", "b()"] : ["a()"]
            return .items(texts.map { CompletionItem(text: $0, at: request.byteOffset) })
        }
        #expect(texts(await provider.complete(try request("x = |"))) == ["a()"])
        #expect(texts(await provider.complete(try request("x = |", .invoked))) == ["a()", "b()"])
        #expect(texts(await provider.complete(try request("x = |", .invoked))) == ["a()", "b()"])
        #expect(asked.all.count == 2)
    }

    @Test("While the menu moves, every suggestion begins with its item; an item seen before costs nothing")
    func menu() async throws {
        let asked = Asked()
        let provider = suggesting("al(1)", asked: asked)
        let shown = try request("x = tot|\n")
        #expect(texts(await provider.complete(shown)) == ["al(1)"])

        let total = SelectedCompletion(replaceRange: 4..<7, text: "total")
        let known = await provider.complete(try request("x = tot|\n", selected: total))
        #expect(known == .items([CompletionItem(text: "al(1)", at: 7)]))
        #expect(asked.all.count == 1)

        let other = SelectedCompletion(replaceRange: 4..<7, text: "totem")
        let expected = CompletionOutcome.items([CompletionItem(text: "totemal(1)", replaceRange: 4..<7)])
        #expect(await provider.complete(try request("x = tot|\n", selected: other)) == expected)
        #expect(await provider.complete(try request("x = tot|\n", selected: other)) == expected)
        #expect(asked.all == ["x = tot|\n", "x = totem|\n"])
    }

    @Test("A request that was cancelled, failed or could not be served now is not remembered")
    func unfinished() async throws {
        for outcome in [CompletionOutcome.cancelled, .none(reason: "overdue"), .failed(message: "broken")] {
            let asked = Asked()
            let provider = provider(asked) { _ in outcome }
            #expect(await provider.complete(try request("x|")) == outcome)
            #expect(await provider.complete(try request("x|")) == outcome)
            #expect(asked.all.count == 2)
        }
    }

    @Test("What time cut short is shown, and made anew the next time")
    func cutShort() async throws {
        let asked = Asked()
        let provider = provider(asked) { request in
            let place = request.byteOffset..<request.byteOffset
            return .items([CompletionItem(text: "total(", replaceRange: place, isUnfinished: true)])
        }
        #expect(texts(await provider.complete(try request("x = |\n"))) == ["total("])
        #expect(texts(await provider.complete(try request("x = |\n"))) == ["total("])
        #expect(asked.all.count == 2)
    }

    @Test("That there is nothing to suggest is remembered, and forgotten with the document")
    func nothing() async throws {
        let asked = Asked()
        let provider = provider(asked) { _ in .items([]) }
        #expect(await provider.complete(try request("x|")) == .items([]))
        #expect(await provider.complete(try request("x|")) == .items([]))
        #expect(asked.all.count == 1)
        provider.documentClosed(DocumentURI("file:///a.py"))
        #expect(await provider.complete(try request("x|")) == .items([]))
        #expect(asked.all.count == 2)
    }
}
