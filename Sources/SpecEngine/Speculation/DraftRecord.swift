// What the drafts would have proposed at every place of a text that is known, and how much of it was right: from this
// the speed of any tree shape can be computed without decoding again.

/// The proposals at one place. A value.
package struct DraftRecord: Sendable {
    package struct Node: Sendable, Equatable {
        /// The level of the draft layer that added it, from 1; 0 for text seen before.
        package let level: Int
        /// Estimated probability of being reached.
        package let reach: Float
        /// Whether the text goes this way.
        package let isRight: Bool

        package init(level: Int, reach: Float, isRight: Bool) {
            self.level = level
            self.reach = reach
            self.isRight = isRight
        }
    }

    /// From text seen before alone, and with the draft layer; in an order in which parents come first.
    package let found: [Node]
    package let grown: [Node]
    /// Rows of each level of the draft layer.
    package let levelRowCounts: [Int]

    package init(found: [Node], grown: [Node], levelRowCounts: [Int]) {
        self.found = found
        self.grown = grown
        self.levelRowCounts = levelRowCounts
    }
}

extension Speculator {
    /// Trees of at most `nodeCount` nodes at each token of `continuation`, which follows the resident sequence
    /// `prompt`. Leaves the sequence longer.
    func record(prompt: [TokenID], continuation: [TokenID], nodeCount: Int) -> [DraftRecord] {
        var records: [DraftRecord] = []
        begin(prompt: prompt)
        for (index, root) in continuation.enumerated() {
            append(root)
            let rest = continuation[(index + 1)...]
            guard !rest.isEmpty else { break }
            let (found, grown, levels) = candidates(
                root: root, nodeCount: nodeCount, depthLimit: min(rest.count, TokenTree.depthLimit - 1))
            records.append(
                DraftRecord(
                    found: Self.nodes(of: found, levels: found.depths.map { _ in 0 }, rest: rest),
                    grown: Self.nodes(of: grown, levels: levels, rest: rest),
                    levelRowCounts: lastLevelRowCounts))
            guard advance(root) else { break }
        }
        return records
    }

    /// `levels`: by node.
    private static func nodes(
        of tree: TokenTree, levels: [Int], rest: ArraySlice<TokenID>
    ) -> [DraftRecord.Node] {
        var isRight = [Bool](repeating: true, count: tree.count)
        return (1..<max(1, tree.count)).map { node in
            let expected = rest[rest.startIndex + tree.depths[node] - 1]
            isRight[node] = isRight[tree.parents[node]] && tree.tokens[node] == expected
            return DraftRecord.Node(
                level: levels[node], reach: tree.reachProbabilities[node], isRight: isRight[node])
        }
    }
}
