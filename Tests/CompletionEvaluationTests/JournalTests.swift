// Journals: nothing lost, nothing doubled, whatever was torn off; and the joining of shards.

import CompletionEvaluation
import Foundation
import TestSupport
import Testing

@Suite("Evaluation journal")
struct JournalTests {
    private let folder: String

    init() throws { folder = try RepositoryFixture.temporaryFolder() }

    private func cases(_ count: Int) -> [EvaluationCase] {
        (0..<count).map {
            EvaluationCase(
                id: "case \($0)", kind: .line, language: "swift", path: "a.swift",
                prefix: Array("let a\($0) = ".utf8),
                suffix: Array("\n".utf8), expected: Array("\($0)".utf8), context: .none)
        }
    }

    private func header(_ count: Int, shard: Shard = .whole, seed: UInt64 = 1) throws -> RunHeader {
        var selection = CaseSelection()
        selection.cases = cases(count)
        return RunHeader(
            version: "1", kind: "repo", subject: "x", selection: selection, limit: count, seed: seed,
            shard: shard,
            engine: "e", sweep: try Sweep(base: RunConfiguration(), settings: [], sweeps: []))
    }

    private func record(_ place: Int, got: String = "x", error: String? = nil) -> CaseRecord {
        var record = CaseRecord(cases(place + 1)[place], configuration: "default")
        record.got = got
        record.error = error
        return record
    }

    @Test("A torn last line is cut off at any byte, and its case is run again")
    func tornLine() throws {
        let path = folder + "/" + RunJournal.fileName
        try RunJournal(folder: folder, header: try header(3)).append(record(0))
        let whole = try FixturePaths.bytes(path)
        try RunJournal(folder: folder, header: try header(3)).append(record(1))
        let both = try FixturePaths.bytes(path)
        for length in stride(from: whole.count, to: both.count, by: 37) {
            try Data(both[..<length]).write(to: URL(fileURLWithPath: path))
            let journal = try RunJournal(folder: folder, header: try header(3))
            #expect(journal.answered.map(\.id) == ["case 0"])
            try journal.append(record(1))
            let isSame = try FixturePaths.bytes(path) == both
            #expect(isSame, "cut at \(length)")
        }
    }

    @Test("A failed case is open again, and its answer takes the failure's place")
    func failure() throws {
        let journal = try RunJournal(folder: folder, header: try header(1))
        try journal.append(record(0, error: "no"))
        #expect(journal.answered.isEmpty)
        try journal.append(record(0, got: "y"))
        let records = try JournalReader.run(in: folder).records
        #expect(records.map(\.got) == ["y"])
    }

    @Test("Another run's folder is refused with what differs, and so is one that is in use")
    func refusal() throws {
        let journal = try RunJournal(folder: folder, header: try header(2))
        #expect(throws: EvaluationError.self) { try RunJournal(folder: folder, header: try header(2)) }
        try journal.append(record(0))
        withExtendedLifetime(journal) {}
        let other = try RepositoryFixture.temporaryFolder()
        _ = try RunJournal(folder: other, header: try header(2))
        let error = #expect(throws: EvaluationError.self) {
            try RunJournal(folder: other, header: try header(2, seed: 2))
        }
        #expect(error?.message.contains("seed") == true)
    }

    @Test("A folder that a speed run writes to is in use for a second one, of either kind")
    func speedFolder() throws {
        let journal = try SpeedJournal(folder: folder, settings: ["limit": "1"])
        #expect(throws: EvaluationError.self) { try SpeedJournal(folder: folder, settings: ["limit": "1"]) }
        #expect(throws: EvaluationError.self) { try RunJournal(folder: folder, header: try header(1)) }
        withExtendedLifetime(journal) {}
    }

    @Test("A folder that cannot be written is told beforehand, in plain words, and nothing is made")
    func unusableFolder() throws {
        try Data().write(to: URL(fileURLWithPath: folder + "/file"))
        for bad in [folder + "/file", folder + "/file/x", "/proc/x", ""] {
            let error = #expect(throws: EvaluationError.self, "\(bad)") {
                try RunFolder.check(bad)
                try RunFolder.make(bad)
            }
            #expect(error?.description.contains("Error Domain") == false)
        }
        try RunFolder.check(folder + "/a/b/")
        #expect(!FileManager.default.fileExists(atPath: folder + "/a"))
        try RunFolder.make(folder + "/a/b/")
        #expect(FileManager.default.fileExists(atPath: folder + "/a/b"))
    }

    @Test("Shards together are the whole: each case once; a missing or double shard is refused")
    func shards() throws {
        var folders: [String] = []
        for number in 1...3 {
            let shard = try #require(Shard(number: number, count: 3))
            let part = "\(folder)/\(number)"
            let journal = try RunJournal(folder: part, header: try header(7, shard: shard))
            for place in 0..<7 where place % 3 == number - 1 { try journal.append(record(place)) }
            folders.append(part)
        }
        #expect(throws: EvaluationError.self) {
            try RunMerge.merge(Array(folders.dropLast()), into: folder + "/a")
        }
        #expect(throws: EvaluationError.self) {
            try RunMerge.merge(folders + [folders[0]], into: folder + "/b")
        }
        try RunMerge.merge(folders, into: folder + "/whole")
        let merged = try JournalReader.run(in: folder + "/whole")
        #expect(merged.records.map(\.id).sorted() == (0..<7).map { "case \($0)" })
        #expect(merged.header.shard == .whole)
    }
}
