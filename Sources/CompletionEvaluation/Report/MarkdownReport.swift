// Reports for reading in a terminal, a pull request or an editor.

/// Writes Markdown.
package enum MarkdownReport {
    /// Flipped cases written out.
    static let listedDifferenceCount = 200
    /// Skipped rows written out.
    static let listedSkippedCount = 50
    /// Characters of a reason: file names and patterns in it are the repository's, so it stands as code.
    static let shownReasonLength = 300

    package static func text(of report: EvaluationReport) -> String {
        var lines = ["# Evaluation: \(report.run.kind) \(report.run.subject)", ""]
        lines += runLines(report)
        lines += ["", "## Quality", ""]
        lines += qualityTable(report)
        for configuration in report.configurations {
            let title = report.configurations.count > 1 ? " (\(configuration.name))" : ""
            lines += groupTable("By language" + title, configuration.byLanguage)
            lines += groupTable("By kind" + title, configuration.byKind)
        }
        lines += ["", "## Cost", ""] + costTable(report)
        for comparison in report.comparisons { lines += [""] + comparisonLines(comparison) }
        lines += skippedLines(report.run)
        return lines.joined(separator: "\n") + "\n"
    }

    package static func text(of comparison: RunComparison) -> String {
        comparisonLines(comparison).joined(separator: "\n") + "\n"
    }

    // MARK: Parts

    private static func runLines(_ report: EvaluationReport) -> [String] {
        let run = report.run
        let shard = run.shard == .whole ? "" : ", shard \(run.shard.number)/\(run.shard.count)"
        var lines = [
            "\(run.shardCaseCount) cases of \(run.candidateCount) candidates, seed \(run.seed)\(shard), "
                + "source \(run.source.prefix(12)).",
            "Engine: \(run.engine). Foretoken \(run.version). \(report.timings.machine).",
        ]
        if !report.isComplete { lines.append("**Incomplete**: run the same command again; it resumes.") }
        return lines
    }

    private static func qualityTable(_ report: EvaluationReport) -> [String] {
        let head = report.configurations.map(\.name)
        var lines = [row(["metric"] + head), row(["---"] + head.map { _ in "---" })]
        for metric in Metric.all {
            let cells = report.configurations.map {
                show($0.overall.metrics[metric.name], metric: metric.name)
            }
            lines.append(row([metric.title] + cells))
        }
        lines.append(
            row(
                ["Answered / failed"]
                    + report.configurations.map { "\($0.answeredCount) / \($0.failedCount)" }))
        lines += ["", "In brackets: 95 % bootstrap intervals."]
        return lines
    }

    private static func groupTable(_ title: String, _ groups: [EvaluationReport.Group]) -> [String] {
        var lines = [
            "", "### \(title)", "", row(["group", "cases", "exact match", "edit similarity", "first line"]),
        ]
        lines.append(row(["---", "---", "---", "---", "---"]))
        for group in groups {
            lines.append(
                row([
                    group.name, "\(group.count)",
                    show(group.metrics["exact_match"], metric: "exact_match"),
                    show(group.metrics["edit_similarity"], metric: "edit_similarity"),
                    show(group.metrics["first_line_match"], metric: "first_line_match"),
                ]))
        }
        return lines
    }

    private static func costTable(_ report: EvaluationReport) -> [String] {
        var lines = [
            row([
                "configuration", "first token ms p50 / p95", "total ms p50 / p95", "prompt tokens", "reused",
                "τ",
                "speculative speed-up",
            ]), row([String](repeating: "---", count: 7)),
        ]
        for (cost, configuration) in zip(report.timings.costs, report.configurations) {
            lines.append(
                row([
                    cost.configuration, pair(cost.firstToken), pair(cost.total),
                    configuration.promptTokens.map { number($0.mean, 0) } ?? "–", percent(cost.reusedShare),
                    cost.meanAcceptedLength.map { number($0, 2) } ?? "–",
                    cost.speculativeSpeedUp.map { number($0, 2) + "×" } ?? "–",
                ]))
        }
        if let energy = report.timings.energyJoules { lines += ["", "Energy: \(number(energy, 1)) J."] }
        return lines
    }

    private static func comparisonLines(_ comparison: RunComparison) -> [String] {
        let count = comparison.caseCount
        var lines = [
            "## \(comparison.nameA) against \(comparison.nameB)", "",
            "\(count) cases, \(comparison.identicalTextCount) identical texts"
                + (count > 0 ? " (\(percent(Double(comparison.identicalTextCount) / Double(count))))" : "")
                + ", \(comparison.identicalPromptCount) identical prompts, "
                + "\(comparison.unpairedCount) without a partner.",
            "", row(["metric", "A", "B", "B − A", "wins", "losses", "p"]),
            row([String](repeating: "---", count: 7)),
        ]
        for line in comparison.lines {
            let isCount = line.metric == "accepted_characters"
            let show = { (value: Double) in isCount ? number(value, 1) : percent(value) }
            lines.append(
                row([
                    line.title, show(line.a), show(line.b),
                    "\(show(line.difference.mean)) [\(show(line.difference.low)), \(show(line.difference.high))]",
                    "\(line.wins)", "\(line.losses)", number(line.pValue, 4),
                ]))
        }
        lines += [
            "", row(["latency, ms", "A p50 / p95", "B p50 / p95"]), row(["---", "---", "---"]),
            row(["first token", pair(comparison.timings.firstTokenA), pair(comparison.timings.firstTokenB)]),
            row(["total", pair(comparison.timings.totalA), pair(comparison.timings.totalB)]),
        ]
        return lines + differenceLines(comparison)
    }

    private static func differenceLines(_ comparison: RunComparison) -> [String] {
        guard !comparison.differences.isEmpty else { return [] }
        let flipped = comparison.differences.count(where: \.isFlipped)
        var lines = [
            "", "### Cases that differ: \(comparison.differences.count), \(flipped) of them flipped", "",
            row(["case", "expected", "A", "B", "token", "margin A / B"]),
            row([String](repeating: "---", count: 6)),
        ]
        for each in comparison.differences.prefix(listedDifferenceCount) {
            lines.append(
                row([
                    code(each.id), code(each.expected), code(each.a) + (each.aIsExact ? " ✓" : ""),
                    code(each.b) + (each.bIsExact ? " ✓" : ""), each.token.map(String.init) ?? "–",
                    "\(margin(each.aMargin)) / \(margin(each.bMargin))",
                ]))
        }
        if comparison.differences.count > listedDifferenceCount {
            lines += ["", "The others are in report.json or comparison.json."]
        }
        return lines
    }

    private static func skippedLines(_ run: RunHeader) -> [String] {
        guard run.skippedCount > 0 || !run.unknownFields.isEmpty else { return [] }
        var lines = ["", "## Input that was left out", ""]
        for each in run.skipped.prefix(listedSkippedCount) {
            let place = each.line > 0 ? "line \(each.line): " : ""
            lines.append("- \(place)\(code(each.reason, limit: shownReasonLength))")
        }
        if run.skippedCount > listedSkippedCount { lines.append("- \(run.skippedCount) in all") }
        for (name, count) in run.unknownFields.sorted(by: { $0.key < $1.key }) {
            lines.append("- unknown field \(code(name)) in \(count) rows")
        }
        return lines
    }

    // MARK: Words

    private static func margin(_ value: Float?) -> String { value.map { number(Double($0), 3) } ?? "–" }

    private static func row(_ cells: [String]) -> String { "| " + cells.joined(separator: " | ") + " |" }

    static func show(_ estimate: Estimate?, metric: String) -> String {
        guard let estimate else { return "–" }
        if metric == "accepted_characters" {
            return "\(number(estimate.mean, 1)) [\(number(estimate.low, 1)), \(number(estimate.high, 1))]"
        }
        return "\(percent(estimate.mean)) [\(percent(estimate.low)), \(percent(estimate.high))]"
    }

    static func pair(_ spread: EvaluationReport.Spread?) -> String {
        spread.map { "\(number($0.p50, 0)) / \(number($0.p95, 0))" } ?? "–"
    }

    /// One line of code that breaks no table.
    static func code(_ text: String, limit: Int = 80) -> String {
        let line = String(text.map { $0.isNewline ? "⏎" : $0 == "|" ? "¦" : $0 == "`" ? "´" : $0 })
        return line.isEmpty ? "(nothing)" : "`\(line.count > limit ? line.prefix(limit - 1) + "…" : line[...])`"
    }

    static func percent(_ value: Double) -> String { number(100 * value, 1) + " %" }

    /// With so many digits after the point, whatever the user's language.
    static func number(_ value: Double, _ digits: Int) -> String {
        guard value.isFinite, value.magnitude < 1e15 else { return "–" }
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        let scaled = Int((value.magnitude * scale).rounded())
        let sign = value < 0 && scaled != 0 ? "−" : ""
        guard digits > 0 else { return sign + "\(scaled)" }
        let fraction = String(scaled % Int(scale))
        return "\(sign)\(scaled / Int(scale))." + String(repeating: "0", count: digits - fraction.count)
            + fraction
    }
}
