// The parts that decide how much to speculate, and the index that proposals come from: pure, so tested on made-up
// machines and texts.

import TestSupport
import Testing

@testable import SpecEngine

@Suite("Speculation policy")
struct SpeculationPolicyTests {
    /// A machine on which the first rows are free (bound by memory) or each row costs a full pass (bound by arithmetic).
    private func costs(memoryBound: Bool) -> RowCosts {
        let start = RowCosts.measuredRowCounts.map { rows in
            memoryBound ? 1e-3 * max(1, Double(rows) / 8) : 1e-3 * Double(rows)
        }
        return RowCosts(atStart: start, atDepth: start.map { $0 * 2 }, depth: 2_000)
    }

    @Test("Costs are interpolated between rows and grow with depth")
    func rowCosts() {
        let costs = costs(memoryBound: false)
        #expect(abs(costs.seconds(rows: 3, depth: 0) - 3e-3) < 1e-9)
        #expect(abs(costs.seconds(rows: 12, depth: 2_000) - 24e-3) < 1e-9)
        #expect(abs(costs.seconds(rows: 32, depth: 0) - 32e-3) < 1e-9)
        var slower = costs
        for _ in 0..<200 { slower.observe(rows: 1, depth: 0, isChain: true, seconds: 2e-3) }
        #expect(abs(slower.seconds(rows: 1, depth: 0) - 2e-3) < 1e-4)
        // The whole machine got slower: other row counts follow in part, so that they are not thought cheap.
        #expect(slower.seconds(rows: 4, depth: 0) > 5e-3)
    }

    @Test("Free rows are all used, dear rows only for near certainties, hopeless ones never")
    func nodeCounts() {
        let free = costs(memoryBound: true)
        let dear = costs(memoryBound: false)
        let reach: [Float] = [0.6, 0.4, 0.3, 0.2, 0.1]
        #expect(SpeculationPolicy.bestNodeCount(reach: reach, costs: free, depth: 0).nodeCount == 5)
        #expect(SpeculationPolicy.bestNodeCount(reach: reach, costs: dear, depth: 0).nodeCount == 0)
        // A row that doubles a pass's cost pays only above certainty.
        #expect(SpeculationPolicy.bestNodeCount(reach: [1], costs: dear, depth: 0).nodeCount == 0)
        #expect(SpeculationPolicy.bestNodeCount(reach: [0.01], costs: free, depth: 0).nodeCount == 0)
        #expect(SpeculationPolicy.bestNodeCount(reach: [], costs: free, depth: 0).nodeCount == 0)
    }

    @Test("The draft layer is asked where its levels pay for themselves, and no deeper")
    func growth() {
        func levels(_ reach: [Float], levelSeconds: Double, memoryBound: Bool = true) -> Int {
            let costs = costs(memoryBound: memoryBound)
            return SpeculationPolicy.growth(
                levelReach: reach, levelSeconds: levelSeconds, costs: costs, depth: 0,
                rateWithout: 1 / costs.seconds(rows: 1, depth: 0), nodeLimit: 15, depthLimit: 31
            )?.widths.count ?? 0
        }
        #expect(levels([0.8, 0.6, 0.5, 0.4], levelSeconds: 0.1e-3) == 4)
        #expect(levels([0.8, 0.1, 0.01, 0.01], levelSeconds: 0.2e-3) == 1)
        #expect(levels([0.4, 0.2, 0.1, 0.05], levelSeconds: 0.5e-3) == 0)
        #expect(levels([0.9, 0.8, 0.7, 0.6], levelSeconds: 0.1e-3, memoryBound: false) == 0)
    }

    @Test("The nodes that are kept are the likeliest ones with all their ancestors")
    func bestNodes() {
        var tree = TokenTree(root: TokenID(0))
        let a = tree.add(TokenID(1), under: 0, source: .given, reachProbability: 0.5)!
        let b = tree.add(TokenID(2), under: 0, source: .given, reachProbability: 0.3)!
        let c = tree.add(TokenID(3), under: a, source: .given, reachProbability: 0.4)!
        #expect(SpeculationPolicy.bestNodes(of: tree, count: 2) == 1 | 1 << UInt64(a) | 1 << UInt64(c))
        #expect(
            SpeculationPolicy.bestNodes(of: tree, count: 3) == 1 | 1 << UInt64(a) | 1 << UInt64(b) | 1
                << UInt64(c))
        #expect(SpeculationPolicy.bestNodes(of: tree, count: 0) == 1)
    }

    @Test("A source that keeps losing time stops being used, one that gains goes on")
    func gains() {
        var losing = GainRecord(roundSeconds: 1e-3)
        var winning = losing
        #expect(losing.pays)
        for _ in 0..<40 {
            losing.record(emittedCount: 1, plainRoundSeconds: 1e-3, seconds: 1.3e-3)
            winning.record(emittedCount: 2, plainRoundSeconds: 1e-3, seconds: 1.3e-3)
        }
        #expect(!losing.pays && winning.pays)
    }

    @Test("Acceptance moves from its prior to what is seen, evidence by evidence")
    func acceptance() {
        var table = AcceptanceTable.promptLookup
        let evidence = AcceptanceTable.evidence(matchLength: 3)
        let other = AcceptanceTable.evidence(matchLength: 20)
        let before = table.estimate(other)
        for _ in 0..<300 { table.record(evidence, isAccepted: false) }
        #expect(table.estimate(evidence) < 0.05)
        #expect(table.estimate(other) == before)
    }
}

@Suite("Proposals from text seen before")
struct PromptLookupTests {
    private func tokens(_ numbers: [Int]) -> [TokenID] { numbers.map { TokenID(Int32($0)) } }

    @Test("Matches are the longest, then the newest, with different continuations")
    func matches() {
        var index = SuffixIndex(capacity: 100)
        index.follow(tokens([1, 2, 3, 4, 9, 2, 3, 5, 9, 2, 3, 5, 8, 1, 2, 3]))
        #expect(
            index.matches(limit: 3) == [
                SuffixIndex.Match(continuation: 3, length: 3), SuffixIndex.Match(continuation: 11, length: 2),
            ])
        #expect(index.matches(limit: 1).map(\.continuation) == [3])
    }

    @Test("An index that followed edits equals one made anew, and finds what a plain search finds")
    func follows() {
        var random = SeededRandom(seed: 31)
        var index = SuffixIndex(capacity: 400)
        var sequence: [TokenID] = []
        for _ in 0..<300 {
            // Type on, or go back and type something else.
            if Int.random(in: 0..<4, using: &random) == 0 {
                sequence.removeLast(min(sequence.count, Int.random(in: 0..<40, using: &random)))
            }
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                sequence.append(TokenID(Int32.random(in: 0..<6, using: &random)))
            }
            index.follow(sequence)
            var fresh = SuffixIndex(capacity: 400)
            fresh.follow(sequence)
            #expect(index.matches(limit: 3) == fresh.matches(limit: 3), "seed \(random.seed)")
            let last = sequence.count - 1
            let exists =
                last >= 2
                && (1..<last).contains {
                    sequence[$0] == sequence[last] && sequence[$0 - 1] == sequence[last - 1]
                }
            #expect(index.matches(limit: 1).isEmpty != exists, "seed \(random.seed)")
        }
    }

    @Test("Typing along the last completion proposes the rest of it")
    func lastCompletion() {
        var draft = PromptLookupDraft(capacity: 100)
        draft.begin(prompt: tokens([50, 51, 52]))
        draft.end(completion: tokens([1, 2, 3, 4, 5]), prompt: tokens([50, 51, 52]))
        draft.begin(prompt: tokens([50, 51, 52, 1]))
        draft.append(TokenID(2))
        var tree = TokenTree(root: TokenID(2))
        draft.propose(
            into: &tree, depthLimit: 10, leastReach: 0, lookup: .promptLookup, last: .lastCompletion)
        #expect(tree.tokens.map(\.rawValue) == [2, 3, 4, 5])
        #expect(tree.sources[1] == .lastCompletion && tree.isChain)
    }
}
