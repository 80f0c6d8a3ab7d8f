// What a pass costs on this machine, by rows and depth: linear layers cost the same at every depth, attention grows
// with it. Measured at start in a few dozen passes, and again after the first completion behind each doubling of the
// depth; corrected by every pass since. The draft layer's levels are priced in the same way.

/// Seconds of passes. A value; pure but for the measuring.
struct RowCosts: Sendable {
    /// Row counts that are measured; costs between them are interpolated.
    static let standardRowCounts = [1, 2, 4, 8, 16]
    /// Row counts for a model whose passes are so long that all would take too long to measure.
    static let fewRowCounts = [1, 8]
    /// The depth of the second measurement.
    static let measuredDepth = 1_536

    let rowCounts: [Int]
    /// Where costs were measured, ascending, at least two; between them and beyond the last they go on in lines.
    private var depths: [Int]
    private var table: [[Double]]  // [depth][row count] seconds
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
        depths = [0, depth]
        table = [Self.plausible(atStart, rowCounts), Self.plausible(atDepth, rowCounts)]
        for index in rowCounts.indices { table[1][index] = max(table[0][index], table[1][index]) }
        chainCorrection = atStart.map { _ in 1 }
        treeCorrection = chainCorrection
    }

    /// More rows cost more, but no more than as many passes of one row: what else was measured is noise, which the way
    /// to a great depth would multiply.
    private static func plausible(_ seconds: [Double], _ rowCounts: [Int]) -> [Double] {
        var least = 0.0
        return zip(seconds, rowCounts).map { value, rows in
            least = max(least, min(value, seconds[0] * Double(rows)))
            return least
        }
    }

    /// Whether `depth` is so far behind what was measured that a line leads nowhere.
    func needsMeasuring(at depth: Int) -> Bool { depth > 2 * (depths.last ?? 0) }

    /// Takes in a measurement behind a greater depth than any before.
    mutating func add(_ seconds: [Double], at depth: Int) {
        precondition(seconds.count == rowCounts.count)
        guard depth > depths.last ?? 0, seconds.allSatisfy(\.isFinite) else { return }
        depths.append(depth)
        table.append(Self.plausible(seconds, rowCounts))
    }

    /// The last measured depth but one that is not behind `depth`, and how far `depth` is on the way to the next.
    private func place(of depth: Int) -> (index: Int, fraction: Double) {
        var index = 0
        while index < depths.count - 2 && depths[index + 1] <= depth { index += 1 }
        return (index, Double(depth - depths[index]) / Double(depths[index + 1] - depths[index]))
    }

    /// Seconds of a pass of `rows` rows behind `depth` positions.
    func seconds(rows: Int, depth: Int, isChain: Bool = true) -> Double {
        let correction = isChain ? chainCorrection : treeCorrection
        let place = place(of: depth)
        func measured(_ index: Int) -> Double {
            let (near, far) = (table[place.index][index], table[place.index + 1][index])
            return (near + (far - near) * place.fraction) * correction[index]
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
        // The depths measured on both sides answer for the error, the nearer one more.
        let rate = rows == 1 ? Self.sharedLearningRates.plain : Self.sharedLearningRates.other
        let place = place(of: depth)
        let far = min(1, place.fraction)
        for index in rowCounts.indices {
            table[place.index][index] *= 1 + rate * (ratio - 1) * (1 - far)
            table[place.index + 1][index] *= 1 + rate * (ratio - 1) * far
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

    /// The same behind one further depth: the least of a few passes of each row count.
    mutating func measureFurther(depth: Int, _ pass: (_ rows: Int, _ depth: Int) -> Double) {
        let seconds = rowCounts.map { rows in
            _ = pass(rows, depth)  // finds the caches full of another width's data
            return (0..<2).map { _ in pass(rows, depth) }.min() ?? .infinity
        }
        add(seconds, at: depth)
    }
}
