// Stop rules and post-processing as text in and text out. "‸" is the cursor in the document.

import TestSupport
import Testing

@testable import CompletionDaemon

/// One golden case.
struct TextCase: CustomTestStringConvertible, Sendable {
    let name: String
    let document: String
    let generated: String
    /// Nil: nothing is shown.
    let expected: String?
    var languageID = "swift"

    var testDescription: String { name }

    var prefix: [UInt8] { Array(document.utf8.prefix(cursor)) }
    var suffix: [UInt8] { Array(document.utf8.dropFirst(cursor + "‸".utf8.count)) }

    private var cursor: Int {
        let bytes = Array(document.utf8)
        let mark = Array("‸".utf8)
        return (0...bytes.count - mark.count).first { bytes[$0..<$0 + mark.count].elementsEqual(mark) } ?? 0
    }

    var rules: StopRules { StopRules(prefix: prefix[...], suffix: suffix[...], languageID: languageID) }

    func process(
        _ generated: [UInt8], isCut: Bool = false, keepsHalfLine: Bool = true, indentation: IndentationStyle? = nil
    ) -> String? {
        PostProcessor(
            prefix: prefix[...], suffix: suffix[...], stopRules: rules, indentation: indentation
        ).process(generated, isCut: isCut, keepsHalfLine: keepsHalfLine)
    }
}

@Suite("Completion text")
struct CompletionTextTests {
    static let stopCases = [
        TextCase(
            name: "pieces that open brackets within each other without end", document: "let a = ‸\n",
            generated: "try parts(parts(parts(parts(parts(", expected: "try parts("),
        TextCase(
            name: "such pieces behind a name that ends alike", document: "let a = ‸\n",
            generated: "counts(parts(parts(parts(parts(parts(", expected: "counts(parts("),
        TextCase(
            name: "a few calls within each other", document: "let a = ‸\n",
            generated: "abs(abs(abs(b)))\nlet c", expected: "abs(abs(abs(b)))"),
        TextCase(
            name: "the same pair of brackets again and again", document: "let a = ‸\n",
            generated: "[(0, b), (0, b), (0, b), (0, b), (0, b), (0, b)]\nlet c",
            expected: "[(0, b), (0, b), (0, b), (0, b), (0, b), (0, b)]"),
        TextCase(
            name: "text right of the cursor: one line", document: "let a = ‸ + c", generated: "b\nlet x",
            expected: "b"),
        TextCase(
            name: "prose: one line", document: "Hello ‸", generated: "world.\nMore.", expected: "world.",
            languageID: "markdown"),
        TextCase(
            name: "behind a statement's beginning: the statement", document: "let a = ‸\n",
            generated: "1\nlet b = 2\n\nlet c", expected: "1"),
        TextCase(
            name: "a statement with a bracket open", document: "let a = foo(‸\n",
            generated: "\n    b,\n    c)\nlet d", expected: "\n    b,\n    c)"),
        TextCase(
            name: "a statement that opens a bracket", document: "let a = ‸\n", generated: "foo(\n    b\n)\nlet d",
            expected: "foo(\n    b\n)"),
        TextCase(
            name: "a bracket in a string is no bracket", document: "let a = ‸\n", generated: "\"(\"\nlet d",
            expected: "\"(\""),
        TextCase(
            name: "a bracket in a comment is no bracket", document: "let a = ‸\n",
            generated: "b  // (see c\nlet d", expected: "b  // (see c"),
        TextCase(
            name: "two slashes divide where # begins comments", document: "a = ‸\n",
            generated: "b // (c +\n    d)\ne = 1", expected: "b // (c +\n    d)", languageID: "python"),
        TextCase(
            name: "a bracket that the editor closed: one line", document: "foo(‸);", generated: "a)\nbar()",
            expected: "a"),
        TextCase(
            name: "a bracket that the editor closed: over lines", document: "foo(‸)",
            generated: "\n    a,\n    b\n)\nbar()", expected: "\n    a,\n    b\n"),
        TextCase(
            name: "a block that the editor closed", document: "func f() {‸}", generated: "\n    return 1\n}\nfunc g",
            expected: "\n    return 1\n"),
        TextCase(
            name: "a statement that opens a block by its bracket", document: "    if ‸\n",
            generated: "a {\n        b()\n    }\n    c()", expected: "a {\n        b()\n    }"),
        TextCase(
            name: "a statement that opens a block by its colon", document: "    if ‸\n",
            generated: "a:\n        b()\n    c()", expected: "a:\n        b()", languageID: "python"),
        TextCase(
            name: "a statement that ends in an operator", document: "    a = ‸\n",
            generated: "b &&\n        c\n    d()", expected: "b &&\n        c"),
        TextCase(
            name: "a blank line after content", document: "‸\n", generated: "let a = 1\nlet b = 2\n\nlet c",
            expected: "let a = 1\nlet b = 2"),
        TextCase(
            name: "a blank line of blanks", document: "‸\n", generated: "a = 1\n  \t\nlet c",
            expected: "a = 1"),
        TextCase(
            name: "a dedent on a blank cursor line", document: "def f():\n    ‸",
            generated: "return 1\n\ndef g", expected: "return 1"),
        TextCase(
            name: "a dedent below a blank cursor line", document: "def f():\n    ‸",
            generated: "x = 1\n    return x\ndef g():", expected: "x = 1\n    return x"),
        TextCase(
            name: "the block that the cursor's line opens, indentation style", document: "def f():‸",
            generated: "\n    return 1\ndef g():\n", expected: "\n    return 1"),
        TextCase(
            name: "the block that the cursor's line opens, with its bracket", document: "func f() {‸\n",
            generated: "\n    return 1\n}\nfunc g", expected: "\n    return 1\n}"),
        TextCase(
            name: "a closing bracket that opens the next part", document: "if a {‸\n",
            generated: "\n    b()\n} else {\n    c()\n}\nd()", expected: "\n    b()\n} else {\n    c()\n}"),
        TextCase(
            name: "the first generated line sets the indentation", document: "def f():\n‸",
            generated: "    a = 1\n    b = 2\nprint", expected: "    a = 1\n    b = 2"),
        TextCase(
            name: "one deeper line inside a block is no end", document: "def f():\n    ‸",
            generated: "a = 1\n    for b in c:\n        d()\n    e()\n\n",
            expected: "a = 1\n    for b in c:\n        d()\n    e()"),
        TextCase(
            name: "tabs and spaces are compared as columns", document: "{\n\t‸",
            generated: "x = 1\n    y = 2\n  z", expected: "x = 1\n\ty = 2"),
        TextCase(
            name: "a leading blank line is part of it", document: "def f():‸",
            generated: "\n\n    return 1\n\n", expected: "\n\n    return 1"),
        TextCase(name: "nothing but line breaks", document: "x‸", generated: "\n\n\n\n\nfoo", expected: nil),
        TextCase(
            name: "the largest number of lines", document: "‸",
            generated: (1...20).map { "l\($0)" }.joined(separator: "\n"),
            expected: (1...12).map { "l\($0)" }.joined(separator: "\n")),
        TextCase(
            name: "a bracket that closes nothing", document: "x = 1‸\n", generated: "0 + y)\nfoo", expected: "0 + y"),
        TextCase(
            name: "a bracket that closes what the line above opened", document: "foo(\n    a,\n    ‸\n",
            generated: "b)\nbar()", expected: "b)"),
        TextCase(
            name: "a bracket that stands further right in the line", document: "foo(‸, b)", generated: "a)",
            expected: "a"),
        TextCase(
            name: "the line that follows, and what comes after it", document: "{\n    ‸\n    return shared\n}\n",
            generated: "a()\n    return shared\n    b()", expected: "a()"),
        TextCase(
            name: "the line that follows, begun on the cursor's line", document: "    ret‸\n    return shared\n",
            generated: "urn shared", expected: nil),
        TextCase(
            name: "the line that follows, deeper", document: "{\n    ‸\n    return shared\n}\n",
            generated: "if a {\n        return shared\n    }", expected: "if a {\n        return shared\n    }"),
        TextCase(
            name: "a line twice", document: "‸\n", generated: "log(first)\nlog(first)\nlog(first)",
            expected: "log(first)"),
        TextCase(
            name: "two lines twice", document: "‸\n",
            generated: "open(first)\nclose(first)\nopen(first)\nclose(first)\nopen(",
            expected: "open(first)\nclose(first)"),
        TextCase(
            name: "short lines may come twice", document: "‸\n", generated: "i++\ni++\nj++", expected: "i++\ni++\nj++"),
    ]

    static let cutCases = [
        TextCase(
            name: "a line that a limit cut", document: "‸\n", generated: "first()\nsecond()\nthi",
            expected: "first()\nsecond()"),
        TextCase(
            name: "a word that a limit cut", document: "a = ‸\n", generated: "first(second, thi",
            expected: "first(second,"),
        TextCase(name: "nothing but a word that a limit cut", document: "a = ‸\n", generated: "thi", expected: nil),
    ]

    static let indentationCases = [
        TextCase(
            name: "spaces in a document of tabs", document: "func f() {\n\tfoo()\n}\n\nfunc g() {‸\n}\n",
            generated: "\n    if a {\n        b()\n    }", expected: "\n\tif a {\n\t\tb()\n\t}"),
        TextCase(
            name: "two spaces in a document of tabs", document: "f:\n\tfoo()\n\ng:‸\n",
            generated: "\n  if a:\n    b()", expected: "\n\tif a:\n\t\tb()"),
        TextCase(
            name: "tabs in a document of two spaces", document: "f {\n  foo()\n}\n\ng {‸\n}\n",
            generated: "\n\tif a {\n\t\tb()\n\t}", expected: "\n  if a {\n    b()\n  }"),
        TextCase(
            name: "a document of both keeps what was generated", document: "\ta\n    b\nf {‸\n}\n",
            generated: "\n\tb()", expected: "\n\tb()"),
    ]

    static let cleaningCases = [
        TextCase(name: "blanks at the end", document: "a‸", generated: " b  \t", expected: " b"),
        TextCase(name: "only blanks", document: "a‸", generated: "  \n \t", expected: nil),
        TextCase(name: "empty", document: "a‸", generated: "", expected: nil),
        TextCase(
            name: "the rest of the line again", document: "let a = ‸ + c", generated: "b + c", expected: "b"),
        TextCase(
            name: "nothing but the rest of the line", document: "let a‸ = 1", generated: " = 1", expected: nil
        ),
        TextCase(
            name: "a part of the rest of the line may be meant", document: "a‸ + b", generated: " + b * c",
            expected: " + b * c"),
        TextCase(
            name: "a bracket that stands right of the cursor", document: "foo(‸)", generated: "a, b)",
            expected: "a, b"),
        TextCase(
            name: "a bracket of the completion's own", document: "foo(‸)", generated: "bar()",
            expected: "bar()"),
        TextCase(
            name: "two brackets, one of them its own", document: "foo(‸)", generated: "bar())",
            expected: "bar()"),
        TextCase(
            name: "brackets and a semicolon", document: "foo(bar(‸));", generated: "1));", expected: "1"),
        TextCase(name: "a semicolon", document: "foo()‸;", generated: ".bar();", expected: ".bar()"),
        TextCase(name: "a closing quote", document: "x = \"‸\"", generated: "hello\"", expected: "hello"),
        TextCase(
            name: "a quote of the completion's own", document: "x = \"‸\"", generated: "\" + \"b",
            expected: "\" + \"b"),
        TextCase(name: "type parameters", document: "Array<‸>", generated: "Set<Int>", expected: "Set<Int>"),
        TextCase(
            name: "the next line again", document: "a = 1\n‸\nreturn a\n", generated: "b = 2\nreturn a",
            expected: "b = 2"),
        TextCase(
            name: "the next lines again, over blank ones", document: "x\n‸\n\ny()\nz()\n",
            generated: "w()\ny()\nz()", expected: "w()"),
        TextCase(
            name: "nothing but the next line", document: "x\n    ‸\n    y()\n", generated: "y()",
            expected: nil),
        TextCase(
            name: "the next line with something else after it may be meant", document: "x\n‸\ny()\n",
            generated: "y()\nw()", expected: "y()\nw()"),
        TextCase(
            name: "a bracket line that the document has", document: "f {\n    ‸\n}\n", generated: "a()\n}",
            expected: "a()"),
        TextCase(
            name: "a bracket line of the completion's own", document: "f {\n    ‸\n    }\n",
            generated: "if a {\n        b()\n    }", expected: "if a {\n        b()\n    }"),
        TextCase(
            name: "the document's CRLF", document: "a\r\n‸\r\n", generated: "b\n  c\r\n  d",
            expected: "b\r\n  c\r\n  d"),
        TextCase(
            name: "CRLF only below the cursor", document: "‸\r\n", generated: "b\n c", expected: "b\r\n c"),
        TextCase(name: "the document's LF", document: "a\n‸", generated: "b\r\n  c\r\n", expected: "b\n  c"),
        TextCase(
            name: "CRLF lines that repeat", document: "a\r\n‸\r\nreturn\r\n", generated: "b\nreturn\n",
            expected: "b"),
    ]

    @Test("Completions end where the rules say", arguments: stopCases)
    func stops(_ example: TextCase) {
        #expect(example.process(Array(example.generated.utf8)) == example.expected)
    }

    @Test("Completions are cleaned", arguments: cleaningCases)
    func cleaned(_ example: TextCase) {
        #expect(example.process(Array(example.generated.utf8)) == example.expected)
    }

    @Test("A limit never leaves half a line or half a word", arguments: cutCases)
    func cut(_ example: TextCase) {
        #expect(example.process(Array(example.generated.utf8), isCut: true) == example.expected)
    }

    static let overdueCases = [
        TextCase(name: "not one line", document: "let a = ‸\n", generated: "total(of: b", expected: nil),
        TextCase(name: "blank lines alone", document: "f {‸\n", generated: "\n\n    a", expected: nil),
        TextCase(
            name: "the lines that are there", document: "f {\n    ‸\n", generated: "a()\n    b()\n    c(d",
            expected: "a()\n    b()"),
        TextCase(
            name: "a line whose end was not written yet", document: "f {\n    ‸\n", generated: "a()\n    b()",
            expected: "a()"),
        TextCase(
            name: "what the rules end anyway", document: "let a = ‸\nlet b = 1\n", generated: "c\nlet b = 1\nlet",
            expected: "c"),
    ]

    @Test("What time ends is shown in whole lines", arguments: overdueCases)
    func overdue(_ example: TextCase) {
        let generated = Array(example.generated.utf8)
        #expect(example.process(generated, isCut: true, keepsHalfLine: false) == example.expected)
    }

    @Test("Lines are indented as the document's are", arguments: indentationCases)
    func indentation(_ example: TextCase) {
        #expect(example.process(Array(example.generated.utf8)) == example.expected)
    }

    @Test("A document that is not indented yet is indented as the editor does")
    func editorsIndentation() {
        let example = TextCase(name: "", document: "f {‸\n}\n", generated: "\n    b()", expected: nil)
        let tabs = IndentationStyle(usesTabs: true, width: 4)
        #expect(example.process(Array(example.generated.utf8), indentation: tabs) == "\n\tb()")
        #expect(example.process(Array(example.generated.utf8)) == "\n    b()")
    }

    @Test("Once stopped, more text changes nothing, whatever the portions were", arguments: stopCases)
    func stopIsFinal(_ example: TextCase) {
        let generated = Array(example.generated.utf8)
        let whole = example.process(generated)
        for count in 0...generated.count where example.rules.shouldStop(generated: Array(generated[..<count]))
        {
            #expect(example.process(Array(generated[..<count])) == whole, "after \(count) bytes")
        }
    }

    @Test("Text that grows by any portions ends where the whole text does", arguments: stopCases)
    func growingScan(_ example: TextCase) {
        for text in [example.generated, example.generated.replacing("\n", with: "\r\n")] {
            let generated = Array(text.utf8)
            for seed in UInt64(0)..<20 {
                var random = SeededRandom(seed: seed)
                var scan = example.rules.scan()
                var count = 0
                while count < generated.count {
                    count = min(generated.count, count + 1 + random.below(5))
                    let growing = Array(generated[..<count])
                    #expect(
                        scan.end(of: growing) == example.rules.end(of: growing), "seed \(seed), \(count)")
                }
            }
        }
    }

    @Test("Each generated byte is looked at once, and a cursor's line of many megabytes costs nothing")
    func boundedWork() {
        let prefix = [UInt8](repeating: 0x61, count: 16 << 20)
        let rules = StopRules(prefix: prefix[...], suffix: [], languageID: "swift")
        var scan = rules.scan()
        var generated: [UInt8] = []
        for _ in 0..<20_000 {
            generated += Array(" b".utf8)
            #expect(scan.end(of: generated) == nil)
            #expect(scan.byteCount == generated.count)
        }
        // Blanks count into the cursor's own line, tabs included, as if it were one text.
        let blank = StopRules(prefix: Array("x\n  ".utf8)[...], suffix: [], languageID: "swift")
        #expect(blank.end(of: Array("\ta\n  b\n".utf8)) == 2)
    }

    @Test("A completion cut at any byte is valid text that begins the longer one")
    func cutAnywhere() {
        let example = TextCase(name: "", document: "‸", generated: "é世𝒳 👩‍👩‍👧", expected: nil)
        let generated = Array(example.generated.utf8)
        for count in 0...generated.count {
            let shown = example.process(Array(generated[..<count])) ?? ""
            #expect(generated.starts(with: shown.utf8))
            #expect(!shown.unicodeScalars.contains("\u{FFFD}"))
        }
        #expect(example.process([0x61, 0xFF, 0x62]) == "a")
    }
}
