// What a pass costs on this machine, by rows and depth: linear layers cost the same at every depth, attention grows
// with it. Measured once at start in a few dozen passes, corrected by every pass since.

/// Seconds of passes. A value; pure but for the measuring.
struct RowCosts: Sendable {
    /// Row counts that are measured; costs between them are interpolated.
    static let measuredRowCounts = [1, 2, 4, 8, 16]
    /// The depth of the second measurement.
    static let measuredDepth = 1_536

    private var atStart: [Double]  // seconds by measured row count at depth 0
    private var perPosition: [Double]  // additional seconds per position of depth
    /// Observed ÷ predicted, for chains and for other trees.
    private var chainCorrection: [Double]
    private var treeCorrection: [Double]

    /// How fast all costs follow the machine's speed as it is now, and each row count its own error.
    private static let sharedLearningRate = 0.08
    private static let ownLearningRate = 0.04

    /// From seconds at depth 0 and at `depth`, by measured row count.
    init(atStart: [Double], atDepth: [Double], depth: Int) {
        precondition(
            atStart.count == Self.measuredRowCounts.count && atDepth.count == atStart.count && depth > 0)
        // More rows cost more, but no more than as many passes of one row: what else was measured is noise, which the
        // way to a great depth would multiply.
        func plausible(_ values: [Double]) -> [Double] {
            var least = 0.0
            return zip(values, Self.measuredRowCounts).map { value, rows in
                least = max(least, min(value, values[0] * Double(rows)))
                return least
            }
        }
        self.atStart = plausible(atStart)
        perPosition = plausible(zip(atStart, atDepth).map { max(0, ($1 - $0) / Double(depth)) })
        chainCorrection = atStart.map { _ in 1 }
        treeCorrection = chainCorrection
    }

    /// Seconds of a pass of `rows` rows behind `depth` positions.
    func seconds(rows: Int, depth: Int, isChain: Bool = true) -> Double {
        let counts = Self.measuredRowCounts
        let correction = isChain ? chainCorrection : treeCorrection
        func measured(_ index: Int) -> Double {
            (atStart[index] + perPosition[index] * Double(depth)) * correction[index]
        }
        var upper = 0
        while upper < counts.count - 1 && counts[upper] < rows { upper += 1 }
        guard upper > 0 else { return measured(0) }
        // Beyond the last count the line through the last two goes on.
        let fraction = Double(rows - counts[upper - 1]) / Double(counts[upper] - counts[upper - 1])
        return measured(upper - 1) + (measured(upper) - measured(upper - 1)) * fraction
    }

    /// Takes in how long a pass took.
    mutating func observe(rows: Int, depth: Int, isChain: Bool, seconds: Double) {
        let nearest = Self.measuredRowCounts.indices.min {
            abs(Self.measuredRowCounts[$0] - rows) < abs(Self.measuredRowCounts[$1] - rows)
        }!
        // Passes that were interrupted by something else are many and much too long: bounded alike on both sides, the
        // correction follows the median rather than the mean.
        let ratio = min(1.3, max(0.7, seconds / self.seconds(rows: rows, depth: depth, isChain: isChain)))
        let shared = 1 + Self.sharedLearningRate * (ratio - 1)
        for index in chainCorrection.indices {
            chainCorrection[index] *= shared
            treeCorrection[index] *= shared
        }
        let own = 1 + Self.ownLearningRate * (ratio - 1)
        if isChain { chainCorrection[nearest] *= own } else { treeCorrection[nearest] *= own }
    }

    /// Measures on an idle model without a resident sequence; about 60 ms for the default model.
    static func measure(on model: TransformerModel) -> RowCosts {
        let depth = min(measuredDepth, model.positionLimit - measuredRowCounts.last!)
        _ = model.measurePass(rowCount: measuredRowCounts.last!, depth: depth)  // touches all memory
        var start = measuredRowCounts.map { _ in Double.infinity }
        var end = start
        // Round after round, so that whatever else the machine does hits no row count alone.
        for _ in 0..<4 {
            for (index, rows) in measuredRowCounts.enumerated() {
                start[index] = min(start[index], model.measurePass(rowCount: rows, depth: 0))
                end[index] = min(end[index], model.measurePass(rowCount: rows, depth: depth))
            }
        }
        return RowCosts(atStart: start, atDepth: end, depth: max(1, depth))
    }
}
