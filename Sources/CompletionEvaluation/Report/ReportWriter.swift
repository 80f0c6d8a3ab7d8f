// A run's folder: report.json, report.md and report.html beside the journal, each replaced as a whole.

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Writes reports.
package enum ReportWriter {
    /// Writes a run's three reports.
    package static func write(_ report: EvaluationReport, to folder: String) throws {
        try RunFolder.replace(folder + "/report.json", with: try json(report))
        try RunFolder.replace(folder + "/report.md", with: Array(MarkdownReport.text(of: report).utf8))
        try RunFolder.replace(folder + "/report.html", with: Array(try HTMLReport.page(of: report).utf8))
    }

    /// Writes a comparison of two runs.
    package static func write(_ comparison: RunComparison, to folder: String) throws {
        try RunFolder.make(folder)
        try RunFolder.replace(folder + "/comparison.json", with: try json(comparison))
        try RunFolder.replace(
            folder + "/comparison.md", with: Array(MarkdownReport.text(of: comparison).utf8))
    }

    static func json(_ value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
        return [UInt8](try encoder.encode(value)) + [0x0A]
    }
}
