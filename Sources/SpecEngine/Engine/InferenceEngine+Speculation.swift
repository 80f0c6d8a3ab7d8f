// What the measuring commands ask of an engine about speculation: prices at a depth, what the drafts would have
// proposed along a given text, proposals of the caller's own. Nothing here serves completions.

/// Seconds of passes and of the draft layer's levels, by rows, behind one depth. A value.
package struct SpeculationCosts: Sendable {
    /// Rows and seconds, ascending by rows.
    package let passes: [(rows: Int, seconds: Double)]
    /// Empty without a draft.
    package let levels: [(rows: Int, seconds: Double)]

    /// More rows never cost less: what was measured otherwise is noise.
    package init(passes: [(rows: Int, seconds: Double)], levels: [(rows: Int, seconds: Double)]) {
        self.passes = Self.ascending(passes)
        self.levels = Self.ascending(levels)
    }

    private static func ascending(_ curve: [(rows: Int, seconds: Double)]) -> [(rows: Int, seconds: Double)] {
        var least = 0.0
        return curve.map { entry in
            least = max(least, entry.seconds)
            return (entry.rows, least)
        }
    }

    /// Interpolated between what was measured.
    package func passSeconds(rows: Int) -> Double { Self.interpolate(passes, rows) }
    package func levelSeconds(rows: Int) -> Double { Self.interpolate(levels, rows) }

    /// The speed-up that a draft gives which is free and always right, with at most so many rows.
    package func bound(maximumRows: Int) -> Double {
        (1...maximumRows).map { Double($0) * passSeconds(rows: 1) / passSeconds(rows: $0) }.max() ?? 1
    }

    private static func interpolate(_ curve: [(rows: Int, seconds: Double)], _ rows: Int) -> Double {
        guard let first = curve.first else { return 0 }
        guard curve.count > 1 else { return first.seconds }
        let upper = curve.indices.dropFirst().first { curve[$0].rows >= rows } ?? curve.count - 1
        let (a, b) = (curve[upper - 1], curve[upper])
        return a.seconds + (b.seconds - a.seconds) * Double(rows - a.rows) / Double(b.rows - a.rows)
    }
}

extension InferenceEngine {
    /// How long measuring the machine took when the engine was loaded; nil where it does not speculate.
    package func calibrationTime(alternative: Int? = nil) -> Duration? {
        (alternative.map { alternatives[$0] } ?? speculator)?.calibrationTime
    }

    /// Keeps the time that attention takes, for generations from now on. Costs a clock read per layer.
    package func setProfiling(_ isOn: Bool) {
        if case .quantized(let model) = model { model.timesAttention = isOn }
    }

    /// Seconds of one pass and of one level of each width, behind the resident sequence. Row counts ascend, so that
    /// only the first pass would follow a wider one: passes of one row settle before it. Nil where there is no room for
    /// them, and for what does not speculate.
    package func measurePassesAndLevels(
        alternative: Int, rowCounts: [Int], levelRowCounts: [Int]
    ) -> (passes: [Double], levels: [Double])? {
        guard case .quantized(let model) = model, let speculator = alternatives[alternative],
            model.tokens.count + (rowCounts + levelRowCounts).reduce(0, max) <= positionLimit
        else { return nil }
        let depth = model.tokens.count
        return team.withLiveRequest(cancellation: nil) {
            for _ in 0..<RowCosts.settlingPassCount { _ = model.measurePass(rowCount: 1, depth: depth) }
            let passes = rowCounts.map { model.measurePass(rowCount: $0, depth: depth) }
            guard let draft = speculator.longSpec else { return (passes, []) }
            let levels = levelRowCounts.map { rows in
                // Between two levels the target's pass runs, as in a round.
                _ = draft.measureLevel(rowCount: rows, depth: depth)
                _ = model.measurePass(rowCount: rows, depth: depth)
                return draft.measureLevel(rowCount: rows, depth: depth)
            }
            return (passes, levels)
        }
    }

    /// Measures at once what is planned behind further depths, instead of between requests.
    package func finishMeasuring() {
        while measureFurther() {}
    }

    /// Seconds of passes behind `depth` positions whose keys and values are whatever is there. Empties the sequence.
    package func passCosts(rowCounts: [Int], depth: Int, repeats: Int) -> SpeculationCosts? {
        guard case .quantized(let model) = model, depth + (rowCounts.max() ?? 0) <= positionLimit else {
            return nil
        }
        var passes = [[Double]](repeating: [], count: rowCounts.count)
        team.withLiveRequest(cancellation: nil) {
            model.truncate(to: 0)
            for _ in 0..<repeats {
                for (index, rows) in rowCounts.enumerated() {
                    for _ in 0..<(rows == 1 ? RowCosts.settlingPassCount : 1) {
                        _ = model.measurePass(rowCount: rows, depth: depth)
                    }
                    passes[index].append(model.measurePass(rowCount: rows, depth: depth))
                }
            }
        }
        return SpeculationCosts(
            passes: zip(rowCounts, passes).map { ($0, $1.sorted()[$1.count / 2]) }, levels: [])
    }

    /// What an alternative has learned, to begin from it again; nil where it does not speculate.
    package func learned(alternative: Int) -> SpeculationLearning? { alternatives[alternative]?.learned }

    package func restore(_ learned: SpeculationLearning, alternative: Int) {
        alternatives[alternative]?.restore(learned)
    }

    /// What an alternative's drafts would have proposed at every token of `continuation`. Changes nothing that they
    /// have learned.
    package func recordDrafts(
        alternative: Int, prompt: [TokenID], continuation: [TokenID], nodeCount: Int
    ) -> [DraftRecord] {
        guard case .quantized(let model) = model, let speculator = alternatives[alternative] else {
            return []
        }
        return team.withLiveRequest(cancellation: nil) {
            guard model.prefill(prompt, cancellation: CancellationFlag()).isComplete else { return [] }
            let learned = speculator.learned
            defer { speculator.restore(learned) }
            return speculator.record(prompt: prompt, continuation: continuation, nodeCount: nodeCount)
        }
    }

    /// Decodes with the caller's own proposals: `chain(emitted)` gives the tokens that may follow the first `emitted`
    /// ones of the output; as many as are of use are verified.
    package func generate(
        _ request: GenerationRequest, proposing chain: @escaping @Sendable (_ emitted: Int) -> [TokenID]
    ) throws(EngineError) -> Generation {
        guard case .quantized(let model) = model else { return try generate(request) }
        let speculator = Speculator(
            model: model, options: SpeculationOptions(mode: .lookup), proposing: chain)
        return try generate(request, with: speculator)
    }
}
