// From a journal to a report. Records are put in the order of configurations and cases first, so that a resumed run, a
// merged one and one in a single go give the same report.

#if canImport(Glibc)
    import Glibc
#endif

/// Builds reports.
package enum ReportBuilder {
    /// Thresholds of the curve.
    static let thresholds: [Double] = (0...20).map { Double($0) / 20 }

    /// - Parameters:
    ///   - machine: a line about where the run took place.
    ///   - energyJoules: where it could be read.
    package static func report(
        header: RunHeader, records: [CaseRecord], machine: String, energyJoules: Double? = nil
    ) -> EvaluationReport {
        let places = Dictionary(
            header.configurations.enumerated().map { ($0.element.name, $0.offset) },
            uniquingKeysWith: { first, _ in first })
        let cases = records.sorted {
            (places[$0.configuration] ?? 0, $0.path, $0.line, $0.column, $0.id)
                < (places[$1.configuration] ?? 0, $1.path, $1.line, $1.column, $1.id)
        }.map(measured)
        let byConfiguration = Dictionary(grouping: cases, by: \.record.configuration)
        let configurations = header.configurations.map { configuration($0, byConfiguration[$0.name] ?? []) }
        let costs = header.configurations.map { cost($0, byConfiguration, header.configurations) }
        var comparisons: [RunComparison] = []
        if let first = header.configurations.first {
            for other in header.configurations.dropFirst() {
                comparisons.append(
                    RunComparison(
                        first.name, byConfiguration[first.name] ?? [], other.name,
                        byConfiguration[other.name] ?? []))
            }
        }
        let answerCount = cases.count { $0.metrics != nil }
        return EvaluationReport(
            run: header, isComplete: answerCount == header.shardCaseCount * header.configurations.count,
            configurations: configurations, comparisons: comparisons, cases: cases,
            timings: .init(machine: machine, costs: costs, energyJoules: energyJoules))
    }

    /// A record with its measures.
    package static func measured(_ record: CaseRecord) -> EvaluationReport.Case {
        let metrics =
            record.error == nil
            ? CaseMetrics(expected: record.expected, got: record.got, kind: record.kind, path: record.path)
            : nil
        let values = record.logProbabilities.map(Double.init)
        return EvaluationReport.Case(
            record: record, metrics: metrics,
            meanProbability: values.isEmpty ? nil : exp(values.reduce(0, +) / Double(values.count)),
            leastProbability: values.min().map { exp($0) })
    }

    // MARK: Quality

    private static func configuration(
        _ entry: Sweep.Entry, _ cases: [EvaluationReport.Case]
    ) -> EvaluationReport.Configuration {
        let answered = cases.filter { $0.metrics != nil }
        return EvaluationReport.Configuration(
            name: entry.name, settings: entry.configuration, answeredCount: answered.count,
            failedCount: cases.count - answered.count,
            unconfirmedPromptCount: answered.count { !$0.record.isPromptConfirmed },
            promptTokens: .init(answered.map { Double($0.record.promptTokens) }),
            overall: group("all", answered), byLanguage: groups(answered, by: \.record.language),
            byKind: groups(answered, by: \.record.kind.rawValue), thresholds: curve(answered))
    }

    private static func groups(
        _ cases: [EvaluationReport.Case], by key: (EvaluationReport.Case) -> String
    ) -> [EvaluationReport.Group] {
        Dictionary(grouping: cases, by: key).map { group($0.key, $0.value) }
            .sorted { ($1.count, $0.name) < ($0.count, $1.name) }
    }

    private static func group(_ name: String, _ cases: [EvaluationReport.Case]) -> EvaluationReport.Group {
        let measures = cases.compactMap(\.metrics)
        var metrics: [String: Estimate] = [:]
        for metric in Metric.all { metrics[metric.name] = Estimate(measures.map(metric.value)) }
        return EvaluationReport.Group(name: name, count: measures.count, metrics: metrics)
    }

    private static func curve(_ cases: [EvaluationReport.Case]) -> [EvaluationReport.ThresholdPoint] {
        let known = cases.filter { $0.meanProbability != nil }
        guard !known.isEmpty else { return [] }
        return thresholds.map { threshold in
            let shown = known.filter { ($0.meanProbability ?? 0) >= threshold && $0.metrics?.shown == 1 }
            let accepted = shown.count { $0.metrics?.exactMatch == 1 }
            return EvaluationReport.ThresholdPoint(
                threshold: threshold, shownRate: Double(shown.count) / Double(known.count),
                acceptRate: shown.isEmpty ? nil : Double(accepted) / Double(shown.count))
        }
    }

    // MARK: Cost

    private static func cost(
        _ entry: Sweep.Entry, _ byConfiguration: [String: [EvaluationReport.Case]], _ entries: [Sweep.Entry]
    ) -> EvaluationReport.Cost {
        let records = (byConfiguration[entry.name] ?? []).map(\.record).filter { $0.error == nil }
        let speculation = records.compactMap(\.timings.speculation)
        let rounds = speculation.reduce(0) { $0 + $1.rounds }
        let promptTokens = records.reduce(0) { $0 + $1.promptTokens }
        return EvaluationReport.Cost(
            configuration: entry.name,
            context: .init(records.map(\.timings.contextMilliseconds)),
            firstToken: .init(records.compactMap(\.timings.firstTokenMilliseconds)),
            total: .init(records.map(\.timings.totalMilliseconds)),
            reusedShare: promptTokens == 0
                ? 0 : Double(records.reduce(0) { $0 + $1.timings.reusedTokens }) / Double(promptTokens),
            generatedTokens: records.reduce(0) { $0 + $1.timings.generatedTokens },
            meanAcceptedLength: rounds == 0
                ? nil : Double(speculation.reduce(0) { $0 + $1.emitted }) / Double(rounds),
            acceptanceByDepth: acceptance(speculation),
            speculativeSpeedUp: speedUp(entry, byConfiguration, entries))
    }

    private static func acceptance(_ all: [CaseRecord.Speculation]) -> [Double] {
        let depth = all.map(\.draftedByDepth.count).max() ?? 0
        var shares: [Double] = []
        for place in 0..<depth {
            let drafted = all.reduce(0) { $0 + ($1.draftedByDepth.dropFirst(place).first ?? 0) }
            let accepted = all.reduce(0) { $0 + ($1.acceptedByDepth.dropFirst(place).first ?? 0) }
            if drafted == 0 { break }
            shares.append(Double(accepted) / Double(drafted))
        }
        return shares
    }

    /// Over the cases that both configurations answered.
    private static func speedUp(
        _ entry: Sweep.Entry, _ byConfiguration: [String: [EvaluationReport.Case]], _ entries: [Sweep.Entry]
    ) -> Double? {
        guard let pair = SpeculationCheck.pairs(entries).first(where: { $0.1.name == entry.name }) else {
            return nil
        }
        let plain = Dictionary(
            (byConfiguration[pair.0.name] ?? []).map { ($0.record.id, $0.record) },
            uniquingKeysWith: { first, _ in first })
        var (before, after) = (0.0, 0.0)
        for each in byConfiguration[entry.name] ?? [] {
            guard let other = plain[each.record.id], other.error == nil, each.record.error == nil else {
                continue
            }
            before += other.timings.totalMilliseconds
            after += each.record.timings.totalMilliseconds
        }
        return after > 0 ? before / after : nil
    }
}
