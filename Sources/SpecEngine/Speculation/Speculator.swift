// Proposes a tree for every round and learns from what became of it: gathers chains from text seen before, asks the
// draft layer where that promises to pay, keeps the nodes that are worth their rows. Nothing here can change what is
// emitted, only how fast.

/// The drafts of one engine with their statistics. Engine thread only.
final class Speculator {
    private let model: TransformerModel
    private let options: SpeculationOptions
    private var costs: RowCosts
    private let longSpec: LongSpecDraft?
    private var lookup: PromptLookupDraft?
    private var acceptance = [AcceptanceTable.longSpec, .promptLookup, .lastCompletion]  // by DraftSource
    /// Recent average of the best node's estimated probability, by level.
    private var levelReach: [Float] = [0.7, 0.5, 0.35, 0.25]  // the shipped draft's agreement, level after level
    private var levelSeconds: Double
    private var roundsWithoutGrowth = 0
    private var roundsWithoutLookup = 0
    /// What rounds with the draft layer, and rounds with the other sources alone, have given.
    private var growthGain: GainRecord
    private var lookupGain: GainRecord
    private var lastRoundGrew = false
    /// A test's own proposals, verified as they are instead of all others.
    var proposer: ((inout TokenTree, _ depthLimit: Int) -> Void)?

    private var proposed = TokenTree(root: TokenID(0))  // before nodes were dropped
    private(set) var lastDraftTime = Duration.zero
    private var lastRingTime = Duration.zero

    private static let learningRate: Float = 0.1
    /// With this many rounds between, a source is tried even where it did not promise to pay: text changes.
    private static let explorationInterval = 128

    /// Measures costs; call it while no sequence is resident.
    init(model: TransformerModel, options: SpeculationOptions, longSpec: LongSpecDraft?) {
        self.model = model
        self.options = options
        self.longSpec = longSpec
        lookup = options.mode == .longspec ? nil : PromptLookupDraft(capacity: model.positionLimit)
        costs = RowCosts.measure(on: model)
        levelSeconds = 0
        growthGain = GainRecord(roundSeconds: costs.seconds(rows: 2, depth: RowCosts.measuredDepth))
        lookupGain = growthGain
        if let longSpec {
            let depth = min(RowCosts.measuredDepth, model.positionLimit)
            _ = longSpec.measureLevel(depth: depth)
            levelSeconds = (0..<3).map { _ in longSpec.measureLevel(depth: depth) }.min()!
        }
    }

    /// Seconds as they are believed to be now, for reports.
    var rowCosts: RowCosts { costs }
    var draftLevelSeconds: Double { levelSeconds }

    // MARK: One generation

    func begin(prompt: [TokenID]) { lookup?.begin(prompt: prompt) }

    func append(_ token: TokenID) { lookup?.append(token) }

    func end(completion: [TokenID], prompt: [TokenID]) {
        if options.usesLastCompletion { lookup?.end(completion: completion, prompt: prompt) }
    }

    // MARK: One round

    /// The tree to verify. Its root is the last emitted token; at most `depthLimit` levels below it are of use.
    func propose(root: TokenID, depthLimit: Int) -> TokenTree {
        let clock = ContinuousClock()
        let start = clock.now
        defer { lastDraftTime = clock.now - start }
        proposed.reset(root: root)
        let depthLimit = min(depthLimit, TokenTree.depthLimit - 1)
        guard depthLimit > 0 else { return proposed }
        if let proposer {
            proposer(&proposed, depthLimit)
            return proposed
        }
        let depth = model.tokens.count
        lookup?.propose(
            into: &proposed, depthLimit: min(depthLimit, options.nodeLimit),
            leastReach: SpeculationPolicy.leastReach,
            lookup: acceptance[DraftSource.promptLookup.rawValue],
            last: acceptance[DraftSource.lastCompletion.rawValue])
        lastRoundGrew = false
        lastRingTime = .zero
        if let widths = options.fixedWidths { return proposeFixed(widths, depthLimit: depthLimit) }

        var choice = bestChoice(depth: depth, spentSeconds: 0)
        if choice.nodeCount > 0 && !mayUseLookup() {
            choice = SpeculationPolicy.Choice(nodeCount: 0, rate: 1 / costs.seconds(rows: 1, depth: depth))
        }
        lastRoundGrew = false
        if let longSpec, let growth = growth(depth: depth, depthLimit: depthLimit, without: choice.rate) {
            lastRoundGrew = true
            // What the ring missed while the draft was not asked is no part of a level's price: counted as one, a try
            // now and then would always look too dear to be made a habit.
            lastRingTime = clock.measure { _ = longSpec.synchronize(root: root) }
            let time = clock.measure {
                _ = longSpec.grow(&proposed, growth, acceptance: acceptance[DraftSource.longSpec.rawValue])
            }
            learnLevels(levelCount: growth.widths.count, seconds: time / .seconds(1))
            choice = bestChoice(depth: depth, spentSeconds: time / .seconds(1))
        }
        var tree = proposed
        tree.keep(SpeculationPolicy.bestNodes(of: tree, count: min(choice.nodeCount, options.nodeLimit)))
        return tree
    }

    private func proposeFixed(_ widths: [Int], depthLimit: Int) -> TokenTree {
        if let longSpec {
            let growth = LongSpecDraft.Growth(
                widths: Array(widths.prefix(depthLimit)), addedNodeLimit: options.nodeLimit)
            _ = longSpec.grow(&proposed, growth, acceptance: acceptance[DraftSource.longSpec.rawValue])
        }
        var tree = proposed
        tree.keep(SpeculationPolicy.bestNodes(of: tree, count: options.nodeLimit))
        return tree
    }

    /// The best number of nodes of `proposed`.
    private func bestChoice(depth: Int, spentSeconds: Double) -> SpeculationPolicy.Choice {
        let reach = proposed.reachProbabilities.dropFirst().sorted(by: >)
        return SpeculationPolicy.bestNodeCount(
            reach: Array(reach.prefix(options.nodeLimit)), costs: costs, depth: depth,
            spentSeconds: spentSeconds,
            isChain: proposed.isChain)
    }

    /// Whether chains from seen text are worth a try now.
    private func mayUseLookup() -> Bool {
        roundsWithoutLookup += 1
        guard lookupGain.pays || roundsWithoutLookup >= Self.explorationInterval / 8 else { return false }
        roundsWithoutLookup = 0
        return true
    }

    private func growth(depth: Int, depthLimit: Int, without rate: Double) -> LongSpecDraft.Growth? {
        let growth = SpeculationPolicy.growth(
            levelReach: levelReach, levelSeconds: levelSeconds, costs: costs, depth: depth, rateWithout: rate,
            nodeLimit: options.nodeLimit, depthLimit: depthLimit)
        if growth != nil && growthGain.pays {
            roundsWithoutGrowth = 0
            return growth
        }
        roundsWithoutGrowth += 1
        guard roundsWithoutGrowth >= Self.explorationInterval else { return nil }
        roundsWithoutGrowth = 0
        return LongSpecDraft.Growth(widths: [1], addedNodeLimit: 1)
    }

    private func learnLevels(levelCount: Int, seconds: Double) {
        levelSeconds += Double(Self.learningRate) * (seconds / Double(levelCount) - levelSeconds)
        for level in 0..<min(levelCount, levelReach.count) {
            var best: Float = 0
            for node in 1..<max(1, proposed.count)
            where proposed.depths[node] == level + 1 && proposed.sources[node] == .longSpec {
                best = max(best, proposed.reachProbabilities[node])
            }
            // Where another source proposed the same token first, the draft's own estimate is not in the tree.
            if best > 0 { levelReach[level] += Self.learningRate * (best - levelReach[level]) }
        }
    }

    /// Learns from a round: what was emitted, and how long the target's pass took.
    func observe(_ tree: TokenTree, emitted: ArraySlice<TokenID>, depth: Int, passSeconds: Double) {
        let plainSeconds = costs.seconds(rows: 1, depth: depth)
        costs.observe(rows: tree.count, depth: depth, isChain: tree.isChain, seconds: passSeconds)
        guard proposer == nil else { return }
        let seconds = passSeconds + (lastDraftTime - lastRingTime) / .seconds(1)
        if lastRoundGrew {
            growthGain.record(emittedCount: emitted.count, plainRoundSeconds: plainSeconds, seconds: seconds)
        } else if tree.count > 1 {
            lookupGain.record(emittedCount: emitted.count, plainRoundSeconds: plainSeconds, seconds: seconds)
        }
        // Nodes that were dropped teach as much as those that were verified.
        var parent = 0
        for token in emitted {
            var next: Int?
            for node in parent + 1..<max(parent + 1, proposed.count) where proposed.parents[node] == parent {
                let isAccepted = proposed.tokens[node] == token
                acceptance[proposed.sources[node].rawValue].record(
                    proposed.evidence[node], isAccepted: isAccepted)
                if isAccepted { next = node }
            }
            guard let next else { break }
            parent = next
        }
    }
}
