// Proposes a tree for every round and learns from what became of it: gathers chains from text seen before, lets the
// draft layer look at them and go on, level after level, as long as that promises to pay, and keeps the nodes that are
// worth their rows. Nothing here can change what is emitted, only how fast.

/// What a speculator has learned, and what it is about to try. A value, so that a measurement can begin from the same
/// again.
package struct SpeculationLearning: Sendable {
    /// Of the target's passes, and of the draft layer's levels.
    var passCosts: RowCosts
    var levelCosts: RowCosts?
    var acceptance = AcceptanceRecord()
    var outlook = DraftOutlook()
    /// What all rounds have given, and what the present completion may still risk.
    var gain = GainRecord()
    var credit = SpeculationCredit(gain: 1)
    /// Rounds since the draft layer was asked, and since a plain round was measured.
    var roundsWithoutDraft = 0
    var roundsWithoutPlain = Speculator.plainInterval

    init(passCosts: RowCosts, levelCosts: RowCosts?) {
        self.passCosts = passCosts
        self.levelCosts = levelCosts
    }
}

/// The drafts of one engine with their statistics. Engine thread only.
final class Speculator {
    private let model: TransformerModel
    private let options: SpeculationOptions
    let longSpec: LongSpecDraft?
    private var lookup: PromptLookupDraft?
    private(set) var learned: SpeculationLearning
    private var emittedCount = 0  // in this generation
    /// Tokens that would end this generation: they are drawn, never verified.
    private var endTokens: Set<TokenID> = []
    /// Plain rounds since the last other one, or since this generation began.
    private var plainRoundsInARow = 0
    /// Whether a round of this generation was not plain.
    private var hasSpeculated = false
    /// Whether the last round was plain only to be measured.
    private var isForcedPlain = false
    /// A test's own proposals, verified as they are instead of all others.
    var proposer: ((inout TokenTree, _ depthLimit: Int) -> Void)?

    private var proposed = TokenTree(root: TokenID(0))  // before nodes were dropped
    /// What the last round took beside the target's pass.
    private(set) var lastDraftTime = Duration.zero
    /// Rows of each level that the draft layer computed in the last round.
    private(set) var lastLevelRowCounts: [Int] = []
    /// How long measuring took at the start.
    let calibrationTime: Duration
    /// The measurement behind a further depth that is under way.
    private var passMeasurement: DepthMeasurement?
    private var levelMeasurement: DepthMeasurement?

    /// With this many rounds between, the draft layer is tried even where it did not promise to pay: text changes.
    private static let explorationInterval = 64
    /// All prices and gains are relative to a plain round, so that one must be measured now and then, behind as many as
    /// it takes to settle.
    static let plainInterval = 128
    /// What time is worth at most, relative to plain decoding: text changes faster than the average gain follows, and
    /// one that was easy must not make the next one's rows look too dear.
    private static let greatestRate = 1.2
    /// Positions of the ring that are projected in the time of one level of one row: keys and values are a small part
    /// of it, many go at once.
    private static let positionsPerLevel = 64.0
    /// Rounds are disturbed by whatever else the machine does: what took longer than this many times its price is not
    /// speculation's fault.
    private static let greatestExcess = 1.3
    /// Positions by which a measurement lies behind the resident sequence when it is planned: requests between its
    /// passes may lengthen or shorten that by as many.
    private static let measuringLead = 512
    /// Rows of the widest pass that is measured.
    private static let measuredRowCount = RowCosts.standardRowCounts.last ?? 0
    private static let calibrationBudgets = (
        target: Duration.milliseconds(90), draft: Duration.milliseconds(30)
    )

    /// Measures costs; call it while no sequence is resident.
    convenience init(model: TransformerModel, options: SpeculationOptions, longSpec: LongSpecDraft?) {
        let clock = ContinuousClock()
        let start = clock.now
        let depth = max(1, min(RowCosts.measuredDepth, model.positionLimit - Self.measuredRowCount))
        let passCosts = RowCosts.measure(depth: depth, budget: Self.calibrationBudgets.target) {
            model.measurePass(rowCount: $0, depth: $1)
        }
        let levelCosts = longSpec.map { draft in
            RowCosts.measure(depth: depth, budget: Self.calibrationBudgets.draft) {
                draft.measureLevel(rowCount: $0, depth: $1)
            }
        }
        self.init(
            model: model, options: options, longSpec: longSpec, passCosts: passCosts, levelCosts: levelCosts,
            calibrationTime: clock.now - start)
    }

    /// With costs that are known.
    init(
        model: TransformerModel, options: SpeculationOptions, longSpec: LongSpecDraft?, passCosts: RowCosts,
        levelCosts: RowCosts?, calibrationTime: Duration = .zero
    ) {
        self.model = model
        self.options = options
        self.longSpec = longSpec
        self.calibrationTime = calibrationTime
        lookup = options.mode == .longspec ? nil : PromptLookupDraft(capacity: model.positionLimit)
        learned = SpeculationLearning(passCosts: passCosts, levelCosts: levelCosts)
    }

    /// Proposes what the caller says and measures nothing: `chain(emitted)` is what may follow the first `emitted`
    /// tokens.
    convenience init(
        model: TransformerModel, options: SpeculationOptions,
        proposing chain: @escaping (_ emitted: Int) -> [TokenID]
    ) {
        let flat = [1e-3, 1e-3]  // never asked
        self.init(
            model: model, options: options, longSpec: nil,
            passCosts: RowCosts(rowCounts: RowCosts.fewRowCounts, atStart: flat, atDepth: flat, depth: 1),
            levelCosts: nil)
        proposer = { [unowned self] tree, depthLimit in
            var node = 0
            for token in chain(emittedCount).prefix(depthLimit) {
                guard let next = tree.add(token, under: node, source: .given) else { return }
                node = next
            }
        }
    }

    /// Goes back to what was known at another time; the draft layer's ring is empty as then, and nothing is measured.
    func restore(_ earlier: SpeculationLearning) {
        learned = earlier
        (passMeasurement, levelMeasurement) = (nil, nil)
        longSpec?.ring.invalidate()
    }

    // MARK: One generation

    /// Belongs to reading the prompt, which must be resident: follows it with the index and with the draft layer's
    /// ring, which costs about a hundredth of what its keys and values cost in the target.
    func begin(prompt: [TokenID], endTokens: [TokenID] = []) {
        emittedCount = 0
        self.endTokens = Set(endTokens)
        plainRoundsInARow = 0
        hasSpeculated = false
        learned.acceptance.beginText()
        learned.credit = SpeculationCredit(gain: learned.gain.gain)
        lookup?.begin(prompt: prompt)
        longSpec?.follow(text: prompt)
        // Where it is cancelled, the first round does it again, or ends.
        _ = longSpec?.synchronize()
    }

    func append(_ token: TokenID) {
        emittedCount += 1
        lookup?.append(token)
    }

    /// A generation that was cancelled or gave nothing was not seen: what was suggested before it may still be typed.
    func end(completion: [TokenID], prompt: [TokenID], isCancelled: Bool) {
        guard !isCancelled, !completion.isEmpty else { return }
        if options.usesLastCompletion { lookup?.end(completion: completion, prompt: prompt) }
        planMeasuring()
    }

    // MARK: Costs behind further depths

    /// A line from short contexts to long ones multiplies what was measured wrong: behind each doubling of the depth
    /// costs are measured once.
    private func planMeasuring() {
        dropUnreachableMeasurements()
        let depth = model.tokens.count
        let furthest = model.positionLimit - Self.measuredRowCount
        guard proposer == nil, !needsMeasuring, depth <= furthest else { return }
        let measuredDepth = min(depth + Self.measuringLead, furthest)
        if learned.passCosts.needsMeasuring(at: depth) {
            passMeasurement = DepthMeasurement(depth: measuredDepth, rowCounts: learned.passCosts.rowCounts)
        }
        if longSpec != nil, let costs = learned.levelCosts, costs.needsMeasuring(at: depth) {
            levelMeasurement = DepthMeasurement(depth: measuredDepth, rowCounts: costs.rowCounts)
        }
    }

    /// Whether `measureFurther` has something to do.
    var needsMeasuring: Bool { passMeasurement != nil || levelMeasurement != nil }

    /// Runs one pass of the measurement that is under way; between generations, behind whatever is resident.
    func measureFurther() {
        dropUnreachableMeasurements()
        if passMeasurement != nil {
            passMeasurement?.advance { model.measurePass(rowCount: $0, depth: $1) }
            guard let measurement = passMeasurement, let result = measurement.result else { return }
            learned.passCosts.add(result, at: measurement.depth)
            passMeasurement = nil
        } else if let longSpec {
            levelMeasurement?.advance { longSpec.measureLevel(rowCount: $0, depth: $1) }
            guard let measurement = levelMeasurement, let result = measurement.result else { return }
            learned.levelCosts?.add(result, at: measurement.depth)
            levelMeasurement = nil
        }
    }

    /// Another prompt is resident: the next completion plans again.
    private func dropUnreachableMeasurements() {
        guard let depth = passMeasurement?.depth ?? levelMeasurement?.depth,
            !(0...2 * Self.measuringLead).contains(depth - model.tokens.count)
        else { return }
        (passMeasurement, levelMeasurement) = (nil, nil)
    }

    // MARK: One round

    /// The tree to verify. Its root is the last emitted token; at most `depthLimit` levels below it are of use.
    func propose(root: TokenID, depthLimit: Int) -> TokenTree {
        let clock = ContinuousClock()
        let start = clock.now
        defer { lastDraftTime = clock.now - start }
        proposed.reset(root: root)
        lastLevelRowCounts.removeAll(keepingCapacity: true)
        isForcedPlain = false
        let depthLimit = min(depthLimit, TokenTree.depthLimit - 1)
        guard depthLimit > 0 else { return proposed }
        if let proposer {
            proposer(&proposed, depthLimit)
            return proposed
        }
        if let shape = options.fixedShape { return propose(shape, depthLimit: depthLimit) }
        var prices = prices(root: root)
        proposeFromText(
            depthLimit: min(depthLimit, options.nodeLimit), leastReach: SpeculationPolicy.leastReach)
        // Rounds stay plain until one has been measured, in the next text where this one ends before.
        isForcedPlain = learned.roundsWithoutPlain >= Self.plainInterval
        if isForcedPlain { return TokenTree(root: root) }
        draft(&prices, depthLimit: depthLimit)
        guard proposed.count > 1 else { return proposed }
        let reach = proposed.reachProbabilities.dropFirst().sorted(by: >)
        let choice = SpeculationPolicy.bestNodeCount(reach: reach, prices: prices)
        var tree = proposed
        tree.keep(SpeculationPolicy.bestNodes(of: tree, count: choice.nodeCount))
        return tree
    }

    private func proposeFromText(depthLimit: Int, leastReach: Float) {
        lookup?.propose(
            into: &proposed, depthLimit: depthLimit, leastReach: leastReach, acceptance: learned.acceptance,
            endTokens: endTokens)
    }

    private func prices(root: TokenID) -> SpeculationPolicy.Prices {
        let depth = model.tokens.count
        let plain = learned.passCosts.seconds(rows: 1, depth: depth)
        let level = learned.levelCosts?.seconds(rows: 1, depth: depth) ?? 0
        return SpeculationPolicy.Prices(
            passes: (0...options.nodeLimit).map { learned.passCosts.seconds(rows: $0 + 1, depth: depth) },
            levels: learned.levelCosts.map { costs in
                (1...LongSpecDraft.levelLimit).map { costs.seconds(rows: $0, depth: depth) }
            } ?? [],
            arrears: level * Double(longSpec?.missingCount(root: root) ?? 0) / Self.positionsPerLevel,
            rate: min(max(1, learned.gain.gain), Self.greatestRate) / plain, credit: learned.credit.passes)
    }

    // MARK: The draft layer

    /// Lets the draft layer grow `proposed` as far as that promises to pay, and notes in `prices` what it has cost.
    private func draft(_ prices: inout SpeculationPolicy.Prices, depthLimit: Int) {
        guard longSpec != nil else { return }
        var expanded: UInt64 = 0
        func next(_ prices: SpeculationPolicy.Prices) -> [Int] {
            SpeculationPolicy.expansion(
                of: proposed, expanded: expanded, outlook: learned.outlook, prices: prices,
                depthLimit: min(depthLimit, options.nodeLimit))
        }
        learned.roundsWithoutDraft += 1
        var nodes = next(prices)
        if nodes.isEmpty && learned.roundsWithoutDraft >= Self.explorationInterval
            && prices.isAffordable(seconds: prices.passes[0] + prices.levels[0] + prices.arrears, firstReach: 0)
        {
            nodes = [0]
        }
        guard !nodes.isEmpty, beginDraft() else { return }
        learned.roundsWithoutDraft = 0
        prices.spent = prices.arrears
        prices.arrears = 0
        while !nodes.isEmpty {
            guard expand(nodes, leastReach: SpeculationPolicy.leastReach) else { return }
            prices.spent += prices.levels[nodes.count - 1]
            for node in nodes { expanded |= 1 << UInt64(node) }
            nodes = next(prices)
        }
    }

    private func beginDraft() -> Bool { longSpec?.begin(root: proposed.tokens[0]) ?? false }

    private func expand(_ nodes: [Int], leastReach: Float) -> Bool {
        guard let longSpec else { return false }
        let clock = ContinuousClock()
        let start = clock.now
        let countBefore = proposed.count
        guard
            longSpec.expand(
                nodes, of: &proposed, acceptance: learned.acceptance, leastReach: leastReach,
                endTokens: endTokens)
        else { return false }
        let seconds = (clock.now - start) / .seconds(1)
        learned.levelCosts?.observe(rows: nodes.count, depth: model.tokens.count, seconds: seconds)
        lastLevelRowCounts.append(nodes.count)
        for (row, node) in nodes.enumerated() {
            // Beside children from elsewhere the draft's own best child says little.
            let hadChildren = (node + 1..<max(node + 1, countBefore)).contains { proposed.parents[$0] == node }
            guard !hadChildren else { continue }
            learned.outlook.observe(bestChild: longSpec.bestOwnEstimates[row], of: node, in: proposed)
        }
        return true
    }

    // MARK: Fixed shapes

    /// Below the probability of the last of the best nodes nothing is of use; this keeps hopeless ones out.
    private static let leastReachOfFixedShapes: Float = 0.002

    private func propose(_ shape: FixedShape, depthLimit: Int) -> TokenTree {
        switch shape {
        case .tree(let nodeCount):
            proposeFromText(
                depthLimit: min(depthLimit, nodeCount), leastReach: Self.leastReachOfFixedShapes)
            growBestFirst(nodeCount: nodeCount, depthLimit: depthLimit)
            return proposed
        case .chain(let levelCount):
            return proposeChain(levelCount: min(levelCount, depthLimit))
        }
    }

    /// What is known of a node besides the tree.
    private struct Growth {
        /// The level of the draft layer that added it, from 1; 0 for the root and for text seen before.
        var level = 0
        /// Whether the draft layer has looked at it.
        var isExpanded = false
    }

    /// Makes `proposed` the most probable nodes: a level looks at all of them that were not looked at. A tree holds few
    /// nodes, and children of all of them would fill it after two levels, so that the others are let go. Returns each
    /// node's level.
    @discardableResult
    private func growBestFirst(nodeCount: Int, depthLimit: Int) -> [Int] {
        var growth = [Growth](repeating: Growth(), count: proposed.count)
        let canGrow = beginDraft()
        keepBest(nodeCount, &growth)
        guard canGrow, let longSpec else { return growth.map(\.level) }
        while true {
            let nodes = growth.indices.filter { !growth[$0].isExpanded && proposed.depths[$0] < depthLimit }
                .prefix(min(LongSpecDraft.levelLimit, longSpec.roomForNodes))
            guard !nodes.isEmpty, expand(Array(nodes), leastReach: Self.leastReachOfFixedShapes) else { break }
            for node in nodes { growth[node].isExpanded = true }
            let added = Growth(level: lastLevelRowCounts.count)
            growth += [Growth](repeating: added, count: proposed.count - growth.count)
            keepBest(nodeCount, &growth)
        }
        return growth.map(\.level)
    }

    /// Lets all but the `count` best nodes go, and takes none in that is not better.
    private func keepBest(_ count: Int, _ growth: inout [Growth]) {
        let kept = SpeculationPolicy.bestNodes(of: proposed, count: count)
        longSpec?.keep(kept, of: proposed.count)
        growth = growth.indices.filter { kept & (1 << UInt64($0)) != 0 }.map { growth[$0] }
        proposed.keep(kept)
        proposed.bestCount = count
    }

    /// What text seen before proposes, the best nodes of that and of the draft layer together, and the levels of these.
    func candidates(
        root: TokenID, nodeCount: Int, depthLimit: Int
    ) -> (found: TokenTree, grown: TokenTree, levels: [Int]) {
        proposed.reset(root: root)
        lastLevelRowCounts.removeAll(keepingCapacity: true)
        proposeFromText(
            depthLimit: min(depthLimit, nodeCount), leastReach: Self.leastReachOfFixedShapes)
        let found = proposed
        let levels = growBestFirst(nodeCount: nodeCount, depthLimit: depthLimit)
        return (found, proposed, levels)
    }

    /// Commits one token by a plain pass.
    func advance(_ token: TokenID) -> Bool { model.append([token], logitRowCount: 1) }

    private func proposeChain(levelCount: Int) -> TokenTree {
        var chain = TokenTree(root: proposed.tokens[0])
        guard longSpec != nil, beginDraft() else { return chain }
        var node = 0
        for _ in 0..<levelCount {
            guard expand([node], leastReach: 0) else { break }
            let children = (node + 1..<max(node + 1, proposed.count)).filter { proposed.parents[$0] == node }
            guard let best = children.max(by: { proposed.acceptances[$0] < proposed.acceptances[$1] }),
                chain.add(
                    proposed.tokens[best], under: chain.count - 1, source: .longSpec,
                    acceptance: proposed.acceptances[best], evidence: proposed.evidence[best]) != nil
            else { break }
            node = best
        }
        return chain
    }

    // MARK: Learning

    /// Learns from a round: what was emitted, how long the target's pass took, and what came after it.
    func observe(
        _ tree: TokenTree, emitted: ArraySlice<TokenID>, depth: Int, passSeconds: Double,
        commitSeconds: Double
    ) {
        let plainSeconds = learned.passCosts.seconds(rows: 1, depth: depth)
        let isPlain = tree.count == 1 && lastLevelRowCounts.isEmpty
        let isSettled = isPlain && plainRoundsInARow >= RowCosts.settlingPassCount
        learned.roundsWithoutPlain = isSettled ? 0 : learned.roundsWithoutPlain + 1
        if isPlain {
            learned.passCosts.observePlain(
                depth: depth, seconds: passSeconds, isRare: isForcedPlain, isSettled: isSettled)
        } else if tree.count > 1 {
            learned.passCosts.observe(rows: tree.count, depth: depth, seconds: passSeconds)
        }
        plainRoundsInARow = isPlain ? plainRoundsInARow + 1 : 0
        hasSpeculated = hasSpeculated || !isPlain
        guard proposer == nil else { return }
        let seconds = passSeconds + commitSeconds + lastDraftTime / .seconds(1)
        // Plain rounds take longer behind wide ones; before the first of those they are plain decoding itself.
        learned.gain.record(
            emittedCount: emitted.count, plainRounds: hasSpeculated ? seconds / plainSeconds : 1)
        let price = price(rowCount: tree.count, depth: depth)
        learned.credit.record(
            emittedCount: emitted.count,
            plainRounds: isPlain ? 1 : min(seconds, Self.greatestExcess * price) / plainSeconds)
        learned.acceptance.learn(from: proposed, emitted: emitted)
    }

    /// Seconds that the last round should have taken, with a pass of `rowCount` rows.
    private func price(rowCount: Int, depth: Int) -> Double {
        lastLevelRowCounts.reduce(learned.passCosts.seconds(rows: rowCount, depth: depth)) { seconds, rows in
            seconds + (learned.levelCosts?.seconds(rows: rows, depth: depth) ?? 0)
        }
    }
}
