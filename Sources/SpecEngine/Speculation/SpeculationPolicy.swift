// How much to speculate: pure arithmetic on measured costs and estimated probabilities. A round whose nodes are
// reached with probabilities p₁ ≥ p₂ ≥ … emits 1 + Σ p tokens on average and costs one pass of 1 + k rows plus the
// draft's levels. What maximises tokens per second over many rounds is to maximise, in each, tokens − rate · seconds,
// where `rate` is what time is worth: the tokens per second that decoding reaches now. k = 0 is plain decoding.

/// Decisions of one round.
enum SpeculationPolicy {
    /// Nodes below this are not worth a row on any machine.
    static let leastReach: Float = 0.03
    /// Levels that are looked ahead when a further one is considered.
    static let lookAhead = 4

    /// What rows cost behind the present depth.
    struct Prices {
        /// [k]: seconds of a pass of k + 1 rows.
        var passes: [Double]
        /// [k]: seconds of a level of the draft of k + 1 rows; empty without a draft.
        var levels: [Double]
        /// Seconds that the draft needs before its first level.
        var arrears = 0.0
        /// Tokens per second that a second is worth.
        var rate: Double
        /// Plain passes that may be lost, and the seconds that the draft has taken in this round already.
        var credit = Double.infinity
        var spent = 0.0

        /// Whether a round of `seconds` in all may be risked if its likeliest node is reached with this probability.
        func isAffordable(seconds: Double, firstReach: Float) -> Bool {
            SpeculationCredit.covers(credit, loss: seconds / passes[0] - 1, firstReach: firstReach)
        }

        /// What one more row costs in tokens, roughly: a node should bring more.
        var row: Double { rate * Self.slope(passes) }
        var levelRow: Double { rate * Self.slope(levels) }

        private static func slope(_ seconds: [Double]) -> Double {
            seconds.count < 2
                ? 0 : max(0, seconds[seconds.count - 1] - seconds[0]) / Double(seconds.count - 1)
        }
    }

    struct Choice: Equatable {
        /// Nodes verified besides the root; the best ones by probability.
        var nodeCount: Int
        /// Expected tokens less what the pass costs, in tokens.
        var value: Double
    }

    /// The best number of nodes among candidates with these probabilities (descending), at most as many as `prices`
    /// has passes and credit for.
    static func bestNodeCount(reach: [Float], prices: Prices) -> Choice {
        var expected = 1.0
        var best = Choice(nodeCount: 0, value: expected - prices.rate * prices.passes[0])
        for (index, probability) in reach.prefix(prices.passes.count - 1).enumerated() {
            expected += Double(probability)
            let value = expected - prices.rate * prices.passes[index + 1]
            guard prices.isAffordable(seconds: prices.spent + prices.passes[index + 1], firstReach: reach[0])
            else { break }
            if value > best.value { best = Choice(nodeCount: index + 1, value: value) }
        }
        return best
    }

    /// The nodes that the draft layer should look at next, or none where a further level would not pay. `expanded` are
    /// the nodes that it has looked at. A node's children are expected to be as right as `outlook` says.
    static func expansion(
        of tree: TokenTree, expanded: UInt64, outlook: DraftOutlook, prices: Prices, depthLimit: Int
    ) -> [Int] {
        guard let oneRow = prices.levels.first else { return [] }
        var reach = Array(tree.reachProbabilities.dropFirst())
        reach.sort(by: >)
        let base = bestNodeCount(reach: reach, prices: prices).value
        let nodes = worthwhileNodes(
            of: tree, expanded: expanded, outlook: outlook, depthLimit: depthLimit,
            limit: prices.levels.count,
            leastReach: max(leastReach, Float(prices.row + prices.levelRow)))
        guard let best = nodes.first else { return [] }
        for node in nodes { reach.append(node.childReach) }
        reach.sort(by: >)
        var prices = prices
        let before = prices.spent
        prices.spent += prices.levels[nodes.count - 1] + prices.arrears
        guard prices.isAffordable(seconds: prices.spent + prices.passes[1], firstReach: reach[0]) else {
            return []
        }
        // One level may not pay by itself and still be the way to several that do.
        var (tip, depth) = (best.childReach, tree.depths[best.node] + 1)
        for _ in 0..<lookAhead {
            let value = bestNodeCount(reach: reach, prices: prices).value
            if value - prices.rate * (prices.spent - before) > base {
                return nodes.map(\.node).sorted()
            }
            depth += 1
            guard depth <= depthLimit else { break }
            tip *= outlook.typical
            prices.spent += oneRow
            reach.insert(tip, at: reach.firstIndex { $0 < tip } ?? reach.count)
        }
        return []
    }

    /// Unexpanded nodes with the expected probability of reaching their best new child, best first, none without its
    /// ancestors.
    private static func worthwhileNodes(
        of tree: TokenTree, expanded: UInt64, outlook: DraftOutlook, depthLimit: Int, limit: Int,
        leastReach: Float
    ) -> [(node: Int, childReach: Float)] {
        var known = expanded
        var nodes: [(node: Int, childReach: Float)] = []
        for node in 0..<tree.count where expanded & (1 << UInt64(node)) == 0 && nodes.count < limit {
            guard tree.depths[node] < depthLimit,
                node == 0 || known & (1 << UInt64(tree.parents[node])) != 0
            else { continue }
            // What is left for new children beside those that other sources proposed.
            var left: Float = 1
            for child in node + 1..<max(node + 1, tree.count) where tree.parents[child] == node {
                left -= tree.acceptances[child]
            }
            let childReach =
                tree.reachProbabilities[node] * max(0, left) * outlook.bestChild(of: node, in: tree)
            // An inner node is looked at for its descendants' sake, too: they are cheap beside it.
            guard childReach >= leastReach || (left < 1 && tree.reachProbabilities[node] >= 0.5) else {
                continue
            }
            known |= 1 << UInt64(node)
            nodes.append((node, childReach))
        }
        return nodes.sorted { $0.childReach > $1.childReach }
    }

    /// The set of the `count` best nodes by probability, the root included, closed under parents: probabilities fall
    /// along a path, and a parent comes before its child among equals.
    static func bestNodes(of tree: TokenTree, count: Int) -> UInt64 {
        let order = (1..<max(1, tree.count)).sorted { a, b in
            let (first, second) = (tree.reachProbabilities[a], tree.reachProbabilities[b])
            return first != second ? first > second : a < b
        }
        return order.prefix(count).reduce(1) { $0 | tree.ancestors[$1] }
    }
}

/// How right the draft layer's best proposal is likely to be before it is asked: the recent average, by how sure it was
/// of the node that it would look at. Certainty runs in stretches. A value.
struct DraftOutlook: Sendable {
    /// By step of the draft's probability of the node; the last one for nodes that it has not looked at.
    private var averages: [Float] = (0..<10).map { 0.45 + 0.045 * Float($0) } + [0.7]
    /// Of all of them.
    private(set) var typical: Float = 0.7

    private static let learningRate: Float = 0.05

    private static func row(of node: Int, in tree: TokenTree) -> Int {
        switch tree.evidence[node] {
        case .some(let evidence) where evidence.kind == .longSpec || evidence.kind == .weighed:
            Int(evidence.row)
        default: 10
        }
    }

    func bestChild(of node: Int, in tree: TokenTree) -> Float { averages[Self.row(of: node, in: tree)] }

    /// Takes in what the draft layer's best child of a node was estimated at.
    mutating func observe(bestChild estimate: Float, of node: Int, in tree: TokenTree) {
        let row = Self.row(of: node, in: tree)
        averages[row] += Self.learningRate * (estimate - averages[row])
        typical += Self.learningRate * (estimate - typical)
    }
}
