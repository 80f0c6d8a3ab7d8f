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

    private static let privateText = "vault = open_the_vault(first_combination, second_combination)\n"

    @Test("What .foretokenignore names is no case and in no exported commit, today's rules and the commit's own")
    func ignoredFiles() throws {
        let fixture = try RepositoryFixture()
        try fixture.write("open.py", "alpha = first(one)\n")
        try fixture.write("inner/now.py", Self.privateText)
        try fixture.write("then.py", Self.privateText)
        try fixture.write(".foretokenignore", "then.py\n")
        try fixture.commit()
        try fixture.write("open.py", "alpha = first(one)\nmiddle = second(three, four)\n")
        try fixture.write("inner/now.py", Self.privateText + "more_" + Self.privateText)
        try fixture.write("then.py", Self.privateText + "more_" + Self.privateText)
        try fixture.commit()
        // A rule may be no part of any commit, and one that was taken back held for what was there then.
        try fixture.write(".foretokenignore", "inner/\n")

        let repository = RepositoryCases(folder: fixture.path, options: options(100))
        for selection in [try repository.atHead(), try repository.fromHistory()] {
            #expect(Set(selection.cases.map(\.path)) == ["open.py"])
            #expect(selection.skipped.map(\.reason) == ["2 files that .foretokenignore names"])
        }
        let parent = try #require(
            try repository.fromHistory().cases.compactMap { each -> String? in
                if case .commit(let name) = each.context { return name }
                return nil
            }.first)
        let export = try CommitTreeExport(repositoryFolder: fixture.path)
        let folder = try export.folder(ofCommit: parent)
        #expect(FileManager.default.subpaths(atPath: folder) == ["open.py"])
    }

    @Test("A .foretokenignore that cannot be followed leaves no case, and the reason")
    func unusableRules() throws {
        let fixture = try RepositoryFixture()
        try fixture.write("open.py", Self.privateText)
        try fixture.commit()
        let repository = RepositoryCases(folder: fixture.path, options: options(100))
        #expect(try !repository.atHead().cases.isEmpty)
        for kind in ["large", "long", "link", "pipe", "undecidable"] {
            try fixture.breakRules(".foretokenignore", kind)
            let selection = try repository.atHead()
            #expect(selection.cases.isEmpty)
            let reasons = selection.skipped.map(\.reason)
            #expect(reasons.count == 2 && reasons[0].contains("/.foretokenignore "), "\(reasons)")
            try fixture.remove(".foretokenignore")
        }
        // In a commit alone: a link's text is no rule.
        try fixture.link(".foretokenignore", to: "elsewhere")
        try fixture.commit()
        try fixture.remove(".foretokenignore")
        let committed = try repository.atHead()
        #expect(committed.cases.isEmpty && committed.skipped.count == 1)
    }

    @Test("A folder or a file of the repository gives its own cases alone")
    func part() throws {
        let fixture = try RepositoryFixture()
        for name in ["api/a.py", "api/b.py", "apis/c.py", "d.py"] {
            try fixture.write(name, "value = compute(first, second)\n")
        }
        try fixture.commit()
        func paths(_ place: String) throws -> Set<String> {
            var options = options(100)
            options.part = try RepositoryCases.part(of: fixture.path, at: fixture.absolute(place))
            return Set(try RepositoryCases(folder: fixture.path, options: options).atHead().cases.map(\.path))
        }
        #expect(try paths("api") == ["api/a.py", "api/b.py"])
        #expect(try paths("api/b.py") == ["api/b.py"])
        #expect(try paths(".").count == 4)
    }

    @Test("A file that is left out for what it holds is named with the reason")
    func leftOut() throws {
        let fixture = try RepositoryFixture()
        try fixture.write("binary.py", bytes: [0x61, 0x00, 0x62])
        try fixture.write("latin.py", bytes: [0x61, 0xE9, 0x62])
        let key = String(repeating: "MIIEvQIBADANBgkqhkiG9w0BAQ", count: 3)
        try fixture.write("key.py", "KEY = '-----BEGIN PRIVATE KEY-----\n\(key)'\n")
        try fixture.commit()
        let selection = try RepositoryCases(folder: fixture.path, options: options(100)).atHead()
        #expect(selection.cases.isEmpty)
        #expect(
            Set(selection.skipped.map(\.reason)) == [
                "binary.py: binary", "latin.py: not UTF-8", "key.py: holds a key or a credential",
            ])
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

    private func selection(_ format: String, _ rows: [String]) throws -> CaseSelection {
        let path = try RepositoryFixture.temporaryFolder() + "/rows.jsonl"
        try Data(rows.joined(separator: "\n").utf8).write(to: URL(fileURLWithPath: path))
        return try #require(DatasetFormat.named(format)).cases(path: path, limit: 10, seed: 1)
    }

    @Test("SAFIM's prompt, which describes the problem, comes before its code alone")
    func safimPrompt() throws {
        let row =
            #"{"task_id":"s1","lang":"python","prompt":"Description: add.\n\na = # TODO: Your code here\nprint(a)","#
            + #""eval_prompt":"a = {{completion}}\nprint(a)","ground_truth":"1 + 1"}"#
        let subject = try #require(try selection("safim", [row]).cases.first)
        #expect(String(decoding: subject.prefix, as: UTF8.self) == "Description: add.\n\na = ")
        #expect(String(decoding: subject.suffix, as: UTF8.self) == "\nprint(a)")
    }

    @Test("LongBench's rows without code are left out by the name of their task")
    func longBenchTasks() throws {
        let rows = ["gov_report", "lcc", "repobench-p_e"].map {
            #"{"dataset":"\#($0)","context":"a = 1\n","input":"","answers":["b"],"_id":"\#($0)"}"#
        }
        let selection = try selection("longbench", rows)
        #expect(selection.cases.map(\.id) == ["lcc", "repobench-p_e"])
        #expect(selection.skipped == [SkippedInput(line: 1, reason: "gov_report is no code task")])
    }

    @Test("A statement of CrossCodeEval over several lines is compared as a whole")
    func crossCodeEvalStatement() throws {
        let rows = ["call()", #"call(\n    a)"#].map {
            #"{"prompt":"x = ","groundtruth":"\#($0)","crossfile_context":""}"#
        }
        let cases = try selection("crosscodeeval", rows).cases
        #expect(cases.map(\.kind.isSingleLine) == [true, false])
    }

    private static let otherFormats: [([UInt8], String)] = [
        ([0x1F, 0x8B, 0x08, 0x0A], "gunzip"), (Array("PAR1xx\n".utf8), "Parquet"),
        (Array("[\n {\"a\": 1}\n]\n".utf8), "jq"),
    ]

    @Test("Data sets as they are downloaded, compressed or in another format, are recognised", arguments: 0..<3)
    func otherFiles(_ place: Int) throws {
        let (bytes, word) = Self.otherFormats[place]
        let path = try RepositoryFixture.temporaryFolder() + "/rows"
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        let error = #expect(throws: EvaluationError.self) { try JSONLines(path: path) }
        #expect(error?.description.contains(word) == true)
    }

    @Test("An empty and a missing file are errors that say so")
    func emptyFile() throws {
        let folder = try RepositoryFixture.temporaryFolder()
        let path = folder + "/rows.jsonl"
        let missing = #expect(throws: EvaluationError.self) { try JSONLines(path: path) }
        #expect(missing?.description.contains("No such file or directory") == true)
        let isFolder = #expect(throws: EvaluationError.self) { try JSONLines(path: folder) }
        #expect(isFolder?.description.contains("it is a folder") == true)
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
