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
    /// Passes of one row behind wider ones, or behind the draft's, that take longer than in plain decoding, most where
    /// a processor's cache could hold the weights. Were the second one taken for plain decoding, wide passes would look
    /// cheap beside it. Levels of the draft are measured alike, which makes them cheaper than in rounds.
    static let settlingPassCount = 2

    let rowCounts: [Int]
    /// Where costs were measured, ascending, at least two; between them and beyond the last they go on in lines.
    private var depths: [Int]
    /// [depth][row count] seconds; for each row count ascending with the depth, so that no line leads below zero.
    private var table: [[Double]]
    /// The same as it was measured.
    private var measuredTable: [[Double]] = []
    /// Observed ÷ predicted by row count, relative to one row.
    private var correction: [Double]

    /// How fast all costs follow the machine's speed as passes of one row and others show it, and each row count its
    /// own error. Wide passes push what plain ones use out of the caches and are dearer among themselves than when they
    /// were measured; were that taken for the machine's speed, plain decoding would be thought slower than it is.
    private static let sharedLearningRates = (one: 0.1, rareOne: 0.25, other: 0.02)
    private static let ownLearningRate = 0.06
    /// What a pass of one row leaves less of every correction: rows that looked too dear once are tried again.
    private static let forgetting = 0.005
    private static let corrections = 0.25...4.0
    /// What a plain pass leaves less of the distance to the measured proportions: little where that makes rows cheaper,
    /// since no wide pass has shown it.
    private static let returning = (dearer: 0.005, cheaper: 0.001)
    /// Passes that were interrupted by something else are many and much too long: bounded alike on both sides, costs
    /// follow the median rather than the mean.
    private static let errors = -0.3...0.3
    /// Nothing makes a plain pass much faster by chance. So what lies below this error is learned besides, sooner, down
    /// to the bound, and from passes that have not settled, too. Where plain passes vary much, their price is that of a
    /// fast one: the safe side.
    private static let fastError = (threshold: -0.1, bound: -0.5)
    private static let fastLearningRate = 0.3

    /// From seconds at depth 0 and at `depth`, by row count.
    init(rowCounts: [Int] = RowCosts.standardRowCounts, atStart: [Double], atDepth: [Double], depth: Int) {
        precondition(
            atStart.count == rowCounts.count && atDepth.count == atStart.count && rowCounts[0] == 1
                && rowCounts.count > 1 && depth > 0)
        self.rowCounts = rowCounts
        depths = [0, depth]
        table = [Self.plausible(atStart, rowCounts), Self.plausible(atDepth, rowCounts)]
        correction = atStart.map { _ in 1 }
        keepOrder(around: 0)
        measuredTable = table
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
        measuredTable.append(Self.plausible(seconds, rowCounts))
        table.append(measuredTable[depths.count - 1])
        keepOrder(around: depths.count - 2)
    }

    /// The last measured depth but one that is not behind `depth`, and how far `depth` is on the way to the next.
    private func place(of depth: Int) -> (index: Int, fraction: Double) {
        var index = 0
        while index < depths.count - 2 && depths[index + 1] <= depth { index += 1 }
        return (index, Double(depth - depths[index]) / Double(depths[index + 1] - depths[index]))
    }

    /// Seconds of a pass of `rows` rows behind `depth` positions; never less with more rows.
    func seconds(rows: Int, depth: Int) -> Double {
        let place = place(of: depth)
        func measured(_ index: Int) -> Double {
            greatest(upTo: index) { column in
                let (near, far) = (table[place.index][column], table[place.index + 1][column])
                return near + (far - near) * place.fraction
            }
        }
        guard let upper = rowCounts.firstIndex(where: { $0 >= rows }) else {
            return measured(rowCounts.count - 1) + extrapolation(rows: rows, place)
        }
        guard upper > 0 else { return measured(0) }
        let fraction = Double(rows - rowCounts[upper - 1]) / Double(rowCounts[upper] - rowCounts[upper - 1])
        return measured(upper - 1) + (measured(upper) - measured(upper - 1)) * fraction
    }

    /// The greatest of the corrected costs up to row count `index`: more rows never cost less.
    private func greatest(upTo index: Int, _ seconds: (_ column: Int) -> Double) -> Double {
        (0...index).reduce(0) { max($0, seconds($1) * correction[$1]) }
    }

    /// What rows beyond the most that were measured add, in seconds: the line through the last two row counts goes on,
    /// nowhere less steep than behind fewer positions.
    private func extrapolation(rows: Int, _ place: (index: Int, fraction: Double)) -> Double {
        let last = rowCounts.count - 1
        func step(_ depthIndex: Int) -> Double {
            table[...depthIndex].reduce(0) { steepest, costs in
                max(steepest, greatest(upTo: last) { costs[$0] } - greatest(upTo: last - 1) { costs[$0] })
            }
        }
        let (near, far) = (step(place.index), step(place.index + 1))
        let steps = Double(rows - rowCounts[last]) / Double(rowCounts[last] - rowCounts[last - 1])
        return steps * (near + (far - near) * place.fraction)
    }

    // MARK: Learning

    /// Observed ÷ predicted − 1; nil where that says nothing.
    private func error(of seconds: Double, rows: Int, depth: Int) -> Double? {
        let predicted = self.seconds(rows: rows, depth: depth)
        return predicted > 0 && seconds.isFinite ? seconds / predicted - 1 : nil
    }

    private static func bounded(_ error: Double) -> Double {
        min(errors.upperBound, max(errors.lowerBound, error))
    }

    /// Takes in how long a pass took, or a level of the draft. Plain passes of the target: `observePlain`.
    mutating func observe(rows: Int, depth: Int, seconds: Double) {
        guard let error = error(of: seconds, rows: rows, depth: depth).map(Self.bounded) else { return }
        guard rows > 1 else {
            scale(by: error * Self.sharedLearningRates.one, at: depth)
            forgetCorrections()
            return
        }
        scale(by: error * Self.sharedLearningRates.other, at: depth)
        var nearest = 1  // one row has no correction: all others are relative to it
        for index in rowCounts.indices.dropFirst()
        where abs(rowCounts[index] - rows) < abs(rowCounts[nearest] - rows) { nearest = index }
        correction[nearest] = min(
            Self.corrections.upperBound,
            max(Self.corrections.lowerBound, correction[nearest] * (1 + Self.ownLearningRate * error)))
    }

    /// Takes in how long a plain pass took. `isRare`: they are seldom seen, each counts for more. Not `isSettled`: it
    /// ran right behind a wider one, which makes it slower than plain decoding. It counts where it was much faster.
    mutating func observePlain(depth: Int, seconds: Double, isRare: Bool = false, isSettled: Bool = true) {
        guard let error = error(of: seconds, rows: 1, depth: depth) else { return }
        let beyond = min(0, max(Self.fastError.bound, error) - Self.fastError.threshold)
        guard isSettled || beyond < 0 else { return }
        let rate = isRare ? Self.sharedLearningRates.rareOne : Self.sharedLearningRates.one
        let step = (isSettled ? Self.bounded(error) * rate : 0) + beyond * Self.fastLearningRate
        shift(by: step, at: depth)
        forgetCorrections()
    }

    private mutating func forgetCorrections() {
        for index in correction.indices { correction[index] += Self.forgetting * (1 - correction[index]) }
    }

    /// All costs behind `depth` change by the part `step`. The depths measured on both sides answer for it, the nearer
    /// one more; beyond the last one its distance from the one before does, which is attention.
    private mutating func scale(by step: Double, at depth: Int) {
        let (near, fraction) = place(of: depth)
        for index in rowCounts.indices {
            if fraction <= 1 {
                table[near][index] *= 1 + step * (1 - fraction)
                table[near + 1][index] *= 1 + step * fraction
            } else {
                let (first, last) = (table[near][index], table[near + 1][index])
                table[near + 1][index] += step * (first / fraction + (last - first))
            }
        }
        keepOrder(around: fraction < 0.5 ? near : near + 1)
    }

    /// The cost of one row behind `depth` changes by the part `step`, those of others by as many seconds: what a pass
    /// waits for memory is the same in all, and changes with what else runs. Where it was the machine's speed that
    /// changed, all row counts return slowly to as many passes of one row as they were measured at.
    private mutating func shift(by step: Double, at depth: Int) {
        let (near, fraction) = place(of: depth)
        let before = (table[near][0], table[near + 1][0])
        if fraction <= 1 {
            shift(by: step * (1 - fraction) * before.0, depthIndex: near, weight: 1 - fraction)
            shift(by: step * fraction * before.1, depthIndex: near + 1, weight: fraction)
        } else {
            shift(by: step * (before.0 / fraction + (before.1 - before.0)), depthIndex: near + 1, weight: 1)
        }
        keepOrder(around: fraction < 0.5 ? near : near + 1)
    }

    private mutating func shift(by seconds: Double, depthIndex: Int, weight: Double) {
        table[depthIndex][0] += seconds
        let (one, measured) = (table[depthIndex][0], measuredTable[depthIndex])
        for index in rowCounts.indices.dropFirst() {
            // Prices are corrected ones.
            let price = max(one, table[depthIndex][index] * correction[index] + seconds)
            let cost = price / correction[index]
            let distance = one * measured[index] / measured[0] - cost
            let rate = distance > 0 ? Self.returning.dearer : Self.returning.cheaper
            table[depthIndex][index] = cost + weight * rate * distance
        }
    }

    /// A pass costs no less behind more positions; where that fails, the depth `anchor` is believed.
    private mutating func keepOrder(around anchor: Int) {
        for index in rowCounts.indices {
            for depth in (0..<anchor).reversed() {
                table[depth][index] = min(table[depth][index], table[depth + 1][index])
            }
            for depth in anchor + 1..<depths.count {
                table[depth][index] = max(table[depth][index], table[depth - 1][index])
            }
        }
    }

    /// A pass of one row that takes longer is measured with few row counts.
    private static let longPassSeconds = 4e-3

    /// From `pass(rows, depth)`, which runs one and returns its seconds. All row counts are measured in every round, so
    /// that whatever else the machine does hits no row count alone; rounds end with `budget`. Behind it there is only
    /// one pass of each row count that has none. As in decoding a pass of one row follows some of its own kind, and one
    /// of more rows a narrower one, which makes it dearer than after its own kind.
    static func measure(depth: Int, budget: Duration, _ pass: (_ rows: Int, _ depth: Int) -> Double)
        -> RowCosts
    {
        let clock = ContinuousClock()
        let deadline = clock.now + budget
        // The first pass touches all memory, and any one may be interrupted.
        var one = min(pass(1, depth), pass(1, 0))
        if one > longPassSeconds && clock.now < deadline { one = min(one, pass(1, 0)) }
        let rowCounts = one > longPassSeconds ? fewRowCounts : standardRowCounts
        var start = rowCounts.map { _ in Double.infinity }
        var end = start
        func settle(_ depth: Int) {
            for _ in 0..<settlingPassCount where clock.now < deadline { _ = pass(1, depth) }
        }
        for round in 0..<4 {
            for (index, rows) in rowCounts.enumerated() {
                if clock.now >= deadline && round > 0 { break }
                if rows == 1 && round > 0 { settle(depth) }  // before the first round only such passes have run
                end[index] = min(end[index], pass(rows, depth))
            }
            for (index, rows) in rowCounts.enumerated() {
                if rows == 1 { settle(0) }
                guard clock.now < deadline else { break }
                start[index] = min(start[index], pass(rows, 0))
            }
        }
        // What there was no time for: attention is left to be learned.
        for index in rowCounts.indices where !start[index].isFinite { start[index] = end[index] }
        return RowCosts(rowCounts: rowCounts, atStart: start, atDepth: end, depth: max(1, depth))
    }
}

/// A measurement behind one further depth, a pass at a time: requests come between. A value.
struct DepthMeasurement: Sendable {
    let depth: Int
    private let rowCounts: [Int]
    private var seconds: [Double]
    private var passCount = 0

    private static let roundCount = 2

    init(depth: Int, rowCounts: [Int]) {
        self.depth = depth
        self.rowCounts = rowCounts
        seconds = rowCounts.map { _ in .infinity }
    }

    /// A round begins with passes of one row that are not counted, as in `RowCosts.measure`.
    private var passesPerRound: Int { RowCosts.settlingPassCount + rowCounts.count }

    /// Seconds by row count; nil until all passes were run.
    var result: [Double]? { passCount < passesPerRound * Self.roundCount ? nil : seconds }

    /// Runs the next pass.
    mutating func advance(_ pass: (_ rows: Int, _ depth: Int) -> Double) {
        guard result == nil else { return }
        let place = passCount % passesPerRound - RowCosts.settlingPassCount  // below zero: passes that settle
        let index = max(0, place)
        let time = pass(rowCounts[index], depth)
        if place >= 0 { seconds[index] = min(seconds[index], time) }
        passCount += 1
    }
}
