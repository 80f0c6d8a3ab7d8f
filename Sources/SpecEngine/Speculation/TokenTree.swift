// Draft tokens as a tree: node 0 is the last emitted token, a path from it is one possible continuation. Flat arrays
// in topological order (a parent comes before its children), because rows of the verifying pass are nodes in this
// order. A tree knows nothing of probabilities' meaning; who proposed a node is kept for telemetry.

/// Who proposed a node.
package enum DraftSource: Int, Sendable, CaseIterable {
    /// The trained draft layer.
    case longSpec
    /// A suffix of the text seen before.
    case promptLookup
    /// What is left of the last completion.
    case lastCompletion
    /// A test's own proposals.
    case given
}

/// A tree of at most 64 tokens, so that a node's ancestors are one 64-bit set.
struct TokenTree {
    static let capacity = EngineLimits.logitRowsPerPass
    /// Nodes on the longest path, the root included: what the tree attention kernel holds per row.
    static let depthLimit = 32

    /// [count] by node, as all arrays here.
    private(set) var tokens: [TokenID] = []
    /// −1 for the root.
    private(set) var parents: [Int] = []
    /// 0 for the root.
    private(set) var depths: [Int] = []
    /// The node itself and all its ancestors, bit by node.
    private(set) var ancestors: [UInt64] = []
    private(set) var sources: [DraftSource] = []
    /// Estimated probability that the node is right, given that its parent is reached; 1 for the root.
    private(set) var acceptances: [Float] = []
    /// Estimated probability that the node is reached: the product of `acceptances` along its path.
    private(set) var reachProbabilities: [Float] = []
    /// What the estimate rests on; nil where nobody made one.
    private(set) var evidence: [Evidence?] = []
    /// What an estimate rested on that has been replaced since.
    private(set) var formerEvidence: [Evidence?] = []
    /// Every node's parent is the node before it.
    private(set) var isChain = true
    /// A node below the root is added only if it is among this many most probable ones. `reset` lifts the bound.
    var bestCount = Self.capacity

    init(root: TokenID) {
        tokens.reserveCapacity(Self.capacity)
        parents.reserveCapacity(Self.capacity)
        depths.reserveCapacity(Self.capacity)
        ancestors.reserveCapacity(Self.capacity)
        sources.reserveCapacity(Self.capacity)
        acceptances.reserveCapacity(Self.capacity)
        reachProbabilities.reserveCapacity(Self.capacity)
        evidence.reserveCapacity(Self.capacity)
        formerEvidence.reserveCapacity(Self.capacity)
        reset(root: root)
    }

    /// Empties the tree but for a new root. Allocates nothing.
    mutating func reset(root: TokenID) {
        tokens.removeAll(keepingCapacity: true)
        parents.removeAll(keepingCapacity: true)
        depths.removeAll(keepingCapacity: true)
        ancestors.removeAll(keepingCapacity: true)
        sources.removeAll(keepingCapacity: true)
        acceptances.removeAll(keepingCapacity: true)
        reachProbabilities.removeAll(keepingCapacity: true)
        evidence.removeAll(keepingCapacity: true)
        formerEvidence.removeAll(keepingCapacity: true)
        isChain = true
        bestCount = Self.capacity
        append(root, parent: -1, source: .given, acceptance: 1, evidence: nil)
    }

    /// Nodes, the root included; at least 1.
    var count: Int { tokens.count }
    /// The longest path's length without the root.
    var depth: Int { depths.max() ?? 0 }

    /// Whether a node that is reached so probably would be among the `bestCount` best; earlier ones win ties.
    private func isAmongBest(_ reach: Float) -> Bool {
        guard bestCount < count else { return true }
        return reach > reachProbabilities.dropFirst().sorted(by: >)[bestCount - 1]
    }

    /// The child of `node` that carries `token`.
    func child(of node: Int, carrying token: TokenID) -> Int? {
        var index = node + 1
        while index < count {
            if parents[index] == node && tokens[index] == token { return index }
            index += 1
        }
        return nil
    }

    /// Adds a child, or finds the one that already carries the token (keeping its source and the higher estimate).
    /// Nil when the tree is full, the path would be too long, or the node is not among the `bestCount` best.
    mutating func add(
        _ token: TokenID, under parent: Int, source: DraftSource, acceptance: Float = 0,
        evidence: Evidence? = nil
    ) -> Int? {
        precondition(parent >= 0 && parent < count)
        if let existing = child(of: parent, carrying: token) {
            if acceptance > acceptances[existing] {
                estimate(existing, acceptance: acceptance, evidence: evidence)
            }
            return existing
        }
        guard count < Self.capacity, depths[parent] + 1 < Self.depthLimit,
            isAmongBest(reachProbabilities[parent] * acceptance)
        else { return nil }
        append(token, parent: parent, source: source, acceptance: acceptance, evidence: evidence)
        return count - 1
    }

    /// Replaces a node's estimate and what follows from it below.
    mutating func estimate(_ node: Int, acceptance: Float, evidence: Evidence?) {
        precondition(node > 0 && node < count)
        acceptances[node] = acceptance
        formerEvidence[node] = self.evidence[node]
        self.evidence[node] = evidence
        for index in node..<count where ancestors[index] & (1 << UInt64(node)) != 0 {
            reachProbabilities[index] = reachProbabilities[parents[index]] * acceptances[index]
        }
    }

    private mutating func append(
        _ token: TokenID, parent: Int, source: DraftSource, acceptance: Float, evidence: Evidence?
    ) {
        let index = count
        isChain = isChain && parent == index - 1
        tokens.append(token)
        parents.append(parent)
        depths.append(parent < 0 ? 0 : depths[parent] + 1)
        ancestors.append((parent < 0 ? 0 : ancestors[parent]) | 1 << UInt64(index))
        sources.append(source)
        acceptances.append(acceptance)
        reachProbabilities.append(parent < 0 ? 1 : reachProbabilities[parent] * acceptance)
        self.evidence.append(evidence)
        formerEvidence.append(nil)
    }

    /// The nodes from the root to `node`, both included.
    func path(to node: Int) -> [Int] {
        (0...node).filter { ancestors[node] & (1 << UInt64($0)) != 0 }
    }

    /// Keeps the nodes of the set `kept` (bit by node), which must hold each one's parent. Order stays.
    mutating func keep(_ kept: UInt64) {
        precondition(kept & 1 == 1)
        var newIndex = [Int](repeating: -1, count: count)
        let old = self
        reset(root: old.tokens[0])
        newIndex[0] = 0
        for index in 1..<max(1, old.count) where kept & (1 << UInt64(index)) != 0 {
            let parent = newIndex[old.parents[index]]
            precondition(parent >= 0, "a kept node needs its parent")
            newIndex[index] = count
            append(
                old.tokens[index], parent: parent, source: old.sources[index],
                acceptance: old.acceptances[index], evidence: old.evidence[index])
        }
    }

    /// What must always hold; tests call it.
    func checkInvariants() {
        precondition((1...Self.capacity).contains(count) && parents[0] == -1 && depths[0] == 0)
        for index in 1..<max(1, count) {
            let parent = parents[index]
            precondition((0..<index).contains(parent), "parents come first")
            precondition(depths[index] == depths[parent] + 1 && depths[index] < Self.depthLimit)
            precondition(ancestors[index] == ancestors[parent] | 1 << UInt64(index))
            precondition(
                child(of: parent, carrying: tokens[index]) == index, "siblings carry different tokens")
        }
        for index in 1..<max(1, count) {
            precondition(reachProbabilities[index] == reachProbabilities[parents[index]] * acceptances[index])
        }
        precondition(isChain == (1..<max(1, count)).allSatisfy { parents[$0] == $0 - 1 })
    }
}
