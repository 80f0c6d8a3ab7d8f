// Proposes a tree for every round and learns from what became of it: gathers chains from text seen before, lets the
// draft layer look at them and go on, level after level, as long as that promises to pay, and keeps the nodes that are
// worth their rows. Nothing here can change what is emitted, only how fast.

/// The drafts of one engine with their statistics. Engine thread only.
final class Speculator {
    private let model: TransformerModel
    private let options: SpeculationOptions
    let longSpec: LongSpecDraft?
    private var lookup: PromptLookupDraft?
    /// Of the target's passes, and of the draft layer's levels.
    private var passCosts: RowCosts
    private var levelCosts: RowCosts?
    private var acceptance = AcceptanceRecord()
    private var outlook = DraftOutlook()
    /// What all rounds, those with the draft layer, and those with text seen before alone have given.
    private var gain: GainRecord
    private var draftedGain: GainRecord
    private var lookupGain: GainRecord
    private var emittedCount = 0  // in this generation
    /// Rounds since the draft layer was asked, and promising ones in which a losing source was not.
    private var roundsWithoutDraft = 0
    private var skippedDrafts = 0
    private var skippedLookups = 0
    private var lastRoundWasPlain = false
    private var isExploring = false
    /// A test's own proposals, verified as they are instead of all others.
    var proposer: ((inout TokenTree, _ depthLimit: Int) -> Void)?

    private var proposed = TokenTree(root: TokenID(0))  // before nodes were dropped
    /// What the last round took beside the target's pass, and of that what the ring had missed for long.
    private(set) var lastDraftTime = Duration.zero
    private var lastArrearsTime = Duration.zero
    /// Rows of each level that the draft layer computed in the last round.
    private(set) var lastLevelRowCounts: [Int] = []
    /// How long measuring took at the start.
    let calibrationTime: Duration

    /// With this many rounds between, the draft layer is tried even where it did not promise to pay: text changes.
    private static let explorationInterval = 64
    /// What rounds with a source must give, by the clock, for the source to be asked whenever it promises to pay; the
    /// figure of a hundred rounds is uncertain by some per cent. One that gives less is asked at every n-th promise.
    private static let leastGain = 0.97
    private static let retryInterval = 8
    /// What time is worth at most, relative to plain decoding: text changes faster than the average gain follows, and
    /// one that was easy must not make the next one's rows look too dear.
    private static let greatestRate = 1.2
    private static let calibrationBudgets = (
        target: Duration.milliseconds(90), draft: Duration.milliseconds(30)
    )

    /// Measures costs; call it while no sequence is resident.
    init(model: TransformerModel, options: SpeculationOptions, longSpec: LongSpecDraft?) {
        self.model = model
        self.options = options
        self.longSpec = longSpec
        lookup = options.mode == .longspec ? nil : PromptLookupDraft(capacity: model.positionLimit)
        let clock = ContinuousClock()
        let start = clock.now
        let depth = max(
            1, min(RowCosts.measuredDepth, model.positionLimit - RowCosts.standardRowCounts.last!))
        passCosts = RowCosts.measure(depth: depth, budget: Self.calibrationBudgets.target) {
            model.measurePass(rowCount: $0, depth: $1)
        }
        levelCosts = longSpec.map { draft in
            RowCosts.measure(depth: depth, budget: Self.calibrationBudgets.draft) {
                draft.measureLevel(rowCount: $0, depth: $1)
            }
        }
        calibrationTime = clock.now - start
        let roundSeconds = passCosts.seconds(rows: 2, depth: depth)
        gain = GainRecord(roundSeconds: roundSeconds, gain: 1)
        draftedGain = GainRecord(roundSeconds: roundSeconds, gain: 1.1)  // the benefit of the doubt
        lookupGain = draftedGain
    }

    /// Proposes what the caller says and measures nothing: `chain(emitted)` is what may follow the first `emitted`
    /// tokens.
    init(
        model: TransformerModel, options: SpeculationOptions,
        proposing chain: @escaping (_ emitted: Int) -> [TokenID]
    ) {
        self.model = model
        self.options = options
        longSpec = nil
        let flat = [1e-3, 1e-3]  // never asked
        passCosts = RowCosts(rowCounts: RowCosts.fewRowCounts, atStart: flat, atDepth: flat, depth: 1)
        gain = GainRecord(roundSeconds: 1e-3, gain: 1)
        draftedGain = gain
        lookupGain = gain
        calibrationTime = .zero
        proposer = { [unowned self] tree, depthLimit in
            var node = 0
            for token in chain(emittedCount).prefix(depthLimit) {
                guard let next = tree.add(token, under: node, source: .given) else { return }
                node = next
            }
        }
    }

    // MARK: One generation

    func begin(prompt: [TokenID]) {
        emittedCount = 0
        acceptance.beginText()
        lookup?.begin(prompt: prompt)
    }

    func append(_ token: TokenID) {
        emittedCount += 1
        lookup?.append(token)
    }

    func end(completion: [TokenID], prompt: [TokenID], isCancelled: Bool) {
        if !isCancelled { measureFurther() }
        if options.usesLastCompletion { lookup?.end(completion: completion, prompt: prompt) }
    }

    /// A line from short contexts to long ones multiplies what was measured wrong: behind each doubling of the depth
    /// costs are measured once, after a completion, behind the sequence that is there.
    private func measureFurther() {
        let depth = model.tokens.count
        let room = model.positionLimit - depth
        guard proposer == nil, room >= passCosts.rowCounts.max() ?? 0 else { return }
        if passCosts.needsMeasuring(at: depth) {
            passCosts.measureFurther(depth: depth) { model.measurePass(rowCount: $0, depth: $1) }
        }
        if let longSpec, levelCosts?.needsMeasuring(at: depth) ?? false {
            levelCosts?.measureFurther(depth: depth) { longSpec.measureLevel(rowCount: $0, depth: $1) }
        }
    }

    // MARK: One round

    /// The tree to verify. Its root is the last emitted token; at most `depthLimit` levels below it are of use.
    func propose(root: TokenID, depthLimit: Int) -> TokenTree {
        let clock = ContinuousClock()
        let start = clock.now
        defer { lastDraftTime = clock.now - start }
        proposed.reset(root: root)
        lastLevelRowCounts.removeAll(keepingCapacity: true)
        lastArrearsTime = .zero
        isExploring = false
        let depthLimit = min(depthLimit, TokenTree.depthLimit - 1)
        guard depthLimit > 0 else { return proposed }
        if let proposer {
            proposer(&proposed, depthLimit)
            return proposed
        }
        if let shape = options.fixedShape { return propose(shape, depthLimit: depthLimit) }
        let prices = prices(depth: model.tokens.count)
        proposeFromText(
            depthLimit: min(depthLimit, options.nodeLimit), leastReach: SpeculationPolicy.leastReach)
        if proposed.count > 1 && !mayUse(lookupGain, skipped: &skippedLookups) { proposed.reset(root: root) }
        draft(prices, depthLimit: depthLimit)
        guard proposed.count > 1 else { return proposed }
        let reach = proposed.reachProbabilities.dropFirst().sorted(by: >)
        let choice = SpeculationPolicy.bestNodeCount(reach: reach, prices: prices)
        var tree = proposed
        tree.keep(SpeculationPolicy.bestNodes(of: tree, count: choice.nodeCount))
        return tree
    }

    private func proposeFromText(depthLimit: Int, leastReach: Float) {
        lookup?.propose(
            into: &proposed, depthLimit: depthLimit, leastReach: leastReach, acceptance: acceptance)
    }

    private func prices(depth: Int) -> SpeculationPolicy.Prices {
        let plain = passCosts.seconds(rows: 1, depth: depth)
        return SpeculationPolicy.Prices(
            passes: (0...options.nodeLimit).map { passCosts.seconds(rows: $0 + 1, depth: depth) },
            levels: levelCosts.map { costs in
                (1...LongSpecDraft.levelLimit).map { costs.seconds(rows: $0, depth: depth) }
            } ?? [],
            rate: min(max(1, gain.gain), Self.greatestRate) / plain)
    }

    /// Whether a source that promises to pay has paid of late, or is due for another try.
    private func mayUse(_ gain: GainRecord, skipped: inout Int) -> Bool {
        if gain.gain >= Self.leastGain { return true }
        skipped = (skipped + 1) % Self.retryInterval
        return skipped == 0
    }

    // MARK: The draft layer

    /// Lets the draft layer grow `proposed` as far as that promises to pay.
    private func draft(_ prices: SpeculationPolicy.Prices, depthLimit: Int) {
        guard longSpec != nil else { return }
        var expanded: UInt64 = 0
        func next() -> [Int] {
            SpeculationPolicy.expansion(
                of: proposed, expanded: expanded, outlook: outlook, prices: prices,
                depthLimit: min(depthLimit, options.nodeLimit))
        }
        roundsWithoutDraft += 1
        var nodes = next()
        if !nodes.isEmpty && !mayUse(draftedGain, skipped: &skippedDrafts) { nodes = [] }
        isExploring = nodes.isEmpty && roundsWithoutDraft >= Self.explorationInterval
        if isExploring { nodes = [0] }
        guard !nodes.isEmpty, beginDraft() else { return }
        roundsWithoutDraft = 0
        while !nodes.isEmpty {
            guard expand(nodes, leastReach: SpeculationPolicy.leastReach) else { return }
            for node in nodes { expanded |= 1 << UInt64(node) }
            nodes = next()
        }
    }

    /// What the ring missed while the draft was not asked is no part of a level's price: counted as one, a try now and
    /// then would always look too dear to be made a habit.
    private func beginDraft() -> Bool {
        let clock = ContinuousClock()
        let start = clock.now
        let isDone = longSpec?.begin(root: proposed.tokens[0]) ?? false
        if roundsWithoutDraft > 2 { lastArrearsTime = clock.now - start }
        return isDone
    }

    private func expand(_ nodes: [Int], leastReach: Float) -> Bool {
        guard let longSpec else { return false }
        let clock = ContinuousClock()
        let start = clock.now
        let countBefore = proposed.count
        guard longSpec.expand(nodes, of: &proposed, acceptance: acceptance, leastReach: leastReach) else {
            return false
        }
        let seconds = (clock.now - start) / .seconds(1)
        levelCosts?.observe(rows: nodes.count, depth: model.tokens.count, isChain: true, seconds: seconds)
        lastLevelRowCounts.append(nodes.count)
        for node in nodes {
            // Beside children from elsewhere the draft's own best child says little.
            let own = (node + 1..<max(node + 1, proposed.count)).filter { proposed.parents[$0] == node }
            guard own.allSatisfy({ $0 >= countBefore }) else { continue }
            outlook.observe(
                bestChild: own.map { proposed.acceptances[$0] }.max() ?? 0, of: node, in: proposed)
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
            var tree = proposed
            tree.keep(SpeculationPolicy.bestNodes(of: tree, count: nodeCount))
            return tree
        case .chain(let levelCount):
            return proposeChain(levelCount: min(levelCount, depthLimit))
        }
    }

    /// The most probable nodes: a level looks at all of them that were not looked at. Returns how many nodes there were
    /// before each level.
    @discardableResult
    private func growBestFirst(nodeCount: Int, depthLimit: Int) -> [Int] {
        var boundaries: [Int] = []
        guard longSpec != nil, beginDraft() else { return boundaries }
        var expanded: UInt64 = 0
        while true {
            let best = SpeculationPolicy.bestNodes(of: proposed, count: nodeCount) & ~expanded
            let nodes = (0..<proposed.count).filter {
                best & (1 << UInt64($0)) != 0 && proposed.depths[$0] < depthLimit
            }.prefix(LongSpecDraft.levelLimit)
            let countBefore = proposed.count
            guard !nodes.isEmpty, expand(Array(nodes), leastReach: Self.leastReachOfFixedShapes) else {
                return boundaries
            }
            boundaries.append(countBefore)
            for node in nodes { expanded |= 1 << UInt64(node) }
        }
    }

    /// What text seen before proposes, the same with the best nodes of the draft layer, and `growBestFirst`'s result.
    func candidates(
        root: TokenID, nodeCount: Int, depthLimit: Int
    ) -> (found: TokenTree, grown: TokenTree, boundaries: [Int]) {
        proposed.reset(root: root)
        lastLevelRowCounts.removeAll(keepingCapacity: true)
        proposeFromText(
            depthLimit: min(depthLimit, nodeCount), leastReach: Self.leastReachOfFixedShapes)
        let found = proposed
        let boundaries = growBestFirst(nodeCount: nodeCount, depthLimit: depthLimit)
        return (found, proposed, boundaries)
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
        let plainSeconds = passCosts.seconds(rows: 1, depth: depth)
        // A pass of one row after a wider one, or after the draft's, is not what plain decoding costs.
        let isPlain = tree.count == 1 && lastLevelRowCounts.isEmpty
        if tree.count > 1 || (isPlain && lastRoundWasPlain) {
            passCosts.observe(rows: tree.count, depth: depth, isChain: tree.isChain, seconds: passSeconds)
        }
        lastRoundWasPlain = isPlain
        guard proposer == nil else { return }
        let seconds = passSeconds + commitSeconds + (lastDraftTime - lastArrearsTime) / .seconds(1)
        func record(_ gain: inout GainRecord) {
            gain.record(emittedCount: emitted.count, plainRoundSeconds: plainSeconds, seconds: seconds)
        }
        record(&gain)
        if !lastLevelRowCounts.isEmpty {
            if !isExploring { record(&draftedGain) }
        } else if tree.count > 1 {
            record(&lookupGain)
        }
        acceptance.learn(from: proposed, emitted: emitted)
    }
}
