// `foretoken eval` as a user runs it: the same twice, resumed after a kill, in shards, with the text that an editor
// would get.

import CompletionEvaluation
import Foundation
import TestSupport
import Testing

@Suite("Evaluation commands")
struct EvaluationCommandTests {
    private let fixture: RepositoryFixture
    private let scratch: String

    init() throws {
        fixture = try RepositoryFixture()
        scratch = try RepositoryFixture.temporaryFolder()
        try fixture.write(
            "shapes.py",
            """
            class Rectangle:
                def __init__(self, width, height):
                    self.width = width
                    self.height = height

                def area_in_square_metres(self):
                    return self.width * self.height

            """)
        try fixture.write(
            "main.py",
            """
            from shapes import Rectangle

            floor = Rectangle(width=4, height=3)
            area = floor.area_in_square_metres()
            door = Rectangle(width=1, height=2)
            wall = area - door.area_in_square_metres()

            """)
        try fixture.commit()
    }

    private func evaluate(_ name: String, _ more: [String] = [], of part: String? = nil) throws -> Binary.Result {
        try Binary.run(
            [
                "eval", "repo", part ?? fixture.path, "--limit", "6", "--context-tokens", "512", "--output",
                "\(scratch)/\(name)",
            ]
                + more)
    }

    /// A run's report without everything under `timings`.
    private func untimed(_ name: String) throws -> NSDictionary {
        let data = try Data(FixturePaths.bytes("\(scratch)/\(name)/report.json"))
        func strip(_ value: Any) -> Any {
            if let list = value as? [Any] { return list.map(strip) }
            guard let members = value as? [String: Any] else { return value }
            return members.filter { $0.key != "timings" }.mapValues(strip)
        }
        return try #require(strip(try JSONSerialization.jsonObject(with: data)) as? NSDictionary)
    }

    @Test("Two runs of a seed are equal but for timings, also when one was torn and resumed")
    func repeatable() throws {
        let first = try evaluate("a")
        #expect(first.exitCode == 0, "\(first.errorOutput)")
        #expect(try evaluate("b").exitCode == 0)
        let path = "\(scratch)/b/journal.jsonl"
        let journal = try FixturePaths.bytes(path)
        try Data(journal[..<(journal.count * 2 / 3)]).write(to: URL(fileURLWithPath: path))
        #expect(try evaluate("b").exitCode == 0)
        let isSame = try untimed("a") == untimed("b")
        #expect(isSame)
        let page = String(decoding: try FixturePaths.bytes("\(scratch)/a/report.html"), as: UTF8.self)
        let isAlone = !page.contains("src=\"http") && !page.contains("href=\"http") && page.contains("<svg")
        #expect(isAlone)
    }

    @Test("Shards make the whole, and compare finds no difference to it; half a run says so")
    func shards() throws {
        // Several cases in one file with more context than has room: no prompt may lean on the one before.
        for number in 0..<6 {
            try fixture.write(
                "shape\(number).py",
                (0..<12).map {
                    "def side_\(number)_\($0)(width, height):\n    total_\($0) = width * \($0) + height\n"
                        + "    return total_\($0)\n\n"
                }.joined())
        }
        let calls = (0..<24).map { "value_\($0) = side_\($0 % 6)_\($0 % 12)(width=\($0), height=floor)\n" }
        try fixture.write("main.py", "from shapes import Rectangle\n\n" + calls.joined())
        try fixture.commit()
        let many = ["--limit", "12", "--context-tokens", "256"]
        let part = fixture.absolute("main.py")
        #expect(try evaluate("whole", many, of: part).exitCode == 0)
        for number in 1...2 {
            let shard = ["--shard", "\(number)/2"]
            #expect(try evaluate("part\(number)", many + shard, of: part).exitCode == 0)
        }
        let merged = try Binary.run(
            ["eval", "merge", "\(scratch)/part1", "\(scratch)/part2", "--output", "\(scratch)/merged"])
        #expect(merged.exitCode == 0, "\(merged.errorOutput)")
        let comparison = try Binary.run(["eval", "compare", "\(scratch)/whole", "\(scratch)/merged"])
        #expect(comparison.output.contains("12 cases, 12 identical texts (100.0 %), 12 identical prompts"))

        let path = "\(scratch)/whole/journal.jsonl"
        let lines = String(decoding: try FixturePaths.bytes(path), as: UTF8.self).split(separator: "\n")
        try Data((lines.prefix(6).joined(separator: "\n") + "\n").utf8).write(to: URL(fileURLWithPath: path))
        let half = try Binary.run(["eval", "report", "\(scratch)/whole"])
        #expect(half.output.contains("default: 5 of 12 answered"))
    }

    @Test("What is recorded is what `complete` prints at that place")
    func sameAsComplete() throws {
        #expect(try evaluate("a").exitCode == 0)
        let records = try JournalReader.run(in: scratch + "/a").records
        let cases = try RepositoryCases(
            folder: fixture.path,
            options: RepositoryCaseOptions(limit: 6, seed: 1, kinds: Set(CaseKind.repositoryKinds))
        ).atHead().cases
        for subject in cases.prefix(3) {
            let whole = subject.prefix + subject.expected + subject.suffix
            try fixture.write(subject.path, bytes: subject.prefix + subject.suffix)
            let place = "\(fixture.path)/\(subject.path):\(subject.position.line):\(subject.position.column)"
            let result = try Binary.run(["complete", place, "--context-tokens", "512"])
            try fixture.write(subject.path, bytes: whole)
            let record = try #require(records.first { $0.id == subject.id })
            #expect(result.output == record.got + (record.got.isEmpty ? "" : "\n"), "\(subject.id)")
        }
    }

    @Test("Speculation is swept and checked")
    func speculation() throws {
        let result = try evaluate("s", ["--limit", "3", "--sweep", "speculation=off,lookup"])
        #expect(result.exitCode == 0, "\(result.errorOutput)")
        let report = String(decoding: try FixturePaths.bytes(scratch + "/s/report.md"), as: UTF8.self)
        #expect(report.contains("speculation=off against speculation=lookup"))
    }

    @Test("What a report says of a repository's file is code, not markup")
    func marksNothingUp() throws {
        let key = String(repeating: "MIIEvQIBADANBgkqhkiG9w0BAQ", count: 3)
        try fixture.write("[x](y) <b>.py", "KEY = '-----BEGIN PRIVATE KEY-----\n\(key)'\n")
        try fixture.commit()
        let result = try evaluate("m", ["--limit", "2"])
        #expect(result.exitCode == 0, "\(result.errorOutput)")
        let report = String(decoding: try FixturePaths.bytes(scratch + "/m/report.md"), as: UTF8.self)
        #expect(report.contains("- `[x](y) <b>.py: "))
    }

    private static let completion = #"{"choices":[{"text":"value","finish_reason":"stop"}]}"#

    /// Answers as many requests as a run may send.
    private func server() throws -> LoopbackServer {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: \(Self.completion.utf8.count)\r\n\r\n"
        return try LoopbackServer(answers: [String](repeating: head + Self.completion, count: 40))
    }

    private func evaluate(_ kind: String, _ folder: String, on server: LoopbackServer, _ more: [String])
        -> [String]
    {
        ["eval", kind, folder, "--output", scratch + "/x", "--engine", "http://127.0.0.1:\(server.port)/v1"] + more
    }

    @Test(
        "What .foretokenignore, a name or a key withholds reaches neither a server nor a report",
        arguments: ["repo", "history"])
    func withheld(_ kind: String) throws {
        let marked = "def withheld_rectangle_area(floor, door):\n    return floor.area_in_square_metres()\n"
        let key = String(repeating: "MIIEvQIBADANBgkqhkiG9w0BAQ", count: 3)
        try fixture.write(".foretokenignore", "inner/\n")
        try fixture.write("inner/areas.py", marked)
        try fixture.write("vault.py", "KEY = '-----BEGIN PRIVATE KEY-----\n\(key)'\n" + marked)
        try fixture.write(".aws/config.py", marked)
        try fixture.commit()
        try fixture.write("inner/areas.py", marked + marked)
        try fixture.write(
            "main.py",
            "from shapes import Rectangle\n\nhall = Rectangle(width=9, height=8)\n"
                + "size = hall.area_in_square_metres()\n")
        try fixture.commit()
        let server = try server()
        let result = try Binary.run(
            evaluate(kind, fixture.path, on: server, ["--limit", "12", "--engine-prompt", "text"]))
        #expect(result.exitCode == 0, "\(result.errorOutput)")
        // Other files are there, so that these could have been.
        #expect(server.requests.contains { $0.contains("class Rectangle") && $0.contains("main.py") })
        let leakCount = server.requests.count { $0.contains("withheld_rectangle") || $0.contains(key) }
        #expect(leakCount == 0)
        for name in ["journal.jsonl", "report.json", "report.md", "report.html"] {
            let text = String(decoding: try FixturePaths.bytes(scratch + "/x/" + name), as: UTF8.self)
            let isClean = !text.contains("withheld_rectangle") && !text.contains(key)
            #expect(isClean, "\(name)")
        }
    }

    @Test("A server that lays out prompts itself gets no more text than the prompt's tokens hold")
    func suffixPrompt() throws {
        let lines = (0..<2_000).map { "value_\($0) = compute(first_\($0), second_\($0))" }
        try fixture.write("long.py", lines.joined(separator: "\n"))
        try fixture.commit()
        let server = try server()
        let result = try Binary.run(
            evaluate(
                "repo", fixture.absolute("long.py"), on: server,
                ["--limit", "2", "--context-tokens", "512", "--engine-prompt", "suffix"]))
        #expect(result.exitCode == 0, "\(result.errorOutput)")
        #expect(server.requests.count == 2)
        #expect(server.requests.allSatisfy { $0.contains("value_") && $0.utf8.count < 6_000 })
    }

    @Test("History sees the parent commit also where temporary files lie inside the repository")
    func temporaryFolderInRepository() throws {
        try fixture.write("main.py", "from shapes import Rectangle\n\nhall = Rectangle(width=9, height=8)\n")
        try fixture.write("later.py", "class Rectangle:\n    later_only = Rectangle(width=1, height=1)\n")
        try fixture.commit()
        let temporary = fixture.absolute("tmp")
        try FileManager.default.createDirectory(atPath: temporary, withIntermediateDirectories: true)
        let server = try server()
        let result = try Binary.run(
            evaluate("history", fixture.path, on: server, ["--limit", "4", "--engine-prompt", "text"]),
            environment: ["TMPDIR": temporary])
        #expect(result.exitCode == 0, "\(result.errorOutput)")
        let ofMain = server.requests.filter { $0.contains("hall") }
        #expect(ofMain.contains { $0.contains("area_in_square_metres") })
        #expect(ofMain.allSatisfy { !$0.contains("later_only") })
        #expect(try FileManager.default.contentsOfDirectory(atPath: temporary).isEmpty)
    }

    private static let mistakes: [([String], Int32)] = [
        (["--sweep", "telepathy=on,off"], 2), (["--shard", "3/2"], 2), (["--kinds", "poem"], 2),
        (["--engine", "http://example.org/v1"], 2), (["--model", "/nonexistent.gguf"], 3), (["--limit", "0"], 2),
        (["--languages", "cobol"], 1), (["--kinds", ","], 2), (["--languages", ","], 2),
    ]

    @Test("Mistakes have their exit codes", arguments: mistakes)
    func exitCodes(_ arguments: [String], _ code: Int32) throws {
        let result = try Binary.run(
            ["eval", "repo", fixture.path, "--output", scratch + "/x"] + arguments)
        #expect(result.exitCode == code, "\(result.errorOutput)")
    }

    @Test("eval speed answers twice with the same text and skips bad rows with their lines")
    func speed() throws {
        let rows = """
            {"dataset":"lcc","context":"def add(a, b):\\n    return a + b\\n\\ndef sub(a, b):\\n","input":"","_id":"1"}
            {"dataset":"chess","context":"e4"}
            {"problem":"What is 2 + 2?","answer":"4"}
            """
        try Data(rows.utf8).write(to: URL(fileURLWithPath: scratch + "/rows.jsonl"))
        let result = try Binary.run([
            "eval", "speed", scratch + "/rows.jsonl", "--max-tokens", "12", "--speculation", "lookup",
            "--ignore-end",
            "--output", scratch + "/speed",
        ])
        #expect(result.exitCode == 0, "\(result.errorOutput)")
        #expect(result.output.contains("| all | 2 |"))
        #expect(result.errorOutput.contains("skipped line 2"))
    }
}
