// How much to speculate: pure arithmetic on measured costs and estimated probabilities. A round with nodes that are
// reached with probabilities p₁ ≥ p₂ ≥ … emits 1 + Σ p tokens on average and costs one pass of 1 + k rows plus the
// draft; the best k maximises tokens per second, and k = 0 is plain decoding.

/// Decisions of one round.
enum SpeculationPolicy {
    /// Speculation must promise at least this much over plain decoding: estimates are noisy, and a node that gains
    /// nothing still costs memory traffic that other programs feel.
    static let leastGain = 1.03
    /// Nodes below this are not worth a row on any machine.
    static let leastReach: Float = 0.05

    struct Choice: Equatable {
        /// Nodes verified besides the root; the best ones by probability.
        var nodeCount: Int
        /// Expected tokens per second.
        var rate: Double
    }

    /// The best number of nodes among candidates with these probabilities (descending). `spentSeconds` were already
    /// spent on drafting this round.
    static func bestNodeCount(
        reach: [Float], costs: RowCosts, depth: Int, spentSeconds: Double = 0, isChain: Bool = true
    ) -> Choice {
        let plain = 1 / (costs.seconds(rows: 1, depth: depth) + spentSeconds)
        var best = Choice(nodeCount: 0, rate: plain)
        var expected = 1.0
        for (index, probability) in reach.enumerated() {
            expected += Double(probability)
            let seconds = costs.seconds(rows: index + 2, depth: depth, isChain: isChain) + spentSeconds
            let rate = expected / seconds
            if rate > best.rate && rate > plain * leastGain {
                best = Choice(nodeCount: index + 1, rate: rate)
            }
        }
        return best
    }

    /// How the draft layer should grow the tree, or nil where it would not pay. `levelReach` is the recent average
    /// probability of the best node of each level; a level costs `levelSeconds`. `rateWithout` is what the other
    /// sources promise on their own.
    static func growth(
        levelReach: [Float], levelSeconds: Double, costs: RowCosts, depth: Int, rateWithout: Double,
        nodeLimit: Int, depthLimit: Int
    ) -> LongSpecDraft.Growth? {
        var best = rateWithout * leastGain
        var levels = 0
        var expected = 1.0
        for (index, reach) in levelReach.prefix(min(depthLimit, nodeLimit)).enumerated() {
            expected += Double(reach)
            let seconds = costs.seconds(rows: index + 2, depth: depth) + Double(index + 1) * levelSeconds
            if expected / seconds > best {
                best = expected / seconds
                levels = index + 1
            }
        }
        guard levels > 0 else { return nil }
        return LongSpecDraft.Growth(
            widths: [Int](repeating: 2, count: levels), addedNodeLimit: min(nodeLimit, 2 * levels))
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
