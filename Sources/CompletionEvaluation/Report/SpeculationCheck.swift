// Speculation must change no text. Where a sweep has configurations that differ in nothing else, every answer is
// compared token by token, and a single difference ends the run.

/// Compares configurations that differ only in speculation.
package enum SpeculationCheck {
    /// Differences named in the error.
    static let namedCount = 5

    package static func check(_ records: [CaseRecord], configurations: [Sweep.Entry]) throws {
        for (first, second) in pairs(configurations) {
            let answers = Dictionary(
                records.filter { $0.configuration == first.name && $0.error == nil }.map { ($0.id, $0) },
                uniquingKeysWith: { $1 })
            let different = records.filter { record in
                guard record.configuration == second.name, record.error == nil, let other = answers[record.id]
                else {
                    return false
                }
                return record.tokens != other.tokens || record.got != other.got
            }
            guard different.isEmpty else {
                let names = different.prefix(namedCount).map(\.id).joined(separator: ", ")
                throw EvaluationError(
                    .broken,
                    "\(different.count) answers differ between '\(first.name)' and '\(second.name)': \(names)",
                    fix: "please report this with the journal: speculation must not change a text")
            }
        }
    }

    /// Each speculating configuration with one like it that speculates otherwise or not at all.
    static func pairs(_ configurations: [Sweep.Entry]) -> [(Sweep.Entry, Sweep.Entry)] {
        var pairs: [(Sweep.Entry, Sweep.Entry)] = []
        for (place, second) in configurations.enumerated() {
            let alike = configurations[..<place].filter { first in
                var settings = first.configuration
                settings.speculation = second.configuration.speculation
                return settings == second.configuration
            }
            if let first = alike.first(where: { $0.configuration.speculation == "off" }) ?? alike.first {
                pairs.append((first, second))
            }
        }
        return pairs
    }
}
