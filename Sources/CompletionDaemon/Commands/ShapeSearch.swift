// The speed that any one tree shape would have given, computed from recorded proposals and measured costs: the
// yardstick for a policy that chooses a shape in every round. A shape is a number of draft levels and a number of
// nodes, the most probable ones; it is the same in every round.

import SpecEngine

enum ShapeSearch {
    struct Shape: Hashable {
        /// Levels of the draft layer; 0: text seen before alone.
        let levelCount: Int
        let nodeCount: Int
    }

    static let levelCounts = 0...8
    static let nodeCounts = [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 19, 23, 27, 31]

    static let shapes = levelCounts.flatMap { levels in
        nodeCounts.filter { $0 > 0 || levels == 0 }.map { Shape(levelCount: levels, nodeCount: $0) }
    }

    /// Seconds that a text would have taken with each shape. `records[i]` stands at the text's token i; the first token
    /// comes from the prompt's pass. `endsText`: the text ends in a token that is drawn after its last one.
    static func seconds(
        _ records: [DraftRecord], endsText: Bool, costs: SpeculationCosts
    ) -> [Shape: Double] {
        let hasDraft = records.contains { !$0.levelRowCounts.isEmpty }
        var result: [Shape: Double] = [:]
        for levelCount in levelCounts where levelCount == 0 || hasDraft {
            let ranked = records.map { rightRanks($0, levelCount: levelCount) }
            for shape in shapes where shape.levelCount == levelCount {
                result[shape] = replay(records, ranked, shape: shape, endsText: endsText, costs: costs)
            }
        }
        return result
    }

    /// Where the right nodes stand among those of the first levels, the most probable first; and how many there are.
    private static func rightRanks(_ record: DraftRecord, levelCount: Int) -> (ranks: [Int], count: Int) {
        let nodes = (levelCount == 0 ? record.found : record.grown).filter { $0.level <= levelCount }
        let order = nodes.indices.sorted { a, b in
            nodes[a].reach != nodes[b].reach ? nodes[a].reach > nodes[b].reach : a < b
        }
        return (order.indices.filter { nodes[order[$0]].isRight }, nodes.count)
    }

    private static func replay(
        _ records: [DraftRecord], _ ranked: [(ranks: [Int], count: Int)], shape: Shape, endsText: Bool,
        costs: SpeculationCosts
    ) -> Double {
        var seconds = 0.0
        var position = 0
        while position < records.count {
            let accepted = ranked[position].ranks.prefix { $0 < shape.nodeCount }.count
            seconds += costs.passSeconds(rows: 1 + min(shape.nodeCount, ranked[position].count))
            for rows in records[position].levelRowCounts.prefix(shape.levelCount) {
                // Recorded with room for more nodes; a smaller shape looks at no more than it keeps.
                seconds += costs.levelSeconds(rows: min(rows, max(1, shape.nodeCount)))
            }
            position += accepted + 1
        }
        // Where all that was left was accepted, the same pass has drawn the end.
        return endsText && position == records.count ? seconds + costs.passSeconds(rows: 1) : seconds
    }
}
