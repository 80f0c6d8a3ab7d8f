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

    private func evaluate(_ name: String, _ more: [String] = []) throws -> Binary.Result {
        try Binary.run(
            [
                "eval", "repo", fixture.path, "--limit", "6", "--context-tokens", "512", "--output",
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

    @Test("Shards make the whole, and compare finds no difference to it")
    func shards() throws {
        #expect(try evaluate("whole").exitCode == 0)
        for number in 1...2 {
            #expect(try evaluate("part\(number)", ["--shard", "\(number)/2"]).exitCode == 0)
        }
        let merged = try Binary.run(
            ["eval", "merge", "\(scratch)/part1", "\(scratch)/part2", "--output", "\(scratch)/merged"])
        #expect(merged.exitCode == 0, "\(merged.errorOutput)")
        let comparison = try Binary.run(["eval", "compare", "\(scratch)/whole", "\(scratch)/merged"])
        #expect(comparison.output.contains("6 cases, 6 identical texts"))
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

    private static let mistakes: [([String], Int32)] = [
        (["--sweep", "telepathy=on,off"], 2), (["--shard", "3/2"], 2), (["--kinds", "poem"], 2),
        (["--engine", "http://example.org/v1"], 2), (["--model", "/nonexistent.gguf"], 3), (["--limit", "0"], 2),
        (["--languages", "cobol"], 1),
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
