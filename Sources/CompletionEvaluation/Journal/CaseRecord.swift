// What became of one case: one line of a journal. Nothing derived is in it; metrics are computed when a report is
// written, so an old journal can be reported again. What may differ between two runs of one seed is under `timings`.

/// The answer to one case under one configuration.
package struct CaseRecord: Codable, Sendable, Equatable {
    /// Costs: they depend on the machine, its load and on what ran before.
    package struct Timings: Codable, Sendable, Equatable {
        package var contextMilliseconds = 0.0
        /// From the request to the first token, context included; nil where an engine does not tell.
        package var firstTokenMilliseconds: Double?
        package var totalMilliseconds = 0.0
        package var reusedTokens = 0
        /// Tokens generated, with those that post-processing removed.
        package var generatedTokens = 0
        package var speculation: Speculation?
        /// The text was compared with plain decoding, which took this long.
        package var plainTotalMilliseconds: Double?
        package var attempts = 1

        package init() {}

        enum CodingKeys: String, CodingKey {
            case contextMilliseconds = "context_ms"
            case firstTokenMilliseconds = "first_token_ms"
            case totalMilliseconds = "total_ms"
            case reusedTokens = "reused_tokens"
            case generatedTokens = "generated_tokens"
            case speculation
            case plainTotalMilliseconds = "plain_total_ms"
            case attempts
        }
    }

    /// Counters of speculative decoding.
    package struct Speculation: Codable, Sendable, Equatable {
        package var rounds: Int
        package var emitted: Int
        package var drafted: Int
        package var accepted: Int
        package var draftedByDepth: [Int]
        package var acceptedByDepth: [Int]

        package init(
            rounds: Int, emitted: Int, drafted: Int, accepted: Int, draftedByDepth: [Int],
            acceptedByDepth: [Int]
        ) {
            self.rounds = rounds
            self.emitted = emitted
            self.drafted = drafted
            self.accepted = accepted
            self.draftedByDepth = draftedByDepth
            self.acceptedByDepth = acceptedByDepth
        }

        enum CodingKeys: String, CodingKey {
            case rounds, emitted, drafted, accepted
            case draftedByDepth = "drafted_by_depth"
            case acceptedByDepth = "accepted_by_depth"
        }
    }

    package var configuration: String
    package var id: String
    package var kind: CaseKind
    package var language: String
    package var path: String
    package var line: Int
    package var column: Int
    /// Some text before and after the cursor, for readers.
    package var before: String
    package var after: String
    package var expected: String
    /// The text that a user would see; empty when nothing is shown.
    package var got: String
    package var stopReason: String
    package var promptTokens: Int
    /// A checksum of the prompt's tokens.
    package var promptFingerprint: String
    /// Whether the engine said that it read as many tokens.
    package var isPromptConfirmed: Bool
    package var contextPaths: [String]
    /// Of the generated tokens, as far as the engine tells.
    package var tokens: [Int32]
    package var logProbabilities: [Float]
    /// By how much each token's logit exceeds the best other one.
    package var margins: [Float]
    /// Why there is no answer; such a record is no result, and its case is run again.
    package var error: String?
    package var timings: Timings

    enum CodingKeys: String, CodingKey {
        case configuration, id, kind, language, path, line, column, before, after, expected, got, tokens,
            margins, error
        case timings
        case stopReason = "stop_reason"
        case promptTokens = "prompt_tokens"
        case promptFingerprint = "prompt_fingerprint"
        case isPromptConfirmed = "prompt_confirmed"
        case contextPaths = "context_paths"
        case logProbabilities = "log_probabilities"
    }

    /// A record without an answer yet.
    package init(_ subject: EvaluationCase, configuration: String) {
        let position = subject.position
        self.configuration = configuration
        id = subject.id
        kind = subject.kind
        language = subject.language
        path = subject.path
        line = position.line
        column = position.column
        before = Excerpt.end(of: subject.prefix)
        after = Excerpt.start(of: subject.suffix)
        expected = String(decoding: subject.expected, as: UTF8.self)
        got = ""
        stopReason = ""
        promptTokens = 0
        promptFingerprint = ""
        isPromptConfirmed = false
        contextPaths = []
        tokens = []
        logProbabilities = []
        margins = []
        timings = Timings()
    }
}

/// The few lines around a cursor that a reader needs.
enum Excerpt {
    static let lineCounts = (before: 8, after: 3)
    static let maximumByteCount = 1_200

    static func end(of text: [UInt8]) -> String {
        var start = max(0, text.count - maximumByteCount)
        let lineFeeds = text.indices.reversed().lazy.filter { text[$0] == 0x0A }.prefix(lineCounts.before)
        if let last = Array(lineFeeds).last, lineFeeds.count == lineCounts.before {
            start = max(start, last + 1)
        }
        while start < text.count, text[start] & 0xC0 == 0x80 { start += 1 }
        return String(decoding: text[start...], as: UTF8.self)
    }

    static func start(of text: [UInt8]) -> String {
        var end = min(text.count, maximumByteCount)
        let lineFeeds = Array(text.indices.lazy.filter { text[$0] == 0x0A }.prefix(lineCounts.after + 1))
        if lineFeeds.count == lineCounts.after + 1 { end = min(end, lineFeeds[lineCounts.after]) }
        while end > 0, end < text.count, text[end] & 0xC0 == 0x80 { end -= 1 }
        return String(decoding: text[..<end], as: UTF8.self)
    }
}
