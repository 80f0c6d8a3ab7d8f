// The parts that decide how much to speculate, and the index that proposals come from: pure, so tested on made-up
// machines and texts.

import TestSupport
import Testing

@testable import SpecEngine

@Suite("Speculation policy")
struct SpeculationPolicyTests {
    /// A machine on which the first rows are free (bound by memory) or each costs a full pass (bound by arithmetic).
    private func costs(memoryBound: Bool) -> RowCosts {
        let start = RowCosts.standardRowCounts.map { rows in
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
        for _ in 0..<200 { slower.observe(rows: 1, depth: 0, seconds: 2e-3) }
        #expect(abs(slower.seconds(rows: 1, depth: 0) - 2e-3) < 1e-4)
        // The whole machine got slower: other row counts follow in part, so that they are not thought cheap.
        #expect(slower.seconds(rows: 4, depth: 0) > 5e-3)
    }

    @Test("Plain passes much faster than thought are soon believed, settled or not; slower ones only where settled")
    func plainPasses() {
        let before = costs(memoryBound: false)
        var costs = before
        for seconds in [1.5e-3, 0.95e-3] {
            for _ in 0..<100 { costs.observePlain(depth: 0, seconds: seconds, isSettled: false) }
        }
        #expect(costs.seconds(rows: 1, depth: 0) == 1e-3)
        for _ in 0..<10 { costs.observePlain(depth: 0, seconds: 0.5e-3, isSettled: false) }
        #expect(costs.seconds(rows: 1, depth: 0) < 0.65e-3)
        costs = before
        for _ in 0..<50 { costs.observePlain(depth: 0, seconds: 1.5e-3) }
        #expect(costs.seconds(rows: 1, depth: 0) > 1.4e-3)
        // The draft's levels vary by themselves: none of them counts for more than another.
        costs = before
        for _ in 0..<10 { costs.observe(rows: 1, depth: 0, seconds: 0.5e-3) }
        #expect(costs.seconds(rows: 1, depth: 0) > 0.7e-3)
    }

    @Test("What plain passes wait less or more, wide ones do; if it stays so, it was the machine's speed")
    func waitingAndSpeed() {
        var costs = costs(memoryBound: false)
        for _ in 0..<3 { costs.observe(rows: 8, depth: 0, seconds: 10e-3) }
        let wide = costs.seconds(rows: 8, depth: 0)
        for _ in 0..<10 { costs.observePlain(depth: 0, seconds: 0.5e-3) }
        let saved = 1e-3 - costs.seconds(rows: 1, depth: 0)
        #expect(saved > 0.4e-3)
        #expect(abs(wide - costs.seconds(rows: 8, depth: 0) - saved) < 0.3e-3)
        for _ in 0..<8_000 { costs.observePlain(depth: 0, seconds: 0.5e-3) }
        #expect(abs(costs.seconds(rows: 8, depth: 0) - 4e-3) < 0.1e-3)
        // Twice as slow: rows are soon as dear again.
        for _ in 0..<1_000 { costs.observePlain(depth: 0, seconds: 1e-3) }
        #expect(abs(costs.seconds(rows: 8, depth: 0) - 8e-3) < 0.2e-3)
    }

    @Test("A further depth keeps the proportions that were measured there")
    func furtherProportions() {
        var costs = RowCosts(rowCounts: [1, 8], atStart: [1e-3, 2e-3], atDepth: [2e-3, 5e-3], depth: 1_000)
        for _ in 0..<200 { costs.observePlain(depth: 1_000, seconds: 4e-3) }
        costs.add([2.5e-3, 9e-3], at: 3_000)
        for _ in 0..<8_000 { costs.observePlain(depth: 3_000, seconds: 4e-3) }
        #expect(abs(costs.seconds(rows: 8, depth: 3_000) / costs.seconds(rows: 1, depth: 3_000) - 3.6) < 0.1)
    }

    @Test("Rows beyond those measured cost what the last ones do, behind many positions too")
    func costsBeyondRows() {
        var costs = RowCosts(rowCounts: [1, 8], atStart: [4e-3, 4.4e-3], atDepth: [5e-3, 10e-3], depth: 1_000)
        #expect(abs(costs.seconds(rows: 15, depth: 1_000) - 15e-3) < 1e-9)
        for _ in 0..<50 { costs.observePlain(depth: 0, seconds: 2e-3) }
        for rows in 1...64 {
            for depth in stride(from: 0, to: 4_000, by: 250) {
                #expect(costs.seconds(rows: rows, depth: depth) <= costs.seconds(rows: rows, depth: depth + 250))
            }
        }
    }

    private func prices(memoryBound: Bool, levelSeconds: Double? = nil, gain: Double = 1)
        -> SpeculationPolicy.Prices
    {
        let costs = costs(memoryBound: memoryBound)
        return SpeculationPolicy.Prices(
            passes: (1...16).map { costs.seconds(rows: $0, depth: 0) },
            levels: levelSeconds.map { seconds in (0..<16).map { seconds * (1 + 0.1 * Double($0)) } } ?? [],
            rate: gain / costs.seconds(rows: 1, depth: 0))
    }

    @Test("What a pass behind a long context teaches about attention does not make short contexts dear")
    func costsByDepth() {
        var costs = costs(memoryBound: false)
        let (before, after) = (costs.seconds(rows: 1, depth: 0), 2 * costs.seconds(rows: 1, depth: 20_000))
        for _ in 0..<300 { costs.observePlain(depth: 20_000, seconds: after) }
        #expect(abs(costs.seconds(rows: 1, depth: 20_000) / after - 1) < 0.05)
        #expect(costs.seconds(rows: 1, depth: 0) < 1.5 * before)
    }

    @Test("Slow or quick passes behind a short context leave no price below that of less work")
    func costsKeepOrder() {
        for seconds in [5e-3, 0.2e-3] {
            var costs = costs(memoryBound: true)
            for _ in 0..<300 { costs.observePlain(depth: 40, seconds: seconds) }
            for _ in 0..<300 { costs.observe(rows: 4, depth: 1_900, seconds: 0.1e-3) }
            for rows in 1...32 {
                for depth in stride(from: 0, to: 14_000, by: 700) {
                    let price = costs.seconds(rows: rows, depth: depth)
                    #expect(price > 0 && price <= costs.seconds(rows: rows, depth: depth + 700))
                    #expect(price <= costs.seconds(rows: rows + 1, depth: depth))
                }
            }
        }
    }

    @Test("Attention that was measured as nothing is learned; rows that were too dear once are tried again")
    func costsRecover() {
        let flat = RowCosts.standardRowCounts.map { _ in 1e-3 }
        var costs = RowCosts(atStart: flat, atDepth: flat, depth: 1_536)
        for _ in 0..<300 { costs.observePlain(depth: 14_000, seconds: 4e-3) }
        #expect(abs(costs.seconds(rows: 1, depth: 14_000) - 4e-3) < 0.1e-3)
        #expect(costs.seconds(rows: 1, depth: 0) == 1e-3)
        for _ in 0..<100 { costs.observe(rows: 8, depth: 0, seconds: 3e-3) }
        let (dear, one) = (costs.seconds(rows: 8, depth: 0), costs.seconds(rows: 1, depth: 0))
        #expect(dear > 2 * one)
        for _ in 0..<600 { costs.observePlain(depth: 0, seconds: 1e-3) }
        #expect(costs.seconds(rows: 8, depth: 0) < 1.2e-3)
    }

    @Test("A further depth is measured a pass at a time, a round's first ones not counted")
    func furtherDepth() {
        var measurement = DepthMeasurement(depth: 6_000, rowCounts: [1, 8])
        for seconds in [1.0, 1, 2, 5, 1, 1, 3, 4] {
            #expect(measurement.result == nil)
            measurement.advance { _, _ in seconds }
        }
        #expect(measurement.result == [2, 4])
        var costs = costs(memoryBound: false)
        #expect(costs.needsMeasuring(at: 6_000))
        costs.add(RowCosts.standardRowCounts.map { 5e-3 * Double($0) }, at: 6_000)
        #expect(!costs.needsMeasuring(at: 12_000) && abs(costs.seconds(rows: 2, depth: 6_000) - 10e-3) < 1e-9)
    }

    @Test("Measuring costs ends with its budget; a model of long passes is measured at few row counts")
    func measuring() {
        var passes = 0
        let quick = RowCosts.measure(depth: 100, budget: .seconds(1)) { rows, depth in
            passes += 1
            return 1e-3 + 1e-6 * Double(depth * rows)
        }
        #expect(quick.rowCounts == RowCosts.standardRowCounts)
        #expect(abs(quick.seconds(rows: 8, depth: 1_000) - 9e-3) < 1e-6)
        passes = 0
        let slow = RowCosts.measure(depth: 100, budget: .zero) { rows, _ in
            passes += 1
            return 20e-3
        }
        #expect(slow.rowCounts == RowCosts.fewRowCounts && passes <= 4)
        #expect(slow.seconds(rows: 16, depth: 0) == 20e-3)
        // One pass that was interrupted does not make a model slow.
        passes = 0
        let interrupted = RowCosts.measure(depth: 100, budget: .seconds(1)) { _, _ in
            passes += 1
            return passes == 2 ? 1 : 1e-3
        }
        #expect(interrupted.rowCounts == RowCosts.standardRowCounts)
    }

    @Test("Plain decoding is measured where passes of one row have settled behind wider ones")
    func settling() {
        var (passesInARow, hasBegun) = (0, false)
        let costs = RowCosts.measure(depth: 100, budget: .seconds(1)) { rows, _ in
            passesInARow = rows == 1 ? passesInARow + 1 : 0
            if rows > 1 { hasBegun = true }
            // Passes before the first wide one are slow, too, as on a machine that warms up.
            return rows > 1 ? 2e-3 : hasBegun && passesInARow > 2 ? 1e-3 : 1.5e-3
        }
        for depth in [0, 100] { #expect(costs.seconds(rows: 1, depth: depth) == 1e-3) }
        #expect(costs.seconds(rows: 8, depth: 0) == 2e-3)
    }

    @Test("Free rows are all used, dear rows only for near certainties, hopeless ones never")
    func nodeCounts() {
        func count(_ reach: [Float], memoryBound: Bool, gain: Double = 1) -> Int {
            SpeculationPolicy.bestNodeCount(
                reach: reach, prices: prices(memoryBound: memoryBound, gain: gain)
            ).nodeCount
        }
        let reach: [Float] = [0.6, 0.4, 0.3, 0.2, 0.1]
        #expect(count(reach, memoryBound: true) == 5)
        #expect(count(reach, memoryBound: false) == 0)
        // A row that doubles a pass's cost pays only above certainty.
        #expect(count([1], memoryBound: false) == 0)
        #expect(count([], memoryBound: true) == 0)
        // Beyond the free rows each costs an eighth of a pass: what time is worth decides.
        let long = [Float](repeating: 0.9, count: 7) + [Float](repeating: 0.2, count: 8)
        #expect(count(long, memoryBound: true) == 15)
        #expect(count(long, memoryBound: true, gain: 2) == 7)
    }

    @Test("The draft layer is asked where its levels pay for themselves, beside what is there for free")
    func expansion() {
        func nodes(_ chain: [Float], levelSeconds: Double?, memoryBound: Bool = true, expanded: UInt64 = 0)
            -> [Int]
        {
            var tree = TokenTree(root: TokenID(0))
            for (index, acceptance) in chain.enumerated() {
                _ = tree.add(TokenID(1), under: index, source: .promptLookup, acceptance: acceptance)
            }
            return SpeculationPolicy.expansion(
                of: tree, expanded: expanded, outlook: DraftOutlook(),
                prices: prices(memoryBound: memoryBound, levelSeconds: levelSeconds), depthLimit: 31)
        }
        #expect(nodes([], levelSeconds: 0.1e-3) == [0])
        #expect(nodes([], levelSeconds: nil).isEmpty)
        #expect(nodes([], levelSeconds: 2e-3).isEmpty)
        #expect(nodes([], levelSeconds: 0.1e-3, memoryBound: false).isEmpty)
        #expect(nodes([], levelSeconds: 0.1e-3, expanded: 1).isEmpty)
        // A sure chain leaves nothing to add but at its end, and nodes come with their ancestors.
        #expect(nodes([0.3, 0.3], levelSeconds: 0.1e-3).first == 0)
        #expect(nodes([0.99, 0.99, 0.99], levelSeconds: 0.6e-3).isEmpty)
        // What the draft has to catch up with first has its price.
        var catchingUp = prices(memoryBound: true, levelSeconds: 0.1e-3)
        catchingUp.arrears = 3e-3
        #expect(
            SpeculationPolicy.expansion(
                of: TokenTree(root: TokenID(0)), expanded: 0, outlook: DraftOutlook(), prices: catchingUp,
                depthLimit: 31
            ).isEmpty)
    }

    @Test("The nodes that are kept are the likeliest ones with all their ancestors")
    func bestNodes() {
        var tree = TokenTree(root: TokenID(0))
        let a = tree.add(TokenID(1), under: 0, source: .given, acceptance: 0.5)!
        let b = tree.add(TokenID(2), under: 0, source: .given, acceptance: 0.3)!
        let c = tree.add(TokenID(3), under: a, source: .given, acceptance: 0.8)!
        #expect(SpeculationPolicy.bestNodes(of: tree, count: 2) == 1 | 1 << UInt64(a) | 1 << UInt64(c))
        #expect(
            SpeculationPolicy.bestNodes(of: tree, count: 3) == 1 | 1 << UInt64(a) | 1 << UInt64(b) | 1
                << UInt64(c))
        #expect(SpeculationPolicy.bestNodes(of: tree, count: 0) == 1)
        // A new estimate of a node changes what is below it.
        tree.estimate(a, acceptance: 0.1, evidence: nil)
        #expect(SpeculationPolicy.bestNodes(of: tree, count: 1) == 1 | 1 << UInt64(b))
        tree.checkInvariants()
    }

    @Test("A completion may lose a little at first, a few per cent of its tokens, more after guesses have saved time")
    func credit() {
        // Every guess costs a quarter of a pass and is wrong.
        var credit = SpeculationCredit(gain: 1)
        var (spent, guesses) = (0.0, 0)
        for round in 1...60 {
            let cost = credit.passes >= 0.25 ? 1.25 : 1
            credit.record(emittedCount: 1, plainRounds: cost)
            spent += cost
            guesses += cost > 1 ? 1 : 0
            #expect(spent - Double(round) <= 0.1 + 0.04 * Double(round) + 1e-9)
        }
        #expect(guesses >= 8)
        // One round that saved two passes pays for guesses at once, but no fortune is kept.
        credit = SpeculationCredit(gain: 1)
        credit.record(emittedCount: 4, plainRounds: 2)
        #expect(credit.passes > 2)
        for _ in 0..<10 { credit.record(emittedCount: 4, plainRounds: 2) }
        #expect(credit.passes <= 3)
    }

    @Test("After four tokens a completion may stake a part of what guesses have saved in those before it")
    func creditOfEarlierCompletions() {
        func passes(gain: Double, tokens: Int) -> Double {
            var credit = SpeculationCredit(gain: gain)
            for _ in 0..<tokens { credit.record(emittedCount: 1, plainRounds: 1) }
            return credit.passes
        }
        for gain in [0.5, 1, 1.3, 9] {
            // The shortest have no room for a wrong guess.
            #expect(passes(gain: gain, tokens: 3) == passes(gain: 1, tokens: 3))
            // What earlier ones have lost is not held against it.
            #expect(passes(gain: gain, tokens: 4) >= passes(gain: 1, tokens: 4))
            // It is granted once.
            #expect(passes(gain: gain, tokens: 20) - passes(gain: 1, tokens: 20) <= 0.4 + 1e-9)
        }
        #expect(abs(passes(gain: 1.3, tokens: 4) - passes(gain: 1, tokens: 4) - 0.15) < 1e-9)
        #expect(abs(passes(gain: 9, tokens: 4) - passes(gain: 1, tokens: 4) - 0.4) < 1e-9)
        var gain = GainRecord()
        for _ in 0..<100 { gain.record(emittedCount: 3, plainRounds: 1.5) }
        #expect(passes(gain: gain.gain, tokens: 4) > 0.6)
        for _ in 0..<600 { gain.record(emittedCount: 1, plainRounds: 1) }
        #expect(passes(gain: gain.gain, tokens: 4) < 0.27)
    }

    @Test("Rows and levels of the draft that the credit does not cover are not used, but for near certainties")
    func creditLimits() {
        var prices = prices(memoryBound: false, gain: 0.5)  // a row more costs a pass, and a pass is cheap
        let reach: [Float] = [0.7, 0.65, 0.6]
        #expect(SpeculationPolicy.bestNodeCount(reach: reach, prices: prices).nodeCount == 3)
        for (credit, count) in [(2.5, 2), (1.0, 1), (0.9, 0)] {
            prices.credit = credit
            #expect(SpeculationPolicy.bestNodeCount(reach: reach, prices: prices).nodeCount == count)
        }
        // What the draft took in this round is at stake, too.
        (prices.credit, prices.spent) = (1.0, prices.passes[0] / 2)
        #expect(SpeculationPolicy.bestNodeCount(reach: reach, prices: prices).nodeCount == 0)
        var drafting = self.prices(memoryBound: true, levelSeconds: 0.3e-3)
        func asks() -> Bool {
            !SpeculationPolicy.expansion(
                of: TokenTree(root: TokenID(0)), expanded: 0, outlook: DraftOutlook(), prices: drafting,
                depthLimit: 31
            ).isEmpty
        }
        #expect(asks())
        drafting.credit = 0.1
        #expect(!asks())
        for (spent, reach, count) in [(0.25e-3, Float(0.7), 0), (0.25e-3, 0.95, 1), (0.5e-3, 0.95, 0)] {
            drafting.spent = spent
            #expect(SpeculationPolicy.bestNodeCount(reach: [reach], prices: drafting).nodeCount == count)
        }
    }

    @Test("Acceptance moves from its prior to what is seen, evidence by evidence, for dropped nodes too")
    func acceptance() {
        var record = AcceptanceRecord()
        let evidence = Evidence(kind: .promptLookup, matchLength: 3)
        let other = Evidence(kind: .promptLookup, matchLength: 20)
        let weighed = Evidence(kind: .weighed, draftProbability: 0.95)
        let before = (record.estimate(other), record.estimate(weighed))
        var tree = TokenTree(root: TokenID(0))
        let wrong = tree.add(
            TokenID(1), under: 0, source: .promptLookup, acceptance: 0.5, evidence: evidence)!
        _ = tree.add(TokenID(2), under: wrong, source: .promptLookup, acceptance: 0.5, evidence: other)
        let right = tree.add(
            TokenID(3), under: 0, source: .promptLookup, acceptance: 0.5, evidence: evidence)!
        tree.estimate(right, acceptance: 0.9, evidence: weighed)
        for _ in 0..<600 { record.learn(from: tree, emitted: [TokenID(3), TokenID(9)]) }
        record.beginText()
        #expect(abs(record.estimate(evidence) - 0.5) < 0.05)  // one of its two nodes was right, former evidence too
        #expect(record.estimate(weighed) > before.1 && record.estimate(weighed) > 0.97)
        #expect(record.estimate(other) == before.0)  // its parent was never reached
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
            into: &tree, depthLimit: 10, leastReach: 0, acceptance: AcceptanceRecord())
        #expect(tree.tokens.map(\.rawValue) == [2, 3, 4, 5])
        #expect(tree.sources[1] == .lastCompletion && tree.isChain)
    }
}
