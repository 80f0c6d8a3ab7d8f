// How proposals follow what rounds give, driven with made-up times: texts that earlier text foretells badly or well, on
// machines that are not what was measured.

import TestSupport
import Testing

@testable import SpecEngine

@Suite("What a speculator learns")
struct SpeculatorTests {
    /// A speculator that never decodes: rounds are told what was right and how long it took.
    private struct Simulation {
        let speculator: Speculator
        /// Seconds of passes of one row, and of more.
        var plainPass = 1.0
        var widePass = 1.0
        private(set) var spent = 0.0
        private(set) var emittedCount = 0
        private(set) var plainRounds = 0
        /// Rounds in which text seen before was verified.
        private(set) var lookupRounds = 0

        /// As fast as plain decoding: 1.
        var speed: Double { Double(emittedCount) * plainPass / spent }

        mutating func reset() { (spent, emittedCount, plainRounds, lookupRounds) = (0, 0, 0, 0) }

        /// Decodes `text` behind `prompt`.
        mutating func decode(_ text: [TokenID], prompt: [TokenID]) {
            speculator.begin(prompt: prompt)
            speculator.append(text[0])
            var position = 0
            while position + 1 < text.count {
                let tree = speculator.propose(root: text[position], depthLimit: text.count - position - 1)
                var (node, first): (Int?, Int) = (0, position + 1)
                while let parent = node, position + 1 < text.count {
                    position += 1
                    speculator.append(text[position])
                    node = tree.child(of: parent, carrying: text[position])
                }
                first = min(first, position)
                let seconds = tree.count == 1 ? plainPass : widePass
                speculator.observe(
                    tree, emitted: text[first...position], depth: 0, passSeconds: seconds, commitSeconds: 0)
                spent += seconds
                emittedCount += position - first + 1
                plainRounds += tree.count == 1 ? 1 : 0
                lookupRounds += tree.count > 1 ? 1 : 0
            }
        }
    }

    /// Costs that were measured: seconds of any pass, by whether it has one row.
    private func simulation(plain: Double = 1, wide: Double = 1, options: SpeculationOptions? = nil) throws
        -> Simulation
    {
        let measured = RowCosts.standardRowCounts.map { $0 == 1 ? plain : wide }
        return Simulation(
            speculator: Speculator(
                model: try ModelFixture.quantized(positionLimit: 1_024),
                options: options ?? SpeculationOptions(mode: .lookup), longSpec: nil,
                passCosts: RowCosts(atStart: measured, atDepth: measured, depth: 1_000), levelCosts: nil))
    }

    private func tokens(_ numbers: some Sequence<Int>) -> [TokenID] { numbers.map { TokenID(Int32($0)) } }

    /// Every pair of tokens was seen before, and says nothing of the next one.
    private func noise(_ count: Int, _ random: inout SeededRandom) -> [TokenID] {
        tokens((0..<count).map { _ in Int.random(in: 0..<5, using: &random) })
    }

    private func cycle(_ count: Int) -> [TokenID] { tokens((0..<count).map { 10 + $0 % 20 }) }

    @Test("Text that misleads, on a machine whose rows are dearer than measured, costs little; easy text pays again")
    func losingAndRecovery() throws {
        var simulation = try simulation()
        var random = SeededRandom(seed: 5)
        simulation.widePass = 1.6
        for _ in 0..<12 { simulation.decode(noise(300, &random), prompt: noise(300, &random)) }
        #expect(simulation.speed > 0.95, "\(simulation.speed)")
        // Still the same machine: a pass of many rows pays where most of them are right.
        simulation.decode(cycle(300), prompt: cycle(200))
        simulation.reset()
        simulation.decode(cycle(400), prompt: cycle(200))
        #expect(simulation.speed > 2, "\(simulation.speed)")
    }

    @Test("A plain round is measured at the start and now and then, however well proposals do")
    func plainRounds() throws {
        var simulation = try simulation(plain: 1.4, wide: 1.4)
        simulation.widePass = 1.4
        let before = simulation.speculator.learned.passCosts.seconds(rows: 1, depth: 0)
        for _ in 0..<150 { simulation.decode(cycle(400), prompt: cycle(200)) }
        let after = simulation.speculator.learned.passCosts.seconds(rows: 1, depth: 0)
        #expect(before == 1.4 && after < 1.1, "\(after)")
        // Three of a hundred and thirty-one, and those whose text says nothing of what comes: the first of each.
        simulation.reset()
        for _ in 0..<10 { simulation.decode(cycle(400), prompt: cycle(200)) }
        #expect(simulation.plainRounds < simulation.lookupRounds / 4)
    }

    @Test("Plain rounds right behind a wide one do not change what plain decoding is thought to cost")
    func unsettledRounds() throws {
        let speculator = try simulation().speculator
        speculator.begin(prompt: tokens([1]))
        let root = TokenTree(root: TokenID(2))
        var pair = root
        _ = pair.add(
            TokenID(3), under: 0, source: .promptLookup, acceptance: 0.5,
            evidence: Evidence(kind: .promptLookup, matchLength: 2))
        for token in tokens(0..<100) {
            for (tree, seconds) in [(pair, 1.0), (root, 1.5), (root, 1.4)] {
                speculator.observe(tree, emitted: [token], depth: 0, passSeconds: seconds, commitSeconds: 0)
            }
        }
        #expect(abs(speculator.learned.passCosts.seconds(rows: 1, depth: 0) - 1) < 1e-9)
        // Where they go on, they are what plain decoding costs.
        for token in tokens(0..<100) {
            speculator.observe(root, emitted: [token], depth: 0, passSeconds: 1.4, commitSeconds: 0)
        }
        #expect(speculator.learned.passCosts.seconds(rows: 1, depth: 0) > 1.35)
    }

    @Test("A text's first plain rounds, slow behind its prompt, are no loss of speculation")
    func plainRoundsBehindPrompt() throws {
        let speculator = try simulation().speculator
        let root = TokenTree(root: TokenID(2))
        for _ in 0..<50 {
            speculator.begin(prompt: tokens([1]))
            for token in tokens(3..<5) {
                speculator.observe(root, emitted: [token], depth: 0, passSeconds: 1.5, commitSeconds: 0)
            }
        }
        #expect(abs(speculator.learned.gain.gain - 1) < 1e-6)
    }

    @Test("What plain decoding costs is measured although texts before ended too soon for it")
    func plainRoundsAfterShortTexts() throws {
        var simulation = try simulation(plain: 0.5, wide: 0.5)
        simulation.widePass = 0.5
        for _ in 0..<10 { simulation.decode(cycle(3), prompt: cycle(200)) }
        #expect(simulation.speculator.learned.passCosts.seconds(rows: 1, depth: 0) == 0.5)
        simulation.decode(cycle(20), prompt: cycle(200))
        #expect(simulation.speculator.learned.passCosts.seconds(rows: 1, depth: 0) > 0.5)
    }

    @Test("A cancelled or empty completion leaves the one before it to be typed along")
    func lastCompletionStays() throws {
        let simulation = try simulation(
            options: SpeculationOptions(mode: .lookup, fixedShape: .tree(nodeCount: 8)))
        let speculator = simulation.speculator
        let prompt = tokens([50, 51, 52])
        speculator.begin(prompt: prompt)
        speculator.end(completion: tokens([1, 2, 3, 4]), prompt: prompt, isCancelled: false)
        speculator.end(completion: tokens([7, 8]), prompt: tokens([60, 61]), isCancelled: true)
        speculator.end(completion: [], prompt: tokens([60, 61]), isCancelled: false)
        speculator.begin(prompt: prompt + tokens([1]))
        speculator.append(TokenID(2))
        let tree = speculator.propose(root: TokenID(2), depthLimit: 10)
        #expect(tree.tokens == tokens([2, 3, 4]) && tree.sources[1] == .lastCompletion)
    }

    @Test("A short completion in which every guess is wrong is hardly slower than plain decoding")
    func shortMisleadingTexts() throws {
        let measured = RowCosts.standardRowCounts.map { 1 + 0.2 * Double($0 - 1) }
        var simulation = Simulation(
            speculator: Speculator(
                model: try ModelFixture.quantized(positionLimit: 1_024),
                options: SpeculationOptions(mode: .lookup), longSpec: nil,
                passCosts: RowCosts(atStart: measured, atDepth: measured, depth: 1_000), levelCosts: nil))
        simulation.widePass = 1.2
        // Every pair of the text stands in the prompt, and what follows it there is always wrong.
        let prompt = tokens((0..<300).map { 10 + $0 % 30 })
        for length in [6, 9, 12] {
            for start in 0..<10 {
                simulation.reset()
                let text = tokens((0..<length).map { 10 + (start + $0 / 2 * 7 + $0 % 2) % 30 })
                simulation.decode(text, prompt: prompt)
                #expect(simulation.speed > 0.93, "\(length) tokens: \(simulation.speed)")
            }
        }
    }

    @Test("A token that ends the text is never verified, nor what stands behind it")
    func endTokens() throws {
        let simulation = try simulation(
            options: SpeculationOptions(mode: .lookup, fixedShape: .tree(nodeCount: 8)))
        let speculator = simulation.speculator
        speculator.begin(prompt: tokens([1, 2, 3, 4, 5, 6, 1]), endTokens: tokens([5]))
        speculator.append(TokenID(2))
        let tree = speculator.propose(root: TokenID(2), depthLimit: 10)
        #expect(tree.tokens == tokens([2, 3, 4]))
    }

    @Test("What guesses have saved in one text may be staked in the next")
    func savingsAreGranted() throws {
        var simulation = try simulation()
        simulation.decode(cycle(400), prompt: cycle(200))
        let speculator = simulation.speculator
        speculator.begin(prompt: tokens([1]))
        let root = TokenTree(root: TokenID(2))
        for token in tokens(3..<7) {
            speculator.observe(root, emitted: [token], depth: 0, passSeconds: 1, commitSeconds: 0)
        }
        // Without a grant: a tenth of a pass and four times four per cent.
        #expect(speculator.learned.credit.passes > 0.5)
    }

    @Test("Costs behind a further depth are measured to the end although text comes and goes between the passes")
    func measuringWhileTyping() throws {
        let model = try ModelFixture.quantized(positionLimit: 1_024)
        let flat = RowCosts.standardRowCounts.map { _ in 1.0 }
        let speculator = Speculator(
            model: model, options: SpeculationOptions(mode: .lookup), longSpec: nil,
            passCosts: RowCosts(atStart: flat, atDepth: flat, depth: 100), levelCosts: nil)
        var random = SeededRandom(seed: 8)
        let text = noise(400, &random)
        func complete(length: Int) {
            let prompt = Array(text.prefix(length))
            #expect(model.prefill(prompt, cancellation: CancellationFlag()).isComplete)
            speculator.end(completion: tokens([1]), prompt: prompt, isCancelled: false)
        }
        complete(length: 300)
        #expect(speculator.needsMeasuring)
        for length in [310, 295, 340, 320, 390, 280, 281, 282, 283, 284, 285, 286, 287, 288] {
            speculator.measureFurther()
            complete(length: length)
        }
        #expect(!speculator.needsMeasuring && !speculator.learned.passCosts.needsMeasuring(at: 400))
    }

    @Test("What was learned can be taken back")
    func restores() throws {
        var simulation = try simulation()
        let learned = simulation.speculator.learned
        let evidence = Evidence(kind: .promptLookup, matchLength: 20)
        let before = learned.acceptance.estimate(evidence)
        simulation.decode(cycle(400), prompt: cycle(200))
        #expect(simulation.speculator.learned.acceptance.estimate(evidence) != before)
        simulation.speculator.restore(learned)
        #expect(simulation.speculator.learned.acceptance.estimate(evidence) == before)
    }
}
