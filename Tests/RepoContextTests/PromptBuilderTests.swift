// The layout of prompts: the golden prompts rebuilt, budgets kept, windows that stay where they are.

import Foundation
import Testing

@testable import RepoContext

@Suite struct PromptBuilderTests {
    private let builder = PromptBuilder(tokenizer: ByteTokenizer(), order: .suffixFirst)

    private struct Golden: Decodable {
        struct Case: Decodable { var prompt: String }
        var cases: [String: Case]
    }

    private static func goldenPrompt(_ name: String) throws -> String {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let data = try Data(contentsOf: tests.appendingPathComponent("SpecEngineTests/Golden/target.json"))
        return try #require(JSONDecoder().decode(Golden.self, from: data).cases[name]?.prompt)
    }

    /// The parts of a golden prompt, told apart by position: its sources spell structural tokens too.
    private struct Parts {
        var name = ""
        var context: [ContextFile] = []
        var path: RelativePath
        var suffix: String
        var prefix: String
    }

    private static func parts(_ prompt: String) throws -> Parts {
        var rest = prompt[...]
        var name = ""
        var context: [ContextFile] = []
        if rest.hasPrefix("<|repo_name|>") {
            let end = try #require(rest.firstIndex(of: "\n"))
            name = String(rest[..<end].dropFirst("<|repo_name|>".count))
            rest = rest[rest.index(after: end)...]
        }
        // A separator at the start of a line, unlike the ones inside of source strings.
        let files = ("\n" + rest).components(separatedBy: "\n<|file_sep|>").dropFirst()
        for (place, file) in files.enumerated() {
            let end = try #require(file.firstIndex(of: "\n"))
            let path = try #require(RelativePath(String(file[..<end])))
            let text = file[file.index(after: end)...]
            guard place == files.count - 1 else {
                context.append(ContextFile(path: path, text: Array((text + "\n").utf8), rank: place))
                continue
            }
            let body = text.dropFirst("<|fim_suffix|>".count).dropLast("<|fim_middle|>".count)
            // The source of the suffix is code; its file begins with a shebang or a docstring.
            let middle = try #require(
                body.range(of: "<|fim_prefix|>#!") ?? body.range(of: "<|fim_prefix|>\"\"\""))
            let prefixStart = body.index(middle.lowerBound, offsetBy: "<|fim_prefix|>".count)
            return Parts(
                name: name, context: context, path: path, suffix: String(body[..<middle.lowerBound]),
                prefix: String(body[prefixStart...])
            )
        }
        throw CancellationError()
    }

    // The other half of this check, with the model's own tokenizer and token by token, is a daemon test. Only
    // spm-repo-4k can match there in every token: the sources in spm-file spell structural tokens, which the
    // reference tokenizer read as such and which must stay text here.
    @Test(
        "The golden prompts are rebuilt byte by byte", arguments: ["spm-file", "spm-repo-4k", "spm-repo-12k"])
    func rebuildsGoldenPrompts(name: String) throws {
        let golden = try Self.goldenPrompt(name)
        let parts = try Self.parts(golden)
        let file = CurrentFile(
            path: parts.path, text: Array((parts.prefix + parts.suffix).utf8),
            cursorOffset: parts.prefix.utf8.count
        )
        let prompt = builder.prompt(
            repositoryName: parts.name, contextFiles: parts.context, currentFile: file,
            budget: PromptBudget(totalTokenCount: 60_000, includesContext: true)
        )
        #expect(prompt.text == golden)
        #expect(prompt.contextPaths == parts.context.map(\.path))
    }

    @Test("Segments cover the prompt in order and say where each run comes from")
    func segmentsCoverThePrompt() throws {
        let file = CurrentFile(
            path: try #require(RelativePath("a/b.py")), text: Array("x = 1\ny".utf8), cursorOffset: 6)
        let context = [
            ContextFile(path: try #require(RelativePath("a/c.py")), text: Array("z = 2".utf8), rank: 0)
        ]
        let prompt = builder.prompt(
            repositoryName: "p", contextFiles: context, currentFile: file,
            budget: PromptBudget(totalTokenCount: 1_000, includesContext: true)
        )
        #expect(
            prompt.text
                == "<|repo_name|>p\n<|file_sep|>a/c.py\nz = 2\n"
                + "<|file_sep|>a/b.py\n<|fim_suffix|>y<|fim_prefix|>x = 1\n<|fim_middle|>"
        )
        let runs = prompt.segments.map { ByteTokenizer.text(prompt.tokens[$0.tokenRange]) }
        #expect(runs.joined() == prompt.text)
        #expect(
            prompt.segments.map(\.kind) == [
                .structural(.repoName), .repositoryHeader, .structural(.fileSeparator),
                .contextFile(context[0].path), .structural(.fileSeparator), .filePath,
                .structural(.fimSuffix), .suffix,
                .structural(.fimPrefix), .prefix, .structural(.fimMiddle),
            ]
        )
    }

    @Test("Without a context file there is no repository header")
    func headerNeedsContext() throws {
        let file = CurrentFile(path: try #require(RelativePath("b.py")), text: [], cursorOffset: 0)
        let prompt = builder.prompt(
            repositoryName: "p", contextFiles: [], currentFile: file,
            budget: PromptBudget(totalTokenCount: 1_000, includesContext: true)
        )
        #expect(prompt.text == "<|file_sep|>b.py\n<|fim_suffix|><|fim_prefix|><|fim_middle|>")
    }

    @Test("Text that spells structural tokens stays text")
    func spelledTokensStayText() throws {
        let text = Array("a = '<|fim_middle|><|file_sep|>'\n".utf8)
        let file = CurrentFile(path: try #require(RelativePath("b.py")), text: text, cursorOffset: text.count)
        let prompt = builder.prompt(
            repositoryName: "<|endoftext|>", contextFiles: [], currentFile: file,
            budget: PromptBudget(totalTokenCount: 1_000, includesContext: true)
        )
        #expect(prompt.tokens.count(where: { $0 >= 256 }) == 4)
    }

    @Test("A model without file separators gets no context, one without fill-in-the-middle a plain prefix")
    func missingStructuralTokens() throws {
        let file = CurrentFile(
            path: try #require(RelativePath("b.py")), text: Array("ab".utf8), cursorOffset: 1)
        let context = [ContextFile(path: try #require(RelativePath("c.py")), text: Array("z".utf8), rank: 0)]
        let budget = PromptBudget(totalTokenCount: 1_000, includesContext: true)
        let noFiles = PromptBuilder(
            tokenizer: ByteTokenizer(missing: [.repoName, .fileSeparator, .beginOfText]), order: .prefixFirst)
        let first = noFiles.prompt(
            repositoryName: "p", contextFiles: context, currentFile: file, budget: budget)
        #expect(first.text == "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>")
        let noMiddle = PromptBuilder(
            tokenizer: ByteTokenizer(missing: [.fimMiddle, .beginOfText]), order: .suffixFirst)
        let second = noMiddle.prompt(repositoryName: "p", contextFiles: [], currentFile: file, budget: budget)
        #expect(second.text == "<|file_sep|>b.py\na")
        let codeLlama = PromptBuilder(
            tokenizer: ByteTokenizer(missing: [.repoName, .fileSeparator]), order: .suffixInside)
        let part = codeLlama.currentPart(file, budget: budget)
        let third = codeLlama.prompt(
            repositoryName: "p", contextFiles: context, currentPart: part, budget: budget)
        #expect(third.text == "<s><|fim_prefix|><|fim_suffix|>b<|fim_middle|>a")
        #expect(part.tokenCount == third.tokens.count)
    }

    @Test("A context text ends in exactly one line feed, and a CRLF file keeps its endings")
    func contextTextEnds() {
        let ended = { (text: String) in
            String(decoding: PromptBuilder.endingInOneLineFeed(Array(text.utf8)[...]), as: UTF8.self)
        }
        #expect(ended("a") == "a\n")
        #expect(ended("a\n\n\n") == "a\n")
        #expect(ended("a\r\nb\r\n\r\n") == "a\r\nb\r\n")
        #expect(ended("\n\n") == "")
    }

    @Test(
        "A prompt never takes more tokens than its budget", arguments: [128, 300, 512, 1_500, 4_096, 16_384])
    func budgetHolds(total: Int) throws {
        var generator = SystemRandomNumberGenerator()
        let seed = UInt64.random(in: 0...UInt64.max, using: &generator)
        var random = SplitMix(state: seed)
        for _ in 0..<40 {
            let text = random.sourceText(byteCount: random.number(below: 30_000))
            let file = CurrentFile(
                path: try #require(RelativePath("folder/file.py")), text: text,
                cursorOffset: random.number(below: text.count + 1)
            )
            let files = try (0..<random.number(below: 6)).map { number in
                ContextFile(
                    path: try #require(RelativePath("other/\(number).py")),
                    text: random.sourceText(byteCount: random.number(below: 9_000)), rank: number
                )
            }
            let budget = PromptBudget(totalTokenCount: total, includesContext: !files.isEmpty)
            let prompt = builder.prompt(
                repositoryName: "project", contextFiles: files, currentFile: file, budget: budget)
            #expect(prompt.tokens.count <= total, "seed \(seed)")
            #expect(prompt.tokens.last == ByteTokenizer().structuralToken(.fimMiddle), "seed \(seed)")
        }
    }

    @Test("Context that is too long is cut to whole lines, the least valuable first")
    func contextIsCutToLines() throws {
        let lines = (0..<200).map { "line number \($0)\n" }.joined()
        let files = try [("a.py", 1), ("b.py", 0)].map {
            ContextFile(path: try #require(RelativePath($0.0)), text: Array(lines.utf8), rank: $0.1)
        }
        let file = CurrentFile(path: try #require(RelativePath("c.py")), text: [], cursorOffset: 0)
        let prompt = builder.prompt(
            repositoryName: "p", contextFiles: files, currentFile: file,
            budget: PromptBudget(totalTokenCount: 5_000, includesContext: true)
        )
        let text = prompt.text
        #expect(prompt.contextPaths.map(\.string) == ["a.py", "b.py"])
        #expect(text.contains("b.py\n" + lines))
        let cut = try #require(text.range(of: "\n<|file_sep|>b.py")).lowerBound
        let lastLine = try #require(text[..<cut].split(separator: "\n").last)
        #expect(lines.contains("\n" + lastLine + "\n"))
    }

    @Test("Of a file that is larger than its windows a quarter of the prompt stands behind the cursor, beside context")
    func windowsShareThePromptWithContext() throws {
        let lines = (0..<9_000).map { "\($0)\n" }.joined()
        let file = CurrentFile(
            path: try #require(RelativePath("a.py")), text: Array(lines.utf8), cursorOffset: lines.utf8.count / 2)
        let other = ContextFile(path: try #require(RelativePath("b.py")), text: Array(lines.utf8), rank: 0)
        let prompt = builder.prompt(
            repositoryName: "p", contextFiles: [other], currentFile: file,
            budget: PromptBudget(totalTokenCount: 4_096, includesContext: true)
        )
        func percent(_ kind: PromptSegment.Kind) -> Int {
            prompt.segments.filter { $0.kind == kind }.reduce(0) { $0 + $1.tokenRange.count } * 100 / 4_096
        }
        // The windows end at lines chosen by their text, some way before their share is used up.
        #expect((18...24).contains(percent(.suffix)))
        #expect((30...45).contains(percent(.prefix)))
        #expect((30...45).contains(percent(.contextFile(other.path))))
    }

    @Test("Typing a character leaves every token before the cursor's line as it was")
    func typingAppends() throws {
        let before = (0..<400).map { "value_\($0) = compute(\($0))\n" }.joined()
        let after = "\n" + (0..<300).map { "print(value_\($0))\n" }.joined()
        let typed = Array("result = compute_everything(value_1, value_2)".utf8)
        let budget = PromptBudget(totalTokenCount: 2_048, includesContext: true)
        var previous: [Int32]?
        for count in 0...typed.count {
            let text = Array(before.utf8) + typed[..<count] + Array(after.utf8)
            let file = CurrentFile(
                path: try #require(RelativePath("a.py")), text: text, cursorOffset: before.utf8.count + count
            )
            let tokens = builder.prompt(
                repositoryName: "p", contextFiles: [], currentFile: file, budget: budget
            ).tokens
            if let previous {
                // All but the closing token is a beginning of the next prompt.
                #expect(tokens.starts(with: previous.dropLast()), "after \(count) characters")
            }
            previous = tokens
        }
    }

    @Test("Writing new lines moves the prefix window seldom and the suffix window not at all")
    func windowsStandStill() throws {
        let before = Array(repeating: "let something = other + 1\n", count: 300).joined()
        let after = "\n" + Array(repeating: "let after = something + 1\n", count: 300).joined()
        let budget = PromptBudget(totalTokenCount: 4_096, includesContext: true)
        var starts = Set<Int>()
        var lengths = Set<Int>()
        for lineCount in 0..<64 {
            let written = before + Array(repeating: "let written = 1\n", count: lineCount).joined()
            let text = Array((written + after).utf8)
            let cursor = written.utf8.count
            starts.insert(
                FileWindow.prefixStart(
                    in: text, cursor: cursor, maximumByteCount: budget.prefixByteCount,
                    gridLineCount: budget.prefixGridLineCount
                )
            )
            let end = FileWindow.suffixEnd(
                in: text, cursor: cursor, maximumByteCount: budget.suffixByteCount,
                gridLineCount: budget.suffixGridLineCount
            )
            lengths.insert(end - cursor)
        }
        #expect(starts.count <= 2)
        #expect(lengths.count == 1)
    }

    @Test("Moving the cursor down leaves the suffix window's end where it was for many lines")
    func suffixEndsOnAGrid() {
        let line = Array("let something = other + 1\n".utf8)
        let text = Array(repeating: line, count: 500).flatMap { $0 }
        let budget = PromptBudget(totalTokenCount: 4_096, includesContext: true)
        let ends = (100..<140).map { lineNumber in
            FileWindow.suffixEnd(
                in: text, cursor: lineNumber * line.count, maximumByteCount: budget.suffixByteCount,
                gridLineCount: budget.suffixGridLineCount
            )
        }
        #expect(Set(ends).count <= 40 / budget.suffixGridLineCount + 1)
    }

    @Test("A line put in or taken out above the window, in it, or far below leaves both windows' ends in their places")
    func windowsFollowTheText() throws {
        let lines = (0..<600).map { "\($0 % 7 == 0 ? "\n" : "    ")let name\($0) = value\($0) + \($0 * $0)\n" }
        let budget = PromptBudget(totalTokenCount: 8_192, includesContext: true)
        /// The first line before the cursor in the prompt, and the last behind it.
        func ends(_ lines: [String], cursorLine: Int) -> [String] {
            let text = Array(lines.joined().utf8)
            let cursor = lines[..<cursorLine].joined().utf8.count
            let start = FileWindow.prefixStart(
                in: text, cursor: cursor, maximumByteCount: budget.prefixByteCount,
                gridLineCount: budget.prefixGridLineCount)
            let end = FileWindow.suffixEnd(
                in: text, cursor: cursor, maximumByteCount: budget.suffixByteCount,
                gridLineCount: budget.suffixGridLineCount)
            return [text[start...].prefix(40), text[..<end].suffix(40)].map { String(decoding: $0, as: UTF8.self) }
        }
        let before = ends(lines, cursorLine: 400)
        for place in [3, 120, 399] {
            var edited = lines
            edited.insert("// a note\n", at: place)
            #expect(ends(edited, cursorLine: 401) == before, "put in at \(place)")
            edited = lines
            edited.remove(at: place)
            #expect(ends(edited, cursorLine: 399) == before, "taken out at \(place)")
        }
        var edited = lines
        edited.insert("// a note\n", at: 590)
        #expect(ends(edited, cursorLine: 400) == before)
    }

    @Test("Windows hold whole lines, stay within their size, and cut a giant line at a character")
    func windowsAreBounded() {
        let text = Array((0..<500).map { "número \($0)\n" }.joined().utf8)
        let cursor = 3_000
        let start = FileWindow.prefixStart(
            in: text, cursor: cursor, maximumByteCount: 1_000, gridLineCount: 32)
        let end = FileWindow.suffixEnd(in: text, cursor: cursor, maximumByteCount: 1_000, gridLineCount: 32)
        #expect(cursor - start <= 1_000 && text[start - 1] == 0x0A)
        #expect(end - cursor <= 1_000 && text[end - 1] == 0x0A)
        let giant = Array(String(repeating: "é", count: 5_000).utf8)
        let giantStart = FileWindow.prefixStart(
            in: giant, cursor: 6_000, maximumByteCount: 999, gridLineCount: 64)
        let giantEnd = FileWindow.suffixEnd(
            in: giant, cursor: 6_000, maximumByteCount: 999, gridLineCount: 64)
        #expect(giantStart < 6_000 && 6_000 - giantStart <= 999 && giant[giantStart] & 0xC0 != 0x80)
        #expect(giantEnd > 6_000 && giantEnd - 6_000 <= 999 && giant[giantEnd] & 0xC0 != 0x80)
    }

    @Test("A cursor outside the text or inside a character is moved to the nearest place before")
    func cursorIsClamped() throws {
        let path = try #require(RelativePath("a.py"))
        #expect(CurrentFile(path: path, text: Array("é".utf8), cursorOffset: 1).cursorOffset == 0)
        #expect(CurrentFile(path: path, text: Array("ab".utf8), cursorOffset: 99).cursorOffset == 2)
        #expect(CurrentFile(path: path, text: Array("ab".utf8), cursorOffset: -5).cursorOffset == 0)
    }
}

/// A small deterministic generator; the seed is printed by the test that uses it.
struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func number(below bound: Int) -> Int { Int(next() % UInt64(max(1, bound))) }

    /// Lines of very different lengths with characters of several bytes.
    mutating func sourceText(byteCount: Int) -> [UInt8] {
        var text: [UInt8] = []
        while text.count < byteCount {
            let word = ["x", "value", " = ", "é", "日本", "(", ")\n", "\n", "\r\n", "\n\n"][number(below: 10)]
            for _ in 0..<(number(below: 50) == 0 ? 400 : 1) { text += Array(word.utf8) }
        }
        return text
    }
}
