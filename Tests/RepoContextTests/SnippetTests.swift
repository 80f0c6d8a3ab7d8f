// Pieces of files: where texts are cut, which pieces are chosen, and that a choice stays while it is nearly as good as
// the next.

import Foundation
import TestSupport
import Testing

@testable import RepoContext

@Suite struct SnippetTests {
    private static func outline(_ text: String, _ language: SourceLanguage = .python) -> SnippetOutline {
        SnippetOutline(Array(text.utf8), language: language)
    }

    @Test("Snippets hold every line once, begin at definitions with their comments, and stay short")
    func cutsTexts() {
        let functions = (0..<12).map { number in
            "# Says \(number).\n@wraps\ndef function_\(number)(a,\n    b):\n"
                + String(repeating: "    step(a)\n\n", count: number * 3 + 2) + "\n"
        }
        let outline = Self.outline("import os\n\nLIMIT = 3\n\n\n\n" + functions.joined())
        var line = 0
        for snippet in outline.snippets {
            #expect(
                snippet.lines.lowerBound == line && snippet.lines.count <= SnippetOutline.maximumLineCount)
            line = snippet.lines.upperBound
        }
        #expect(line == outline.text.count { $0 == 0x0A })
        let starts = outline.snippets.map {
            String(decoding: outline.text[$0.bytes].prefix(7), as: UTF8.self)
        }
        #expect(starts.count { $0 == "# Says " } == 12)
        let third = outline.snippets.first {
            String(decoding: outline.text[$0.bytes], as: UTF8.self).hasPrefix("# Says 3.")
        }
        #expect(
            third.map { String(decoding: outline.text[$0.signature], as: UTF8.self) }
                == "# Says 3.\n@wraps\ndef function_3(a,\n    b):\n")
    }

    @Test(
        "Odd texts are cut without a fault",
        arguments: ["", "\n", "x", "\r\n\r\n", "def", "((((", "'''", "# a\n# b"])
    func cutsOddTexts(text: String) {
        for language in SourceLanguage.allCases {
            let outline = Self.outline(text, language)
            #expect(outline.snippets.reduce(0) { $0 + $1.bytes.count } == text.utf8.count)
        }
    }

    /// A library of forty functions and a file that uses some.
    private static func library() throws -> RepositoryFixture {
        let fixture = try RepositoryFixture(name: "library")
        let functions = (0..<40).map { number in
            "def shelf_\(number)(book, reader):\n    \"\"\"Shelf \(number).\"\"\"\n"
                + (0..<6).map { "    book.move_\(number)_\($0)(reader)\n" }.joined() + "    return book\n\n\n"
        }
        try fixture.write("library/shelves.py", functions.joined())
        try fixture.write("library/desk.py", "from .shelves import shelf_1\n")
        try fixture.commit()
        return fixture
    }

    private static func query(_ fixture: RepositoryFixture, _ body: String, tokens: Int = 2_400)
        -> ContextQuery
    {
        let text = "from .shelves import shelf_1\n\n\ndef lend(book, reader):\n" + body
        return ContextQuery(
            filePath: fixture.absolute("library/desk.py"), text: Array(text.utf8),
            cursorOffset: text.utf8.count,
            tokenBudget: tokens)
    }

    private static func context(without signals: Set<ContextSignal> = []) -> RepositoryContext {
        RepositoryContext(
            .init(queryTimeLimit: .seconds(60), disabledSignals: signals, onDegradation: { _ in }))
    }

    /// What was chosen; the test's tokenizer of one byte a token finds room for a part of it alone.
    private static func shown(_ result: PromptResult) -> String {
        result.selection.map { String(decoding: $0.text, as: UTF8.self) }.joined()
    }

    @Test("Of a long file the pieces that the cursor is about are shown, and the origins say which")
    func choosesPieces() async throws {
        let fixture = try Self.library()
        let result = try await Self.context().prompt(
            for: Self.query(fixture, "    book.move_17_2(reader)\n    shelf_31(book, reader)\n    "),
            tokenizer: ByteTokenizer())
        #expect(Self.shown(result).contains("def shelf_17(") && Self.shown(result).contains("def shelf_31("))
        let origin = try #require(result.prompt.contextOrigins.first)
        let file = result.selection[origin.file]
        let fitting = file.lineRanges(lineCount: origin.lineCount)
        #expect(fitting.reduce(0) { $0 + $1.count } == origin.lineCount)
        let ranges = file.lineRanges(lineCount: .max)
        // Eleven lines a function.
        #expect(ranges.contains { $0.contains(17 * 11) } && ranges.contains { $0.contains(31 * 11) })
    }

    @Test("Among pieces with the same names, the one that uses them in the cursor's order comes first")
    func prefersWordsInARow() async throws {
        let fixture = try RepositoryFixture(name: "orders")
        let words = ["lend", "book", "scan", "card", "stamp", "date"]
        let functions = (0..<12).map { number in
            // Of the twelve orders the eighth alone is the cursor's.
            let order = (0..<6).map { words[number == 7 ? $0 : ($0 * 5 + number) % 6] }
            return "def desk_\(number)():\n"
                + (0..<6).map { "    \(order[$0])(\(order[($0 + 1) % 6]))\n" }.joined() + "    return 1\n\n\n"
        }
        try fixture.write("desks.py", functions.joined())
        try fixture.write("now.py", "")
        try fixture.commit()
        let text = "def now():\n    lend(book)\n    book(scan)\n    scan(card)\n    card(stamp)\n    stamp(date)\n    "
        let query = ContextQuery(
            filePath: fixture.absolute("now.py"), text: Array(text.utf8), cursorOffset: text.utf8.count,
            tokenBudget: 2_400)
        let result = try await Self.context().prompt(for: query, tokenizer: ByteTokenizer())
        let best = try #require(result.selection.flatMap(\.snippets).max { $0.score < $1.score })
        // Ten lines a function.
        #expect(best.lines.contains(7 * 10))
        let without = try await Self.context(without: [.lexical]).prompt(for: query, tokenizer: ByteTokenizer())
        let shown = without.selection.flatMap(\.snippets)
        #expect(Set(shown.map(\.score)).count <= 1)
    }

    @Test("A switched-off signal is no reason", arguments: ContextSignal.allCases)
    func switchesSignalsOff(signal: ContextSignal) async throws {
        let fixture = try Self.library()
        let query = Self.query(fixture, "    shelf_31(book, reader)\n    ")
        let all = try await Self.context().prompt(for: query, tokenizer: ByteTokenizer())
        let some = try await Self.context(without: [signal]).prompt(for: query, tokenizer: ByteTokenizer())
        #expect(!some.selection.contains { $0.score.signals.contains(signal) })
        if [.imports, .lexical, .definitions, .sameFolder].contains(signal) {
            #expect(all.selection.contains { $0.score.signals.contains(signal) })
        }
    }

    @Test(
        "While lines are typed the context stays the same for most keys, and changes keep what stands before")
    func keepsTheContext() async throws {
        let fixture = try Self.library()
        let context = Self.context()
        let typed =
            "    shelf_3(book, reader)\n    if reader.late:\n        shelf_9(book, reader)\n    return book\n"
        var shown: [Int32]?
        var changeCount = 0
        for count in 0...typed.utf8.count {
            let result = try await context.prompt(
                for: Self.query(fixture, String(typed.prefix(count)), tokens: 4_096),
                tokenizer: ByteTokenizer())
            let end = result.prompt.contextOrigins.last?.tokenRange.upperBound ?? 0
            let tokens = Array(result.prompt.tokens[..<end])
            if let shown, shown != tokens { changeCount += 1 }
            shown = tokens
        }
        #expect(changeCount * 20 <= typed.utf8.count, "\(changeCount) changes in \(typed.utf8.count) keys")
    }

    @Test("Another file's edit changes nothing that it does not touch, and what it touches makes room for the rest")
    func keepsWhatStillStands() async throws {
        let fixture = try Self.library()
        let context = Self.context()
        let query = Self.query(
            fixture, "    shelf_31(book, reader)\n    shelf_8(book, reader)\n    ", tokens: 4_096)
        func shown() async throws -> String {
            Self.shown(try await context.prompt(for: query, tokenizer: ByteTokenizer()))
        }
        let file = fixture.absolute("library/shelves.py")
        let before = try await shown()
        let text = try String(contentsOfFile: file, encoding: .utf8)
        try fixture.write("library/shelves.py", "VERSION = 2\n\n\n\n\n\n\n\n" + text)
        await context.noteSaved(file)
        #expect(try await shown() == before)
        try fixture.write(
            "library/shelves.py", text.replacingOccurrences(of: "Shelf 31.", with: "The shelf by the door."))
        await context.noteSaved(file)
        let after = try await shown()
        #expect(before.contains("Shelf 31.") && after.contains("by the door") && !after.contains("Shelf 31."))
    }

    @Test("What an earlier session showed is shown again in its order, as far as it is still there")
    func recallsAnEarlierSession() async throws {
        let fixture = try Self.library()
        let query = Self.query(fixture, "    shelf_31(book, reader)\n    ", tokens: 4_096)
        let first = try await Self.context().prompt(for: query, tokenizer: ByteTokenizer())
        let later = Self.context()
        // Something that a fresh choice would not show.
        let odd = try String(contentsOfFile: fixture.absolute("library/shelves.py"), encoding: .utf8)
            .components(separatedBy: "def ")[23]
        await later.recall([("library/shelves.py", Array(("def " + odd).utf8))], with: query.filePath)
        let recalled = try await later.prompt(for: query, tokenizer: ByteTokenizer())
        #expect(Self.shown(recalled).hasPrefix("def shelf_22(") && !Self.shown(first).hasPrefix("def shelf_22("))
        await later.recall([("library/gone.py", Array("gone = 1\n".utf8))], with: query.filePath)
        let again = try await later.prompt(for: query, tokenizer: ByteTokenizer())
        #expect(again.prompt.tokens == recalled.prompt.tokens)
    }

    @Test("A place edited in this session counts")
    func prefersEditedPlaces() async throws {
        let fixture = try Self.library()
        var query = Self.query(fixture, "    ")
        query.recentEdits = [RecentEdit(path: fixture.absolute("library/shelves.py"), line: 38 * 11 + 3)]
        let result = try await Self.context().prompt(for: query, tokenizer: ByteTokenizer())
        #expect(Self.shown(result).contains("def shelf_38("))
        let plain = try await Self.context().prompt(
            for: Self.query(fixture, "    "), tokenizer: ByteTokenizer())
        #expect(!Self.shown(plain).contains("def shelf_38("))
    }

    @Test("A generated file's lines, however long, cost a bounded number of pairs")
    func pairsAreBounded() {
        let line = (0..<5_000).map { "word\($0)" }.joined(separator: " ") + "\n"
        let outline = Self.outline(line + line)
        #expect(outline.snippets.map(\.pairs.count) == [SnippetOutline.maximumPairCount])
    }

    @Test("A piece's share is the weight of the pairs that it holds, as counted one by one")
    func pairShares() {
        var random = SeededRandom(seed: 7)
        let words = (0..<40).map { UInt64($0) &* 0x9E37_79B9 }
        func draw(_ count: Int) -> [UInt64] { (0..<count).map { _ in words[Int.random(in: 0..<40, using: &random)] } }
        let cursor = CursorPairs(words: draw(60).enumerated().map { ($1, Double($0 / 6)) })
        let snippets = (0..<20).map { number in
            let words = draw(number * 9)
            let pairs = Set(zip(words, words.dropFirst()).map(wordPair)).sorted()
            return Snippet(
                lines: 0..<1, bytes: 0..<1, signature: 0..<0, signatureLines: 0..<0, terms: [], defined: [],
                pairs: pairs)
        }
        var weights: [UInt32: Double] = [:]
        for pair in cursor.pairs {
            let count = snippets.count { $0.pairs.contains(pair.term) }
            if count > 0 { weights[pair.term] = pair.strength * inverseFrequency(Double(count), of: 20) }
        }
        let total = weights.values.reduce(0, +)
        for (snippet, share) in zip(snippets, cursor.shares(of: snippets)) {
            let held = snippet.pairs.reduce(0) { $0 + (weights[$1] ?? 0) }
            let wanted = held / total / (0.5 + 0.5 * Double(snippet.pairs.count) / 40).squareRoot()
            #expect(abs(share - wanted) < 1e-9)
        }
    }
}
