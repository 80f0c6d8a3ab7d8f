// The arithmetic of the speculation scenarios on made-up measurements.

import Foundation
import SpecEngine
import TestSupport
import Testing

@testable import CompletionDaemon

@Suite("Figures of speculation")
struct SpeculationBenchTests {
    private let costs = SpeculationCosts(
        passes: [(1, 1), (4, 1.3), (8, 2)], levels: [(1, 0.2), (4, 0.3)])

    @Test("Costs are interpolated, and go on behind the last row count")
    func interpolation() {
        #expect(costs.passSeconds(rows: 1) == 1)
        #expect(abs(costs.passSeconds(rows: 2) - 1.1) < 1e-12)
        #expect(abs(costs.passSeconds(rows: 12) - 2.7) < 1e-12)
        #expect(abs(costs.levelSeconds(rows: 2) - 0.7 / 3) < 1e-12)
    }

    @Test("A shape's time is that of its rounds along the text")
    func shapes() {
        func node(_ level: Int, _ reach: Float, _ isRight: Bool) -> DraftRecord.Node {
            DraftRecord.Node(level: level, reach: reach, isRight: isRight)
        }
        // Four tokens after the first; the draft is right twice at each place, text seen before never.
        let record = DraftRecord(
            found: [node(0, 0.5, false)],
            grown: [node(0, 0.1, false), node(1, 0.8, true), node(1, 0.15, false), node(2, 0.7, true)],
            levelRowCounts: [1, 4])
        let seconds = ShapeSearch.seconds([DraftRecord](repeating: record, count: 4), endsText: false, costs: costs)
        func time(_ levels: Int, _ nodes: Int) -> Double? {
            seconds[ShapeSearch.Shape(levelCount: levels, nodeCount: nodes)]
        }
        #expect(time(0, 0) == 4)  // plain
        #expect(time(0, 1) == 4 * 1.1)  // one row more, for nothing
        // One level, one node: two rounds of two tokens.
        #expect(abs((time(1, 1) ?? 0) - 2 * (1.1 + 0.2)) < 1e-9)
        // Two levels, two nodes: a round of three tokens and one of which only the first token is left.
        // (its second level looks at two nodes at most, not at all four that were recorded).
        #expect(abs((time(2, 2) ?? 0) - 2 * (1.2 + 0.2 + 0.7 / 3)) < 1e-9)
        #expect((time(2, 5) ?? 0) > (time(2, 2) ?? 0))
        // The text's end takes a pass more, but where the last round has drawn it behind two right nodes.
        let ended = ShapeSearch.seconds([DraftRecord](repeating: record, count: 5), endsText: true, costs: costs)
        #expect(ended[ShapeSearch.Shape(levelCount: 0, nodeCount: 0)] == 6)
        #expect(abs((ended[ShapeSearch.Shape(levelCount: 2, nodeCount: 2)] ?? 0) - 2 * (1.2 + 0.2 + 0.7 / 3)) < 1e-9)
    }

    @Test("The bootstrap's bounds enclose the mean, narrowly where values agree")
    func bootstrap() {
        let equal = BenchStatistics.bootstrappedGeometricMean([1.5, 1.5, 1.5])
        #expect(abs(equal.value - 1.5) < 1e-12 && abs(equal.lower - equal.upper) < 1e-12)
        let spread = BenchStatistics.bootstrappedGeometricMean((0..<50).map { $0 % 2 == 0 ? 0.5 : 2 })
        #expect(
            abs(spread.value - 1) < 1e-12 && spread.lower < 0.9 && spread.upper > 1.1 && spread.lower > 0.7)
    }

    @Test("An oracle's chain gives the wanted mean accepted length")
    func oracle() {
        let tokens = (0..<20_000).map { TokenID(Int32($0)) }
        for length in [7, 15] {
            let probability = OracleBench.rightProbability(chainLength: length)
            let draft = OracleBench.corrupted(tokens, rightProbability: probability, seed: 1)
            let isInVocabulary = draft.allSatisfy { (0..<20_000).contains($0.rawValue) }
            #expect(isInVocabulary)
            var (rounds, position) = (0, 0)
            while position < tokens.count {
                let proposed = position..<min(tokens.count, position + length)
                position += 1 + proposed.prefix { draft[$0] == tokens[$0] }.count
                rounds += 1
            }
            #expect(abs(Double(tokens.count) / Double(rounds) - OracleBench.meanAcceptedLength) < 0.15)
        }
    }

    private func record(_ name: String, size: Int = 100, tokenCount: Int = 60) -> SpeculationCaseRecord {
        var record = SpeculationCaseRecord(
            settings: "s", name: name, promptTokenCount: size, tokenCount: tokenCount, plainRounds: tokenCount)
        record.costs = SpeculationCaseRecord.Costs(
            passRows: [1, 8], passSeconds: [1, 2], levelRows: [1, 4], levelSeconds: [0.2, 0.3],
            fullHeadLevelSeconds: [0.3, 0.6])
        record.rates = ["plain": [1, 2, 1], "all": [1.5, 3, 1.5]]
        var profile = SpeculationCaseRecord.Profile()
        // Three times 30 rounds for 60 tokens: half of them a pass of one row, half one of eight with a level of the
        // draft.
        profile.rounds = 90
        profile.emitted = 180
        profile.passesByRowCount = [0, 45, 0, 0, 0, 0, 0, 0, 45]
        profile.levelsByRowCount = [0, 45]
        profile.passSeconds = 162
        profile.drafted = [[45], [270]]
        profile.accepted = [[30], [60]]
        (profile.draftSeconds, profile.attentionSeconds) = (1, 2)
        (profile.linearSeconds, profile.verificationSeconds) = (6, 1)
        record.profiles = ["all": profile]
        // Every shape takes 60 seconds but the second, which takes 30.
        record.shapeSeconds = ["all": ShapeSearch.shapes.indices.map { $0 == 1 ? 30 : 60 }]
        return record
    }

    @Test("Speed-up, τ, cost, efficiency, shares and the best shape follow from the records")
    func summary() throws {
        let results = SpeculationSummary(
            records: [record("a"), record("b"), record("nothing was written", tokenCount: 0)],
            kindNames: ["all"], label: "100"
        ).results
        func value(_ name: String) throws -> Double {
            try #require(results.first { $0.name == name + "@100" }).median
        }
        #expect(try value("all_speedup_geometric_mean") == 1.5)
        #expect(try value("all_tau") == 2)
        #expect(try value("all_relative_cost") == 1.6)  // (45 · 1 + 45 · 2 + 45 · 0.2) ÷ 90
        #expect(try value("all_efficiency") == 1.2)  // 1.5 ÷ (2 ÷ 1.6)
        #expect(try value("all_passes_in_rounds") == 1.2)  // 162 ÷ 135
        #expect(try value("plain_round") == 1)
        #expect(try value("all_share_target_linear") == 60)
        #expect(try value("all_longspec_accepted_at_depth_1") == 66.667)
        #expect(try value("all_prompt_lookup_share_of_tokens") == 33.333)
        #expect(try value("draft_level_of_4_full_head") == 0.6)
        #expect(try value("bound_perfect_acceptance") == 4)
        #expect(try value("best_fixed_shape_rate") == 2)
        #expect(try value("policy_to_best_fixed_shape") == 0.625)  // 60 tokens in 48 seconds against 30
    }

    @Test("The geometric mean counts each text once, their speed-up together each token")
    func speedupTogether() throws {
        var short = record("short", tokenCount: 6)
        short.rates = ["plain": [1, 1, 1], "all": [1, 1, 1]]
        let results = SpeculationSummary(
            records: [record("long"), short], kindNames: ["all"], label: "100"
        ).results
        let together = try #require(results.first { $0.name == "all_speedup_together@100" })
        #expect(together.median == 1.435)  // 66 seconds ÷ (40 + 6)
        #expect(together.p5 == 1 && together.p95 == 1.5)  // resamples of one text alone
        #expect(results.first { $0.name == "all_speedup_geometric_mean@100" }?.median == 1.225)
    }

    @Test("The pass that draws a text's end is plain decoding's, too")
    func endRound() throws {
        var ended = SpeculationCaseRecord(
            settings: "s", name: "short", promptTokenCount: 100, tokenCount: 3, plainRounds: 4)
        ended.costs = record("a").costs
        ended.rates = ["plain": [1], "all": [1]]
        var profile = SpeculationCaseRecord.Profile()
        (profile.rounds, profile.emitted, profile.passesByRowCount) = (4, 3, [0, 4])
        ended.profiles = ["all": profile]
        let results = SpeculationSummary(records: [ended], kindNames: ["all"], label: "100").results
        #expect(results.first { $0.name == "all_efficiency@100" }?.median == 1)
    }

    @Test("Costs are the medians of what was measured between the repetitions")
    func costMedians() {
        let samples = [1.0, 5, 2].map { factor in
            SpeculationCaseRecord.Costs(passRows: [1, 8], passSeconds: [factor, 3 * factor])
        }
        let medians = SpeculationCaseRecord.Costs(mediansOf: samples)
        #expect(medians.passRows == [1, 8] && medians.passSeconds == [2, 6] && medians.levelSeconds.isEmpty)
    }

    @Test("Cases are chosen by how many or by which")
    func caseRanges() {
        #expect(CaseRange(argument: "50")?.numbers == 1...50)
        #expect(CaseRange(argument: "11-20")?.numbers == 11...20)
        #expect(CaseRange(argument: "11-20")?.description == "11-20" && CaseRange(1...50).description == "50")
        for bad in ["", "0", "-5", "5-", "20-11", "1-2-3", "1-5000", "a"] {
            #expect(CaseRange(argument: bad) == nil, "\(bad)")
        }
    }

    @Test("A case file keeps its cases over runs, drops a torn line and other settings")
    func caseFile() throws {
        let path = NSTemporaryDirectory() + "/foretoken-cases-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        var file = try SpeculationCaseFile(path: path, settings: "s")
        try file.append(record("a"))
        try file.append(record("b", size: 200))
        let handle = try #require(FileHandle(forWritingAtPath: path))
        handle.seekToEndOfFile()
        handle.write(Data("{\"name\":\"torn".utf8))
        try handle.close()
        var again = try SpeculationCaseFile(path: path, settings: "s")
        #expect(again.records.map(\.name) == ["a", "b"])
        #expect(
            again.contains(name: "b", promptTokenCount: 200)
                && !again.contains(name: "b", promptTokenCount: 100))
        #expect(again.records[0].speedup("all") == 1.5)
        try again.append(record("c"))
        #expect(try SpeculationCaseFile(path: path, settings: "s").records.map(\.name) == ["a", "b", "c"])
        #expect(try SpeculationCaseFile(path: path, settings: "other").records.isEmpty)
    }

    @Test("Cases whose lists do not fit each other, or have other shapes, are made again")
    func malformedCases() throws {
        let path = NSTemporaryDirectory() + "/foretoken-cases-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        var shapes = record("shapes")
        shapes.shapeSeconds["all"]?.removeLast()
        var rates = record("rates")
        rates.rates["all"]?.removeLast()
        var depths = record("depths")
        depths.profiles["all"]?.accepted[1].removeLast()
        var counts = record("counts")
        counts.profiles["all"]?.rounds = .max
        var file = try SpeculationCaseFile(path: path, settings: "s")
        for each in [shapes, rates, depths, counts, record("good")] { try file.append(each) }
        #expect(try SpeculationCaseFile(path: path, settings: "s").records.map(\.name) == ["good"])
    }

    @Test("A short prompt keeps its marks and the text before the cursor")
    func shortPrompts() throws {
        let root = NSTemporaryDirectory() + "/foretoken-workload-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: root) }
        try FileManager.default.createDirectory(atPath: root + "/r", withIntermediateDirectories: true)
        let lines = (0..<400).map { "let value\($0) = compute(\($0), width: \($0 * 7))\n" }
        for name in ["a.swift", "b.swift"] {
            try Data(lines.joined().utf8).write(to: URL(fileURLWithPath: root + "/r/" + name))
        }
        let list = #"{"repositories": [{"name": "r", "commit": "0"}], "cursors": "#
            + #"[{"repository": "r", "path": "a.swift", "line": 300, "column": 5}]}"#
        try Data(list.utf8).write(to: URL(fileURLWithPath: root + "/cursors.json"))
        let tokenizer = try Tokenizer(try GGUFFile.open(FixturePaths.defaultModel))
        var workload = try SpeculationWorkload(
            cursorPath: root + "/cursors.json", directory: root, tokenizer: tokenizer)
        let special = tokenizer.specialTokens
        for size in [1_000, 4_000] {
            let prompt = try #require(try workload.cases(1...1, tokenCount: size).first).prompt
            #expect(prompt.count == size && prompt.last == special.fimMiddle)
            for mark in [special.repositoryName, special.fimSuffix, special.fimPrefix, special.fimMiddle] {
                let count = prompt.count { $0 == mark }
                #expect(mark == nil || count == 1, "at \(size)")
            }
        }
    }
}
