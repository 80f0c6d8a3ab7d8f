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

    func process(_ generated: [UInt8]) -> String? {
        PostProcessor(prefix: prefix[...], suffix: suffix[...], stopRules: rules).process(generated)
    }
}

@Suite("Completion text")
struct CompletionTextTests {
    static let stopCases = [
        TextCase(
            name: "text right of the cursor: one line", document: "let a = ‸ + c", generated: "b\nlet x",
            expected: "b"),
        TextCase(
            name: "prose: one line", document: "Hello ‸", generated: "world.\nMore.", expected: "world.",
            languageID: "markdown"),
        TextCase(
            name: "closers right of the cursor: still a block", document: "foo(‸);", generated: "a,\n    b\n",
            expected: "a,\n    b"),
        TextCase(
            name: "a blank line after content", document: "let a = ‸\n", generated: "1\nlet b = 2\n\nlet c",
            expected: "1\nlet b = 2"),
        TextCase(
            name: "a blank line of blanks", document: "let a = ‸\n", generated: "1\n  \t\nlet c",
            expected: "1"),
        TextCase(
            name: "a dedent below the cursor's line", document: "def f():\n    x = ‸",
            generated: "1\n    return x\ndef g():", expected: "1\n    return x"),
        TextCase(
            name: "a dedent on a blank cursor line", document: "def f():\n    ‸",
            generated: "return 1\n\ndef g", expected: "return 1"),
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
            name: "one deeper line inside a block is no end", document: "    a = ‸",
            generated: "1\n    for b in c:\n        d()\n    e()\n\n",
            expected: "1\n    for b in c:\n        d()\n    e()"),
        TextCase(
            name: "tabs and spaces are compared as columns", document: "\tx = ‸",
            generated: "1\n    y = 2\n  z", expected: "1\n    y = 2"),
        TextCase(
            name: "a leading blank line is part of it", document: "def f():‸",
            generated: "\n\n    return 1\n\n", expected: "\n\n    return 1"),
        TextCase(name: "nothing but line breaks", document: "x‸", generated: "\n\n\n\n\nfoo", expected: nil),
        TextCase(
            name: "the largest number of lines", document: "‸",
            generated: (1...20).map { "l\($0)" }.joined(separator: "\n"),
            expected: (1...12).map { "l\($0)" }.joined(separator: "\n")),
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
