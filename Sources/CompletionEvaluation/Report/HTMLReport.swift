// The report as one page that needs nothing else: style, script, charts and all cases are in it, and it asks no server
// for anything. The figures can be read without the script; the list of cases is drawn by it, fifty at a time.

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Writes the page.
package enum HTMLReport {
    /// Configurations drawn into one chart; tables have all of them.
    static let chartedConfigurationCount = 4

    /// - Throws: when the cases cannot be written as JSON.
    static func page(of report: EvaluationReport) throws -> String {
        let title = "Evaluation: \(report.run.kind) \(report.run.subject)"
        return """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; \
            script-src 'unsafe-inline'; img-src data:">
            <link rel="icon" href="data:,">
            <title>\(escaped(title))</title>
            <style>\(HTMLAssets.style)</style>
            </head>
            <body>
            <a class="skip" href="#cases">Skip to the cases</a>
            <header><h1>\(escaped(title))</h1>\(facts(report))</header>
            <main>
            <section aria-labelledby="quality"><h2 id="quality">Quality</h2>\(tiles(report))\(table(report))</section>
            \(charts(report))
            <section aria-labelledby="cost"><h2 id="cost">Cost</h2>\(costTable(report))</section>
            \(comparisons(report))\(skipped(report.run))
            <section aria-labelledby="cases"><h2 id="cases" tabindex="-1">Cases</h2>
            <form class="filters" id="filters" onsubmit="return false">
            <label>Configuration<select name="configuration"></select></label>
            <label>Outcome<select name="outcome"><option value="">all</option>\
            <option value="exact">exact</option>\
            <option value="wrong">not exact</option><option value="hidden">nothing shown</option>\
            <option value="failed">failed</option></select></label>
            <label>Kind<select name="kind"><option value="">all</option></select></label>
            <label>Language<select name="language"><option value="">all</option></select></label>
            <label>Text<input name="text" type="search" placeholder="path or code"></label>
            </form>
            <p id="count" role="status"></p><div id="list"></div>
            <button id="more" type="button" hidden>Show 50 more</button>
            <noscript><p>The list of cases needs JavaScript; journal.jsonl has them too.</p></noscript>
            </section>
            </main>
            <script type="application/json" id="data">\(try data(report))</script>
            <script>\(HTMLAssets.script)</script>
            </body>
            </html>

            """
    }

    static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
            .replacing("\"", with: "&quot;")
    }

    /// The cases, so written that no text in them can end the script element.
    private static func data(_ report: EvaluationReport) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let json = String(decoding: try encoder.encode(report.cases.map(CaseView.init)), as: UTF8.self)
        return json.replacing("<", with: "\\u003c").replacing("\u{2028}", with: "\\u2028")
            .replacing("\u{2029}", with: "\\u2029")
    }

    /// What the page shows of a case.
    private struct CaseView: Encodable {
        let configuration, id, kind, language, before, after, expected, got, stop: String
        let error: String?
        let exact: Bool
        let similarity: Double
        let probability: Double?
        let prompt: Int
        let milliseconds: Double
        let context: [String]

        init(_ each: EvaluationReport.Case) {
            let record = each.record
            configuration = record.configuration
            id = record.id
            kind = record.kind.rawValue
            language = record.language
            before = record.before
            after = record.after
            expected = record.expected
            got = record.got
            stop = record.stopReason
            error = record.error
            exact = each.metrics?.exactMatch == 1
            similarity = ((each.metrics?.editSimilarity ?? 0) * 1_000).rounded() / 1_000
            probability = each.meanProbability.map { ($0 * 1_000).rounded() / 1_000 }
            prompt = record.promptTokens
            milliseconds = record.timings.totalMilliseconds.rounded()
            context = record.contextPaths
        }
    }

    // MARK: Parts

    private static func facts(_ report: EvaluationReport) -> String {
        let run = report.run
        let shard = run.shard == .whole ? "" : ", shard \(run.shard.number)/\(run.shard.count)"
        let incomplete =
            report.isComplete
            ? "" : "<p class=\"warning\">Incomplete: the same command goes on with the run.</p>"
        return """
            <p>\(run.shardCaseCount) cases of \(run.candidateCount) candidates, seed \(run.seed)\(shard), source \
            <code>\(escaped(String(run.source.prefix(12))))</code></p>
            <p>\(escaped(run.engine)); Foretoken \(escaped(run.version)); \(escaped(report.timings.machine))</p>
            \(incomplete)
            """
    }

    private static func tiles(_ report: EvaluationReport) -> String {
        guard let first = report.configurations.first else { return "" }
        let cost = report.timings.costs.first
        var tiles = ["exact_match", "edit_similarity", "identifier_f1", "first_line_match"].compactMap {
            name -> String? in
            guard let metric = Metric.all.first(where: { $0.name == name }),
                let value = first.overall.metrics[name]
            else { return nil }
            return tile(
                metric.title, MarkdownReport.percent(value.mean),
                "\(MarkdownReport.percent(value.low)) – \(MarkdownReport.percent(value.high))")
        }
        if let total = cost?.total {
            tiles.append(
                tile(
                    "Latency, median", "\(MarkdownReport.number(total.p50, 0)) ms",
                    "95 % within \(MarkdownReport.number(total.p95, 0)) ms"))
        }
        return "<div class=\"tiles\">\(tiles.joined())</div>"
    }

    private static func tile(_ title: String, _ value: String, _ detail: String) -> String {
        "<div class=\"tile\"><span>\(title)</span><strong>\(value)</strong><small>\(detail)</small></div>"
    }

    private static func table(_ report: EvaluationReport) -> String {
        let rows = Metric.all.map { metric in
            [metric.title]
                + report.configurations.map {
                    MarkdownReport.show($0.overall.metrics[metric.name], metric: metric.name)
                }
        }
        return table(head: ["Metric"] + report.configurations.map(\.name), rows: rows)
            + "<p class=\"note\">In brackets: 95 % bootstrap intervals.</p>"
    }

    static func table(head: [String], rows: [[String]]) -> String {
        let header = head.map { "<th scope=\"col\">\(escaped($0))</th>" }.joined()
        let body = rows.map { row in
            "<tr><th scope=\"row\">\(escaped(row.first ?? ""))</th>"
                + row.dropFirst().map { "<td>\(escaped($0))</td>" }.joined() + "</tr>"
        }.joined()
        return
            "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"\(escaped(head.first ?? "Table"))\">"
            + "<table><thead><tr>\(header)</tr></thead><tbody>\(body)</tbody></table></div>"
    }

    private static func charts(_ report: EvaluationReport) -> String {
        let shown = Array(report.configurations.prefix(chartedConfigurationCount))
        var charts = [
            HTMLCharts.bars("Exact match by language", shown.map { ($0.name, $0.byLanguage) }),
            HTMLCharts.bars("Exact match by kind", shown.map { ($0.name, $0.byKind) }),
        ]
        let latencies = shown.map { configuration in
            (
                configuration.name,
                report.cases.filter { $0.record.configuration == configuration.name && $0.metrics != nil }
                    .map(\.record.timings.totalMilliseconds)
            )
        }
        charts.append(HTMLCharts.distribution("Latency: share of cases answered within", latencies))
        charts.append(
            HTMLCharts.thresholds("Showing only what is probable", shown.map { ($0.name, $0.thresholds) }))
        // Also those without guesses, so that a configuration has one colour in all charts.
        let depths = report.timings.costs.prefix(chartedConfigurationCount)
        charts.append(
            HTMLCharts.depths(
                "Accepted guesses by depth", depths.map { ($0.configuration, $0.acceptanceByDepth) }))
        return "<section aria-labelledby=\"charts\"><h2 id=\"charts\">Charts</h2><div class=\"charts\">"
            + charts.joined() + "</div></section>"
    }

    private static func costTable(_ report: EvaluationReport) -> String {
        let rows = report.timings.costs.map { cost in
            [
                cost.configuration, MarkdownReport.pair(cost.firstToken), MarkdownReport.pair(cost.total),
                MarkdownReport.percent(cost.reusedShare), "\(cost.generatedTokens)",
                cost.meanAcceptedLength.map { MarkdownReport.number($0, 2) } ?? "–",
                cost.speculativeSpeedUp.map { MarkdownReport.number($0, 2) + "×" } ?? "–",
            ]
        }
        return table(
            head: [
                "Configuration", "First token, ms p50 / p95", "Total, ms p50 / p95", "Prompt reused",
                "Tokens", "τ",
                "Speed-up",
            ], rows: rows)
    }

    private static func comparisons(_ report: EvaluationReport) -> String {
        report.comparisons.map { comparison in
            let rows = comparison.lines.map { line in
                [
                    line.title, MarkdownReport.number(line.a, 3), MarkdownReport.number(line.b, 3),
                    MarkdownReport.number(line.difference.mean, 3)
                        + " [\(MarkdownReport.number(line.difference.low, 3)), "
                        + "\(MarkdownReport.number(line.difference.high, 3))]",
                    "\(line.wins)", "\(line.losses)", MarkdownReport.number(line.pValue, 4),
                ]
            }
            return "<section><h2>\(escaped(comparison.nameA)) against \(escaped(comparison.nameB))</h2>"
                + table(head: ["Metric", "A", "B", "B − A", "Wins", "Losses", "p"], rows: rows) + "</section>"
        }.joined()
    }

    private static func skipped(_ run: RunHeader) -> String {
        guard run.skippedCount > 0 || !run.unknownFields.isEmpty else { return "" }
        let lines =
            run.skipped.map { ($0.line > 0 ? "line \($0.line): " : "") + $0.reason }
            + run.unknownFields.sorted { $0.key < $1.key }.map {
                "unknown field \($0.key) in \($0.value) rows"
            }
        return "<section><h2>Left out: \(run.skippedCount)</h2><details><summary>Which and why</summary><ul>"
            + lines.map { "<li>\(escaped($0))</li>" }.joined() + "</ul></details></section>"
    }
}
