// A prompt's origins as `foretoken context` prints them: the parts by value with their reasons, and a map of all
// tokens. Holds paths and numbers, no source text.

import RepoContext

struct ContextListing: Encodable {
    struct Part: Encodable {
        /// 1 is the most valuable.
        let rank: Int
        /// 1 stands first in the prompt.
        let place: Int
        let path: String
        /// First and last lines shown, from 1.
        let lines: [[Int]]
        let tokens: Int
        let score: Double
        /// What each signal adds to the file's score.
        let signals: [String: Double]
    }

    struct Segment: Encodable {
        let kind: String
        let path: String?
        let start: Int
        let end: Int
    }

    struct Timings: Encodable {
        let snapshot: Double
        let indexing: Double
        let selection: Double
        let tokenisation: Double
        let total: Double
    }

    let schema = 1
    let scope: String
    let root: String?
    let tokens: Int
    let budget: Int
    let isIndexComplete: Bool
    /// By value.
    let parts: [Part]
    let segments: [Segment]
    let degradations: [String]
    let timings: Timings

    enum CodingKeys: String, CodingKey {
        case schema, scope, root, tokens, budget, parts, segments, degradations
        case isIndexComplete = "index_complete"
        case timings = "timings_ms"
    }

    init(_ result: PromptResult, tokenBudget: Int) {
        switch result.scope {
        case .repository(let rootPath): (scope, root) = ("repository", rootPath)
        case .folder(let rootPath): (scope, root) = ("folder", rootPath)
        case .fileAlone: (scope, root) = ("file", nil)
        }
        tokens = result.prompt.tokens.count
        budget = tokenBudget
        isIndexComplete = result.isIndexComplete
        let origins = result.prompt.contextOrigins
        parts = origins.enumerated().compactMap { place, origin in
            let file = result.selection[origin.file]
            return Part(
                rank: file.rank + 1, place: place + 1, path: file.path.string,
                lines: file.lineRanges(lineCount: origin.lineCount).map {
                    [$0.lowerBound + 1, $0.upperBound]
                },
                tokens: origin.tokenRange.count, score: ContextListing.rounded(file.value),
                signals: Dictionary(
                    uniqueKeysWithValues: file.score.parts.map {
                        ($0.key.rawValue, ContextListing.rounded($0.value))
                    }))
        }.sorted { $0.rank < $1.rank }
        segments = result.prompt.segments.map { segment in
            let (kind, path) = ContextListing.name(segment.kind)
            return Segment(
                kind: kind, path: path, start: segment.tokenRange.lowerBound,
                end: segment.tokenRange.upperBound)
        }
        degradations = result.degradations
        timings = Timings(
            snapshot: result.timing.snapshot.milliseconds, indexing: result.timing.indexing.milliseconds,
            selection: result.timing.selection.milliseconds,
            tokenisation: result.timing.tokenisation.milliseconds,
            total: result.timing.total.milliseconds)
    }

    private static func rounded(_ value: Double) -> Double { (value * 100).rounded() / 100 }

    private static func name(_ kind: PromptSegment.Kind) -> (kind: String, path: String?) {
        switch kind {
        case .structural: ("structure", nil)
        case .repositoryHeader: ("repository", nil)
        case .contextFile(let path): ("context", path.string)
        case .filePath: ("path", nil)
        case .suffix: ("after_cursor", nil)
        case .prefix: ("before_cursor", nil)
        }
    }

    // MARK: For people

    /// The listing as aligned columns, 80 wide where paths are short.
    var table: String {
        var lines = ["\(root ?? "the file alone")  (\(scope)), \(tokens) of \(budget) tokens"]
        if !parts.isEmpty {
            lines.append("rank  tokens  score  place  part and reasons")
            for part in parts {
                let ranges = part.lines.map { "\($0[0])-\($0[1])" }.joined(separator: ",")
                lines.append(
                    ContextListing.right("\(part.rank)", 4) + ContextListing.right("\(part.tokens)", 8)
                        + ContextListing.right(ContextListing.fixed(part.score), 7)
                        + ContextListing.right("\(part.place)", 7) + "  \(part.path)  lines \(ranges)")
                let reasons = part.signals.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
                    .map { "\($0.key) \(ContextListing.fixed($0.value))" }.joined(separator: ", ")
                lines.append(
                    String(repeating: " ", count: 28) + (reasons.isEmpty ? "the last prompt had it" : reasons)
                )
            }
        }
        for (kind, name) in [
            ("after_cursor", "the file after the cursor"), ("before_cursor", "the file before the cursor"),
        ] {
            let count = segments.filter { $0.kind == kind }.reduce(0) { $0 + $1.end - $1.start }
            lines.append(ContextListing.right("\(count)", 12) + String(repeating: " ", count: 16) + name)
        }
        lines += degradations.map { "note: \($0)" }
        return lines.map { TerminalText.escaped($0) }.joined(separator: "\n") + "\n"
    }

    private static func right(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }

    private static func fixed(_ value: Double) -> String {
        let hundredths = Int((value * 100).rounded())
        let fraction = abs(hundredths) % 100
        return "\(hundredths < 0 ? "-" : "")\(abs(hundredths) / 100).\(fraction < 10 ? "0" : "")\(fraction)"
    }
}
