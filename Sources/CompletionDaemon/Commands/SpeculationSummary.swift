// From case records to the figures of `bench --scenario speculation`: pure arithmetic, prompt size by prompt size.

import SpecEngine

struct SpeculationSummary {
    let records: [SpeculationCaseRecord]
    let kindNames: [String]  // without plain
    let label: String

    /// Cases that the model answered with nothing have no speed and do not count.
    init(records: [SpeculationCaseRecord], kindNames: [String], label: String) {
        self.records = records.filter { $0.tokenCount > 0 }
        self.kindNames = kindNames
        self.label = label
    }

    var results: [BenchResult] {
        guard !records.isEmpty else { return [] }
        var results = [summary("plain_rate", "tok/s", records.map { rate($0, "plain") })]
        for kind in kindNames { results += self.results(of: kind) }
        return results + costResults + shapeResults
    }

    // MARK: Kinds

    private func rate(_ record: SpeculationCaseRecord, _ kind: String) -> Double {
        BenchStatistics.median(record.rates[kind] ?? [])
    }

    private func results(of kind: String) -> [BenchResult] {
        let speedups = records.compactMap { $0.speedup(kind) }
        let profile = total(kind)
        let rounds = Double(max(1, profile.rounds))
        let times = [
            ("draft", profile.draftSeconds), ("target_attention", profile.attentionSeconds),
            ("target_linear", profile.linearSeconds), ("verification", profile.verificationSeconds),
        ]
        let time = times.reduce(0) { $0 + $1.1 }
        return [
            summary("\(kind)_rate", "tok/s", records.map { rate($0, kind) }),
            summary("\(kind)_speedup", "x", speedups),
            bounded("\(kind)_speedup_geometric_mean", BenchStatistics.bootstrappedGeometricMean(speedups)),
            bounded("\(kind)_speedup_together", speedupTogether(kind)),
            single("\(kind)_speedup_worst_case", "x", speedups.min() ?? 0),
            single("\(kind)_tau", "tokens/pass", Double(profile.emitted) / rounds),
            summary("\(kind)_relative_cost", "passes/round", records.compactMap { relativeCost($0, kind) }),
            summary("\(kind)_efficiency", "x", records.compactMap { efficiency($0, kind) }),
            summary("\(kind)_passes_in_rounds", "x", records.compactMap { passesInRounds($0, kind) }),
            single(
                "\(kind)_nodes_per_round", "nodes",
                Double(profile.drafted.reduce(0) { $0 + $1.reduce(0, +) }) / rounds),
            single(
                "\(kind)_levels_per_round", "levels", Double(profile.levelsByRowCount.reduce(0, +)) / rounds),
        ] + times.map { single("\(kind)_share_\($0.0)", "%", time > 0 ? 100 * $0.1 / time : 0) }
            + sourceResults(kind, profile)
    }

    private func sourceResults(_ kind: String, _ profile: SpeculationCaseRecord.Profile) -> [BenchResult] {
        DraftSource.allCases.flatMap { source -> [BenchResult] in
            guard source.rawValue < profile.drafted.count else { return [] }
            let drafted = profile.drafted[source.rawValue]
            let accepted = profile.accepted[source.rawValue]
            let count = drafted.reduce(0, +)
            guard count > 0 else { return [] }
            let name = "\(kind)_\(source.name)"
            let right = Double(accepted.reduce(0, +))
            return [
                single("\(name)_accepted", "%", 100 * right / Double(count)),
                single("\(name)_share_of_tokens", "%", 100 * right / Double(max(1, profile.emitted))),
            ]
                + drafted.indices.filter { drafted[$0] > 0 }.map { depth in
                    BenchResult(
                        name: "\(name)_accepted_at_depth_\(depth + 1)@\(label)", unit: "%",
                        median: Self.rounded(100 * Double(accepted[depth]) / Double(drafted[depth])), p5: 0,
                        p95: 100,
                        n: drafted[depth])
                }
        }
    }

    /// What the texts gain together: the time that they take one after the other, plain ÷ with `kind`. Where the
    /// geometric mean counts each text once, however short, this counts each token.
    private func speedupTogether(_ kind: String) -> (value: Double, lower: Double, upper: Double) {
        let seconds = records.filter { rate($0, "plain") > 0 && rate($0, kind) > 0 }.map {
            (plain: Double($0.tokenCount) / rate($0, "plain"), kind: Double($0.tokenCount) / rate($0, kind))
        }
        return BenchStatistics.bootstrapped(seconds) { sample in
            sample.isEmpty ? 1 : sample.reduce(0) { $0 + $1.plain } / sample.reduce(0) { $0 + $1.kind }
        }
    }

    private func total(_ kind: String) -> SpeculationCaseRecord.Profile {
        var total = SpeculationCaseRecord.Profile()
        for profile in records.compactMap({ $0.profiles[kind] }) { total.add(profile) }
        return total
    }

    /// Seconds of one repetition of a text by the case's own costs, draft included.
    private func predictedSeconds(_ record: SpeculationCaseRecord, _ kind: String) -> Double? {
        guard let profile = record.profiles[kind], let repetitions = record.rates[kind]?.count, repetitions > 0
        else { return nil }
        return record.costs.predictedSeconds(profile) / Double(repetitions)
    }

    private func predictedPlainSeconds(_ record: SpeculationCaseRecord) -> Double {
        Double(record.plainRounds) * record.costs.curve.passSeconds(rows: 1)
    }

    /// What a round cost in passes of one row.
    private func relativeCost(_ record: SpeculationCaseRecord, _ kind: String) -> Double? {
        guard let profile = record.profiles[kind], profile.rounds > 0 else { return nil }
        return record.costs.predictedSeconds(profile)
            / (Double(profile.rounds) * record.costs.curve.passSeconds(rows: 1))
    }

    /// Measured speed-up ÷ (τ ÷ relative cost), with τ against plain decoding's, whose last pass may emit nothing: what
    /// is not lost to anything but passes and levels.
    private func efficiency(_ record: SpeculationCaseRecord, _ kind: String) -> Double? {
        guard let speedup = record.speedup(kind), let seconds = predictedSeconds(record, kind) else { return nil }
        return speedup / (predictedPlainSeconds(record) / seconds)
    }

    /// Seconds that the target's passes took in rounds, in those of the same passes by the costs.
    private func passesInRounds(_ record: SpeculationCaseRecord, _ kind: String) -> Double? {
        guard let profile = record.profiles[kind], profile.rounds > 0 else { return nil }
        return profile.passSeconds / record.costs.predictedPassSeconds(profile)
    }

    /// Seconds of a round of plain decoding in passes of one row.
    private func plainRound(_ record: SpeculationCaseRecord) -> Double {
        Double(record.tokenCount) / rate(record, "plain") / predictedPlainSeconds(record)
    }

    // MARK: Costs and bounds

    private var costResults: [BenchResult] {
        guard let costs = records.first?.costs else { return [] }
        func median(_ values: (SpeculationCaseRecord.Costs) -> Double) -> Double {
            BenchStatistics.median(records.map { values($0.costs) })
        }
        var results = [
            single("pass_of_1_row", "ms", 1e3 * median { $0.passSeconds[0] }),
            summary("plain_round", "passes", records.map(plainRound)),
        ]
        for (index, rows) in costs.passRows.enumerated().dropFirst() {
            results.append(
                single("pass_of_\(rows)_rows", "passes", median { $0.passSeconds[index] / $0.passSeconds[0] })
            )
        }
        for (index, rows) in costs.levelRows.enumerated() where index < costs.levelSeconds.count {
            results.append(
                single(
                    "draft_level_of_\(rows)", "passes", median { $0.levelSeconds[index] / $0.passSeconds[0] })
            )
            guard index < costs.fullHeadLevelSeconds.count else { continue }
            results.append(
                single(
                    "draft_level_of_\(rows)_full_head", "passes",
                    median { $0.fullHeadLevelSeconds[index] / $0.passSeconds[0] }))
        }
        let bound = median { $0.curve.bound(maximumRows: $0.passRows.last ?? 1) }
        results.append(single("bound_perfect_acceptance", "x", bound))
        return results
    }

    // MARK: The best fixed shape

    private var shapeResults: [BenchResult] {
        let tokens = Double(records.reduce(0) { $0 + $1.tokenCount })
        var best: (shape: ShapeSearch.Shape, rate: Double)?
        for kind in kindNames where records.allSatisfy({ $0.shapeSeconds[kind] != nil }) {
            for (index, shape) in ShapeSearch.shapes.enumerated() {
                let seconds = records.map { $0.shapeSeconds[kind]?[index] ?? 0 }
                guard seconds.allSatisfy({ $0 > 0 }) else { continue }
                let rate = tokens / seconds.reduce(0, +)
                if rate > best?.rate ?? 0 { best = (shape, rate) }
            }
        }
        let policySeconds = records.compactMap { predictedSeconds($0, "all") }
        guard let best, policySeconds.count == records.count else { return [] }
        // By the same costs: what is lost to anything but the choice of shapes is `efficiency`'s.
        let policyRate = tokens / policySeconds.reduce(0, +)
        return [
            single("best_fixed_shape_rate", "tok/s", best.rate),
            single("best_fixed_shape_levels", "levels", Double(best.shape.levelCount)),
            single("best_fixed_shape_nodes", "nodes", Double(best.shape.nodeCount)),
            single("policy_rate", "tok/s", policyRate),
            single("policy_to_best_fixed_shape", "x", policyRate / best.rate),
        ]
    }

    // MARK: Entries

    private func summary(_ name: String, _ unit: String, _ values: [Double]) -> BenchResult {
        BenchResult(
            name: "\(name)@\(label)", unit: unit, median: Self.rounded(BenchStatistics.median(values)),
            p5: Self.rounded(BenchStatistics.percentile(values, 0.05)),
            p95: Self.rounded(BenchStatistics.percentile(values, 0.95)), n: values.count)
    }

    private func single(_ name: String, _ unit: String, _ value: Double) -> BenchResult {
        summary(name, unit, [value])
    }

    private func bounded(_ name: String, _ estimate: (value: Double, lower: Double, upper: Double)) -> BenchResult {
        BenchResult(
            name: "\(name)@\(label)", unit: "x (95 % bounds)", median: Self.rounded(estimate.value),
            p5: Self.rounded(estimate.lower), p95: Self.rounded(estimate.upper), n: records.count)
    }

    private static func rounded(_ value: Double) -> Double { (value * 1_000).rounded() / 1_000 }
}

extension SpeculationCaseRecord.Costs {
    /// Seconds of the rounds that a profile counted, draft included.
    fileprivate func predictedSeconds(_ profile: SpeculationCaseRecord.Profile) -> Double {
        predictedPassSeconds(profile) + Self.total(profile.levelsByRowCount) { [curve] in curve.levelSeconds(rows: $0) }
    }

    /// Of these, the target's passes.
    fileprivate func predictedPassSeconds(_ profile: SpeculationCaseRecord.Profile) -> Double {
        Self.total(profile.passesByRowCount) { [curve] in curve.passSeconds(rows: $0) }
    }

    private static func total(_ countsByRowCount: [Int], _ seconds: (_ rows: Int) -> Double) -> Double {
        countsByRowCount.enumerated().reduce(0) { sum, entry in
            entry.element == 0 ? sum : sum + Double(entry.element) * seconds(entry.offset)
        }
    }
}

extension SpeculationCaseRecord.Profile {
    mutating func add(_ other: Self) {
        func sum(_ a: [Int], _ b: [Int]) -> [Int] {
            (0..<max(a.count, b.count)).map { ($0 < a.count ? a[$0] : 0) + ($0 < b.count ? b[$0] : 0) }
        }
        func sum(_ a: [[Int]], _ b: [[Int]]) -> [[Int]] {
            (0..<max(a.count, b.count)).map { sum($0 < a.count ? a[$0] : [], $0 < b.count ? b[$0] : []) }
        }
        rounds += other.rounds
        emitted += other.emitted
        passesByRowCount = sum(passesByRowCount, other.passesByRowCount)
        levelsByRowCount = sum(levelsByRowCount, other.levelsByRowCount)
        drafted = sum(drafted, other.drafted)
        accepted = sum(accepted, other.accepted)
        passSeconds += other.passSeconds
        draftSeconds += other.draftSeconds
        attentionSeconds += other.attentionSeconds
        linearSeconds += other.linearSeconds
        verificationSeconds += other.verificationSeconds
    }
}
