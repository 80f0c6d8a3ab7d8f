// One question with a known answer: a cursor in a file, what was there, and where its context comes from. Values
// only; whoever runs a case builds the prompt.

/// How much text a case asks for.
package enum CaseKind: String, Codable, Sendable, CaseIterable {
    /// From a place inside a line to its end.
    case restOfLine = "rest_of_line"
    /// A whole line; the cursor stands behind its indentation.
    case line
    /// A few words inside a line, with code on both sides.
    case span
    /// The indented lines below a line that opens a block.
    case block
    /// The same where that line defines a function.
    case functionBody = "function_body"
    /// As much as a data set's row says.
    case infill

    /// Whether only the first line of a completion is compared.
    package var isSingleLine: Bool { self == .restOfLine || self == .line || self == .span }

    /// Those that are taken from repositories.
    package static let repositoryKinds: [CaseKind] = [.restOfLine, .line, .span, .block, .functionBody]
}

/// Where the other files of a case come from.
package enum CaseContext: Sendable, Equatable {
    package struct File: Sendable, Equatable {
        package let path: String
        package let text: String

        package init(path: String, text: String) {
            self.path = path
            self.text = text
        }
    }

    /// The repository as it is checked out.
    case repository
    /// The tree of a commit, by its name.
    case commit(String)
    /// Given with the case, least relevant first.
    case files([File])
    /// There are none.
    case none
}

/// One case.
package struct EvaluationCase: Sendable, Equatable {
    /// Unique in a run; the same in every run over the same data.
    package var id: String
    package var kind: CaseKind
    /// A name such as `swift`, for grouping.
    package var language: String
    /// Relative to the repository; a made-up name where a data set has none.
    package var path: String
    /// The file before and after the cursor, UTF-8; the expected text is in neither.
    package var prefix: [UInt8]
    package var suffix: [UInt8]
    package var expected: [UInt8]
    package var context: CaseContext

    package init(
        id: String, kind: CaseKind, language: String, path: String, prefix: [UInt8], suffix: [UInt8],
        expected: [UInt8], context: CaseContext
    ) {
        self.id = id
        self.kind = kind
        self.language = language
        self.path = path
        self.prefix = prefix
        self.suffix = suffix
        self.expected = expected
        self.context = context
    }

    /// Line of the cursor and its column in bytes, both from 1.
    package var position: (line: Int, column: Int) {
        let lineStart = prefix.lastIndex(of: 0x0A).map { $0 + 1 } ?? 0
        return (prefix.count { $0 == 0x0A } + 1, prefix.count - lineStart + 1)
    }
}

/// A row or place that could not be used.
package struct SkippedInput: Codable, Sendable, Equatable {
    /// From 1; 0 where the input has no lines.
    package let line: Int
    package let reason: String

    package init(line: Int, reason: String) {
        self.line = line
        self.reason = reason
    }
}

/// The cases of a run and what was left out on the way.
package struct CaseSelection: Sendable {
    package var cases: [EvaluationCase] = []
    /// What the cases were drawn from: a commit's name, or a data set's checksum.
    package var source = ""
    /// How many there were to draw from.
    package var candidateCount = 0
    package var skipped: [SkippedInput] = []
    /// Fields that the format does not know, with how many rows had each.
    package var unknownFields: [String: Int] = [:]

    package init() {}

    /// Of this shard: every n-th case.
    package mutating func keep(_ shard: Shard) {
        cases = cases.enumerated().filter { $0.offset % shard.count == shard.number - 1 }.map(\.element)
    }

    /// A checksum over everything that the cases ask and expect.
    package var fingerprint: String {
        var hash = StableHash()
        for each in cases {
            hash.add(each.id)
            hash.add(each.prefix)
            hash.add(each.suffix)
            hash.add(each.expected)
        }
        return hash.hexadecimal
    }
}

/// A part of a run: `number` of `count`, from 1.
package struct Shard: Codable, Sendable, Equatable {
    package let number: Int
    package let count: Int

    package static let whole = Shard(number: 1, count: 1)!
    package static let maximumCount = 10_000

    package init?(number: Int, count: Int) {
        guard (1...Shard.maximumCount).contains(count), (1...count).contains(number) else { return nil }
        self.number = number
        self.count = count
    }

    private enum CodingKeys: String, CodingKey { case number, count }

    /// A journal is a file that anybody may have written.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let number = try container.decode(Int.self, forKey: .number)
        guard let shard = Shard(number: number, count: try container.decode(Int.self, forKey: .count)) else {
            throw DecodingError.dataCorruptedError(
                forKey: .number, in: container, debugDescription: "there is no such shard")
        }
        self = shard
    }

    /// Written as `2/8`.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let number = Int(parts[0]), let count = Int(parts[1]) else { return nil }
        self.init(number: number, count: count)
    }
}
