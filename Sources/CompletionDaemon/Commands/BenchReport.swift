// What every scenario of `foretoken bench` reports: named numbers with their spread, on which machine, from which
// build. As JSON for programs (schema 1), as lines for people.

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// One number: the median of `n` measurements and where all but a tenth of them lie.
struct BenchResult: Encodable {
    let name: String
    let unit: String
    let median: Double
    let p5: Double
    let p95: Double
    let n: Int

    init(name: String, unit: String, median: Double, p5: Double, p95: Double, n: Int) {
        self.name = name
        self.unit = unit
        self.median = median
        self.p5 = p5
        self.p95 = p95
        self.n = n
    }

    /// Summarises measurements; there is at least one.
    init(_ name: String, _ values: [Double], unit: String) {
        let sorted = values.sorted()
        func percentile(_ p: Double) -> Double {
            let value = sorted[Int((p * Double(sorted.count - 1)).rounded())]
            return (value * 1_000).rounded() / 1_000
        }
        self.init(
            name: name, unit: unit, median: percentile(0.5), p5: percentile(0.05), p95: percentile(0.95),
            n: values.count)
    }

    /// The median and half of the way from p5 to p95 in per cent of it, such as `4216 ±2%`.
    var cell: String {
        let spread = median == 0 ? 0 : (p95 - p5) / 2 / median * 100
        return "\(Self.short(median)) ±\(Int(spread.rounded()))%"
    }

    /// Three digits or all before the point, whichever is more.
    static func short(_ value: Double) -> String {
        let decimals = abs(value) >= 100 ? 0 : abs(value) >= 10 ? 1 : 2
        var scale = 1.0
        for _ in 0..<decimals { scale *= 10 }
        let rounded = (value * scale).rounded() / scale
        return decimals == 0 ? "\(Int(rounded))" : "\(rounded)"
    }
}

struct BenchReport: Encodable {
    let schema = 1
    let machine: MachineDescription
    let build: BuildDescription
    let scenario: String
    let settings: [String: String]
    let results: [BenchResult]

    /// The lines above every table: machine, build, and what OpenBLAS was told.
    var heading: [String] {
        var lines = [
            "\(machine.cpu), \(machine.cores) cores: \(build.threads) threads, \(build.isa), load "
                + BenchResult.short(machine.load),
            "threads: \(build.threadReason)",
        ]
        let variables = machine.openBLASVariables
        lines.append(
            "OpenBLAS core \(machine.openBLASCore)"
                + (variables.isEmpty ? "" : ", because of \(variables.joined(separator: " "))"))
        return lines
    }

    /// One line per number.
    var list: [String] {
        let width = results.map(\.name.count).max() ?? 0
        let title =
            "".padded(to: width) + ["median", "p5", "p95"].map { $0.padded(to: 10) }.joined() + "  unit"
        return heading + [title]
            + results.map { result in
                result.name + "".padded(to: width - result.name.count)
                    + [result.median, result.p5, result.p95].map { "\($0)".padded(to: 10) }.joined()
                    + "  " + result.unit
            }
    }
}

extension String {
    /// Aligned to the right in a column of `width` characters.
    func padded(to width: Int) -> String { String(repeating: " ", count: max(0, width - count)) + self }
}
