// The charts of a report as inline SVG. Colours come from the page's style, so they follow light and dark; each chart
// says in words what it shows.

/// Draws charts.
enum HTMLCharts {
    private static let width = 360.0
    private static let left = 92.0
    private static let right = 350.0

    private static func number(_ value: Double) -> String {
        MarkdownReport.number(value, 1).replacing("−", with: "-")
    }

    private static func figure(_ title: String, height: Double, legend names: [String], _ body: String)
        -> String
    {
        let legend =
            names.count < 2
            ? ""
            : "<p class=\"legend\">"
                + names.enumerated().map {
                    "<span><i class=\"c\($0.offset)\"></i>\(HTMLReport.escaped($0.element))</span>"
                }.joined() + "</p>"
        return "<figure><figcaption>\(HTMLReport.escaped(title))</figcaption>"
            + "<svg viewBox=\"0 0 \(number(width)) \(number(height))\" role=\"img\" "
            + "aria-label=\"\(HTMLReport.escaped(title))\">" + body + "</svg>\(legend)</figure>"
    }

    private static func text(_ x: Double, _ y: Double, _ words: String, anchor: String = "start") -> String {
        "<text x=\"\(number(x))\" y=\"\(number(y))\" text-anchor=\"\(anchor)\">\(HTMLReport.escaped(words))</text>"
    }

    private static func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ style: String)
        -> String
    {
        "<line x1=\"\(number(x1))\" y1=\"\(number(y1))\" x2=\"\(number(x2))\" y2=\"\(number(y2))\" class=\"\(style)\"/>"
    }

    // MARK: Bars

    /// Exact match with its interval, a bar per group and configuration.
    static func bars(_ title: String, _ series: [(name: String, groups: [EvaluationReport.Group])]) -> String
    {
        let names = (series.first?.groups ?? []).prefix(12).map(\.name)
        guard !names.isEmpty else { return "" }
        let barHeight = series.count > 1 ? 12.0 : 18.0
        let groupHeight = barHeight * Double(series.count) + 10
        let height = groupHeight * Double(names.count) + 22
        var body = axis(height: height)
        for (place, name) in names.enumerated() {
            let top = Double(place) * groupHeight + 4
            let count = series.first?.groups[place].count ?? 0
            body += text(left - 6, top + groupHeight / 2, name, anchor: "end")
            for (order, each) in series.enumerated() {
                guard let estimate = each.groups.first(where: { $0.name == name })?.metrics["exact_match"]
                else { continue }
                let y = top + Double(order) * barHeight
                body += bar(
                    estimate, y: y, height: barHeight - 2, color: order, label: "\(name), \(count) cases")
            }
        }
        return figure(title, height: height, legend: series.map(\.name), body)
    }

    private static func axis(height: Double) -> String {
        [0.0, 0.25, 0.5, 0.75, 1].map { share in
            let x = left + share * (right - left)
            return line(x, 0, x, height - 16, "grid")
                + text(x, height - 4, "\(Int(share * 100)) %", anchor: share == 1 ? "end" : "middle")
        }.joined()
    }

    private static func bar(_ estimate: Estimate, y: Double, height: Double, color: Int, label: String)
        -> String
    {
        let scale = right - left
        let middle = y + height / 2
        let words =
            "\(label): \(MarkdownReport.percent(estimate.mean)), interval \(MarkdownReport.percent(estimate.low)) to "
            + MarkdownReport.percent(estimate.high)
        return "<g><title>\(HTMLReport.escaped(words))</title><rect x=\"\(number(left))\" y=\"\(number(y))\" "
            + "width=\"\(number(max(1, estimate.mean * scale)))\" height=\"\(number(height))\" class=\"c\(color)\"/>"
            + line(left + estimate.low * scale, middle, left + estimate.high * scale, middle, "whisker")
            + "</g>"
    }

    // MARK: Curves

    private static let plot = (left: 38.0, right: 350.0, top: 8.0, bottom: 170.0)

    private static func frame(xLabels: [(Double, String)], xTitle: String, yTitle: String) -> String {
        var body = [0.0, 0.25, 0.5, 0.75, 1].map { share in
            let y = plot.bottom - share * (plot.bottom - plot.top)
            return line(plot.left, y, plot.right, y, "grid")
                + text(plot.left - 4, y + 4, "\(Int(share * 100))", anchor: "end")
        }.joined()
        for (share, label) in xLabels {
            let x = plot.left + share * (plot.right - plot.left)
            body += line(x, plot.bottom, x, plot.bottom + 4, "grid")
            body += text(x, plot.bottom + 16, label, anchor: share >= 1 ? "end" : "middle")
        }
        body += text((plot.left + plot.right) / 2, plot.bottom + 32, xTitle, anchor: "middle")
        return body + text(plot.left + 4, plot.top + 10, yTitle)
    }

    /// Points have both coordinates between 0 and 1.
    private static func curve(_ points: [(x: Double, y: Double)], color: Int, marks: Bool = false) -> String {
        let places = points.map { point in
            (
                x: plot.left + point.x * (plot.right - plot.left),
                y: plot.bottom - point.y * (plot.bottom - plot.top)
            )
        }
        let path = places.enumerated().map {
            "\($0.offset == 0 ? "M" : "L")\(number($0.element.x)) \(number($0.element.y))"
        }
        .joined()
        let dots =
            marks
            ? places.map {
                "<circle cx=\"\(number($0.x))\" cy=\"\(number($0.y))\" r=\"2.5\" class=\"c\(color)\"/>"
            }.joined()
            : ""
        return "<path d=\"\(path)\" class=\"curve s\(color)\"/>\(dots)"
    }

    /// Cumulative distribution of latencies, on a linear axis up to the 99th percentile.
    static func distribution(_ title: String, _ series: [(name: String, values: [Double])]) -> String {
        let all = series.flatMap(\.values).sorted()
        guard let first = all.first, first.isFinite else { return "" }
        let most = max(1, Percentile.of(all, 0.99))
        var body = frame(
            xLabels: [0, 0.5, 1].map { ($0, "\(MarkdownReport.number($0 * most, 0)) ms") },
            xTitle: "time of an answer",
            yTitle: "% of cases")
        for (color, each) in series.enumerated() where !each.values.isEmpty {
            let sorted = each.values.sorted()
            let points = (0...100).map { step in
                (x: min(1, Percentile.of(sorted, Double(step) / 100) / most), y: Double(step) / 100)
            }
            body += curve(points, color: color)
        }
        return figure(title, height: 208, legend: series.map(\.name), body)
    }

    /// How often something is shown against how often that is right, along the threshold.
    static func thresholds(
        _ title: String, _ series: [(name: String, points: [EvaluationReport.ThresholdPoint])]
    ) -> String {
        guard series.contains(where: { !$0.points.isEmpty }) else { return "" }
        var body = frame(
            xLabels: [0, 0.5, 1].map { ($0, "\(Int($0 * 100)) %") },
            xTitle: "cases in which something is shown",
            yTitle: "% of shown that are exact")
        for (color, each) in series.enumerated() {
            let points = each.points.compactMap { point in
                point.acceptRate.map { (x: point.shownRate, y: $0) }
            }
            body += curve(points, color: color, marks: true)
        }
        return figure(title, height: 208, legend: series.map(\.name), body)
    }

    /// Share of verified guesses that were accepted, by depth.
    static func depths(_ title: String, _ series: [(name: String, shares: [Double])]) -> String {
        guard let deepest = series.map(\.shares.count).max(), deepest > 0 else { return "" }
        let step = max(1, (deepest + 7) / 8)
        var body = frame(
            xLabels: stride(from: 0, to: deepest, by: step).map {
                (Double($0) / Double(max(1, deepest - 1)), "\($0 + 1)")
            }, xTitle: "depth of the guess", yTitle: "% accepted")
        for (color, each) in series.enumerated() {
            body += curve(
                each.shares.enumerated().map {
                    (x: Double($0.offset) / Double(max(1, deepest - 1)), y: $0.element)
                },
                color: color, marks: true)
        }
        return figure(title, height: 208, legend: series.map(\.name), body)
    }
}
