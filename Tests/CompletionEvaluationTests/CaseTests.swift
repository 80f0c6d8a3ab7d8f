// Where cases come from: files at HEAD, commits, rows of data sets.

import CompletionEvaluation
import Foundation
import TestSupport
import Testing

@Suite("Evaluation cases")
struct CaseTests {
    private static let source = """
        import Foundation

        // a comment with name = value
        func area(width: Int, height: Int) -> Int {
            let product = width * height
            return product + offset(of: width)
        }

        let measured = area(width: first, height: second) + third
        """

    private func options(_ limit: Int, seed: UInt64 = 1) -> RepositoryCaseOptions {
        RepositoryCaseOptions(limit: limit, seed: seed, kinds: Set(CaseKind.repositoryKinds))
    }

    @Test("Cases at HEAD hold the file without the expected text, and nothing of comments and imports")
    func head() throws {
        let fixture = try RepositoryFixture()
        try fixture.write("a.swift", Self.source)
        try fixture.commit()
        let selection = try RepositoryCases(folder: fixture.path, options: options(100)).atHead()
        #expect(!selection.cases.isEmpty)
        for each in selection.cases {
            #expect(each.prefix + each.expected + each.suffix == Array(Self.source.utf8), "\(each.id)")
            #expect(each.position.line > 3, "\(each.id)")
        }
        let kinds = Set(selection.cases.map(\.kind))
        #expect(kinds == [.line, .restOfLine, .span, .functionBody])
        let body = try #require(selection.cases.first { $0.kind == .functionBody })
        #expect(String(decoding: body.expected, as: UTF8.self).hasPrefix("let product"))
        #expect(String(decoding: body.expected, as: UTF8.self).hasSuffix("of: width)"))
    }

    @Test("A seed gives the same cases, another seed others; what is edited meanwhile plays no part")
    func determinism() throws {
        let fixture = try RepositoryFixture()
        let lines = (0..<60).map { "let value\($0) = compute(first: item\($0), second: other\($0))" }
        try fixture.write("a.swift", lines.joined(separator: "\n"))
        try fixture.commit()
        let first = try RepositoryCases(folder: fixture.path, options: options(9)).atHead()
        try fixture.write("a.swift", "let changed = everything(at: once)")
        let second = try RepositoryCases(folder: fixture.path, options: options(9)).atHead()
        let other = try RepositoryCases(folder: fixture.path, options: options(9, seed: 2)).atHead()
        #expect(first.cases == second.cases)
        #expect(first.fingerprint != other.fingerprint)
        #expect(first.cases.count == 9)
    }

    @Test(
        "History has the parent's file and the parent's tree: nothing of the commit but what stands before the cursor"
    )
    func history() throws {
        let fixture = try RepositoryFixture()
        try fixture.write("a.py", "alpha = first(one)\nomega = last(two)\n")
        try fixture.write("b.py", "before = True\n")
        try fixture.commit()
        try fixture.write(
            "a.py",
            "alpha = first(one)\nmiddle = second(three, four)\nbelow = future(five)\n"
                + "omega = last(two)\nend = late(six)\n"
        )
        try fixture.write("b.py", "secret_of_the_future = True\n")
        try fixture.commit()
        let selection = try RepositoryCases(folder: fixture.path, options: options(100)).fromHistory()
        let subject = try #require(selection.cases.first { $0.id.hasSuffix("a.py:2:line") })
        #expect(String(decoding: subject.prefix, as: UTF8.self) == "alpha = first(one)\n")
        #expect(String(decoding: subject.expected, as: UTF8.self) == "middle = second(three, four)")
        #expect(String(decoding: subject.suffix, as: UTF8.self) == "\nomega = last(two)\n")
        guard case .commit(let parent) = subject.context else {
            Issue.record("no parent commit")
            return
        }
        let export = try CommitTreeExport(repositoryFolder: fixture.path)
        let folder = try export.folder(ofCommit: parent)
        let other = try FixturePaths.bytes(folder + "/b.py")
        #expect(String(decoding: other, as: UTF8.self) == "before = True\n")
    }

    private static let rows:
        [(format: String, row: String, prefix: String, expected: String, fileCount: Int)] = [
            (
                "crosscodeeval",
                #"""
            {"prompt":"import b\nx = b.","right_context":"\n","groundtruth":"call()",
            "crossfile_context":{"text":"","list":[{"retrieved_chunk":"def call(): pass",
            "filename":"b.py","score":0.5}]},"metadata":{"task_id":"p/1","file":"a.py"}}
            """#,
                "import b\nx = b.", "call()", 1
            ),
            (
                "repobench",
                #"""
            {"repo_name":"r","file_path":"a.py","context":[{"identifier":"f","path":"b.py",
            "snippet":"def f(): pass"}],"import_statement":"from b import f","token_num":9,
            "cropped_code":"x = 1","all_code":"","next_line":"y = f()","gold_snippet_index":0,
            "created_at":"","level":"2k"}
            """#,
                "from b import f\nx = 1\n", "y = f()", 1
            ),
            (
                "longbench",
                #"""
            {"input":"","context":"a = 1\nb = a","answers":["print(b)"],"length":3,"dataset":"lcc",
            "language":"python","all_classes":null,"_id":"l1"}
            """#,
                "a = 1\nb = a", "print(b)", 0
            ),
            (
                "repoeval",
                #"""
            {"prompt":"def f():\n    ","metadata":{"task_id":"r/1","ground_truth":"return 1\n",
            "fpath_tuple":["r","a.py"],"line_no":2}}
            """#,
                "def f():\n    ", "return 1\n", 0
            ),
            (
                "safim",
                #"""
            {"task_id":"s1","lang":"java","prompt":"","eval_prompt":"int f() { {{completion}} }",
            "ground_truth":"return 1;","unit_tests":"[]"}
            """#,
                "int f() { ", "return 1;", 0
            ),
            (
                "humaneval-infilling",
                #"""
            {"task_id":"h1","entry_point":"f","prompt":"def f():\n","suffix":"    return x\n",
            "canonical_solution":"    x = 1\n","test":""}
            """#,
                "def f():\n", "    x = 1\n", 0
            ),
        ]

    @Test(
        "Each published format's fields make the case; bad rows are counted with their lines",
        arguments: 0..<6)
    func formats(_ place: Int) throws {
        let sample = Self.rows[place]
        let folder = try RepositoryFixture.temporaryFolder()
        let path = folder + "/rows.jsonl"
        let format = try #require(DatasetFormat.named(sample.format))
        let row = sample.row.replacing("\n", with: "")
        var bytes = Array("\(row)\n\n{\"x\":1,\"prompt\":\n[1]\n{\"surprise\":1}\n".utf8)
        bytes += [0x7B, 0xFF, 0xFE, 0x7D, 0x0A] + Array("\(row)\n".utf8)
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        let selection = try format.cases(path: path, limit: 10, seed: 1)
        let subject = try #require(selection.cases.first)
        // Rows of these two have no name of their own, so the same row twice is two cases.
        let hasNames = !["repobench", "repoeval"].contains(sample.format)
        #expect(selection.cases.count == (hasNames ? 1 : 2))
        #expect(String(decoding: subject.prefix, as: UTF8.self) == sample.prefix)
        #expect(String(decoding: subject.expected, as: UTF8.self) == sample.expected)
        if case .files(let files) = subject.context {
            #expect(files.count == sample.fileCount)
        } else {
            #expect(sample.fileCount == 0)
        }
        let lines = selection.skipped.map(\.line)
        #expect(lines.starts(with: [3, 4, 5, 6]))
        #expect(selection.skipped.dropFirst().first?.reason == "not a JSON object")
        #expect(selection.unknownFields == ["surprise": 1])
    }

    @Test("An empty and a missing file are errors that say so")
    func emptyFile() throws {
        let path = try RepositoryFixture.temporaryFolder() + "/rows.jsonl"
        #expect(throws: EvaluationError.self) { try JSONLines(path: path) }
        try Data().write(to: URL(fileURLWithPath: path))
        #expect(throws: EvaluationError.self) { try JSONLines(path: path) }
    }

    @Test("Settings that do not exist are refused by name, and so are values that make no sense")
    func settings() throws {
        let sweep = try Sweep(
            base: RunConfiguration(), settings: ["signal.sibling=off"],
            sweeps: ["context-tokens=512,1024", "context=on,off"])
        #expect(sweep.entries.map(\.name).count == 4)
        #expect(sweep.entries.allSatisfy { $0.configuration.disabledSignals == ["sibling"] })
        for wrong in ["telepathy=on", "context-tokens=7", "context", "signal.nothing=off", "order=sideways"] {
            let error = #expect(throws: EvaluationError.self) {
                try Sweep(base: RunConfiguration(), settings: [wrong], sweeps: [])
            }
            #expect(error?.kind == .usage, "\(wrong)")
        }
    }
}
