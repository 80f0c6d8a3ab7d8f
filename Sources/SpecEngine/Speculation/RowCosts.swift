// What a pass costs on this machine, by rows and depth: linear layers cost the same at every depth, attention grows
// with it. Measured once at start in a few dozen passes, corrected by every pass since. The draft layer's levels are
// priced in the same way.

/// Seconds of passes. A value; pure but for the measuring.
struct RowCosts: Sendable {
    /// Row counts that are measured; costs between them are interpolated.
    static let standardRowCounts = [1, 2, 4, 8, 16]
    /// Row counts for a model whose passes are so long that all would take too long to measure.
    static let fewRowCounts = [1, 8]
    /// The depth of the second measurement.
    static let measuredDepth = 1_536

    let rowCounts: [Int]
    private var linear: [Double]  // seconds by measured row count at depth 0
    private var attention: [Double]  // additional seconds per position of depth
    /// Observed ÷ predicted, for chains and for other trees.
    private var chainCorrection: [Double]
    private var treeCorrection: [Double]

    /// How fast all costs follow the machine's speed as plain passes and others show it, and each row count its own
    /// error. Wide passes push what plain ones use out of the caches and are dearer among themselves than when they
    /// were measured; were that taken for the machine's speed, plain decoding would be thought slower than it is.
    private static let sharedLearningRates = (plain: 0.1, other: 0.02)
    private static let ownLearningRate = 0.06

    /// From seconds at depth 0 and at `depth`, by row count.
    init(rowCounts: [Int] = RowCosts.standardRowCounts, atStart: [Double], atDepth: [Double], depth: Int) {
        precondition(
            atStart.count == rowCounts.count && atDepth.count == atStart.count && rowCounts[0] == 1
                && rowCounts.count > 1 && depth > 0)
        self.rowCounts = rowCounts
        // More rows cost more, but no more than as many passes of one row: what else was measured is noise, which the
        // way to a great depth would multiply.
        func plausible(_ values: [Double]) -> [Double] {
            var least = 0.0
            return zip(values, rowCounts).map { value, rows in
                least = max(least, min(value, values[0] * Double(rows)))
                return least
            }
        }
        linear = plausible(atStart)
        attention = plausible(zip(atStart, atDepth).map { max(0, ($1 - $0) / Double(depth)) })
        chainCorrection = atStart.map { _ in 1 }
        treeCorrection = chainCorrection
    }

    /// Seconds of a pass of `rows` rows behind `depth` positions.
    func seconds(rows: Int, depth: Int, isChain: Bool = true) -> Double {
        let correction = isChain ? chainCorrection : treeCorrection
        func measured(_ index: Int) -> Double {
            (linear[index] + attention[index] * Double(depth)) * correction[index]
        }
        var upper = 0
        while upper < rowCounts.count - 1 && rowCounts[upper] < rows { upper += 1 }
        guard upper > 0 else { return measured(0) }
        // Beyond the last count the line through the last two goes on.
        let fraction = Double(rows - rowCounts[upper - 1]) / Double(rowCounts[upper] - rowCounts[upper - 1])
        return measured(upper - 1) + (measured(upper) - measured(upper - 1)) * fraction
    }

    /// Takes in how long a pass took.
    mutating func observe(rows: Int, depth: Int, isChain: Bool, seconds: Double) {
        var nearest = 0
        for index in rowCounts.indices where abs(rowCounts[index] - rows) < abs(rowCounts[nearest] - rows) {
            nearest = index
        }
        // Passes that were interrupted by something else are many and much too long: bounded alike on both sides, the
        // correction follows the median rather than the mean.
        let ratio = min(1.3, max(0.7, seconds / self.seconds(rows: rows, depth: depth, isChain: isChain)))
        // The error belongs to linear layers and attention as the pass's time does: behind a long context it is
        // attention that was misjudged, and a short one is as cheap as it was.
        let attentionShare = attention[nearest] * Double(depth)
        let share = attentionShare / (linear[nearest] + attentionShare)
        let rate = rows == 1 ? Self.sharedLearningRates.plain : Self.sharedLearningRates.other
        let step = rate * (ratio - 1)
        for index in rowCounts.indices {
            linear[index] *= 1 + step * (1 - share)
            attention[index] *= 1 + step * share
        }
        let own = rows == 1 ? 1 : 1 + Self.ownLearningRate * (ratio - 1)
        if isChain { chainCorrection[nearest] *= own } else { treeCorrection[nearest] *= own }
    }

    /// A pass of one row that takes longer is measured with few row counts.
    private static let longPassSeconds = 4e-3

    /// From `pass(rows, depth)`, which runs one and returns its seconds. All row counts are measured in every round, so
    /// that whatever else the machine does hits no row count alone; rounds end with `budget`.
    static func measure(depth: Int, budget: Duration, _ pass: (_ rows: Int, _ depth: Int) -> Double)
        -> RowCosts
    {
        let clock = ContinuousClock()
        let deadline = clock.now + budget
        _ = pass(1, depth)  // touches all memory
        let isLong = pass(1, 0) > longPassSeconds
        let rowCounts = isLong ? fewRowCounts : standardRowCounts
        var start = rowCounts.map { _ in Double.infinity }
        var end = start
        for round in 0..<4 {
            for (index, rows) in rowCounts.enumerated() {
                if round > 0 && clock.now > deadline { break }
                // A pass that follows a wider one finds the caches full of that one's data.
                if round == 0 { _ = pass(rows, depth) }
                end[index] = min(end[index], pass(rows, depth))
                start[index] = min(start[index], pass(rows, 0))
            }
        }
        return RowCosts(rowCounts: rowCounts, atStart: start, atDepth: end, depth: max(1, depth))
    }
}
