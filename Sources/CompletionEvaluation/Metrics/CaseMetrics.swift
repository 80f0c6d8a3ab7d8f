// How good one completion is. Both texts are compared without the blanks and line breaks at their ends; inside, every
// character counts. Of a case that asks for a line only the first line of the completion is compared.

/// Measures of one answer; all between 0 and 1 but where it says otherwise.
package struct CaseMetrics: Codable, Sendable, Equatable {
    /// 1 when the texts are equal.
    package var exactMatch: Double
    package var editSimilarity: Double
    /// 1 when the same names stand in the same order.
    package var identifierMatch: Double
    /// Of the names as a bag: how many of those written are expected, how many of the expected ones are written.
    package var identifierPrecision: Double
    package var identifierRecall: Double
    package var identifierF1: Double
    /// 1 when the first lines are equal.
    package var firstLineMatch: Double
    /// Characters that could be accepted before the first wrong one, and their share of the expected text.
    package var acceptedCharacters: Int
    package var acceptedShare: Double
    /// 1 when something is shown at all.
    package var shown: Double

    enum CodingKeys: String, CodingKey {
        case shown
        case exactMatch = "exact_match"
        case editSimilarity = "edit_similarity"
        case identifierMatch = "identifier_match"
        case identifierPrecision = "identifier_precision"
        case identifierRecall = "identifier_recall"
        case identifierF1 = "identifier_f1"
        case firstLineMatch = "first_line_match"
        case acceptedCharacters = "accepted_characters"
        case acceptedShare = "accepted_share"
    }

    package init(expected: String, got: String, kind: CaseKind, path: String) {
        let wanted = expected.trimmingBlanks
        let shown = got.trimmingBlanks
        let compared = kind.isSingleLine ? shown.firstLine : shown
        exactMatch = wanted == compared ? 1 : 0
        editSimilarity = EditSimilarity.ratio(wanted, compared)
        firstLineMatch = wanted.firstLine == compared.firstLine ? 1 : 0
        self.shown = shown.isEmpty ? 0 : 1
        let common = zip(wanted.unicodeScalars, compared.unicodeScalars).prefix { $0 == $1 }.count
        acceptedCharacters = common
        acceptedShare = wanted.isEmpty ? 0 : Double(common) / Double(wanted.unicodeScalars.count)
        let names = Identifiers(wanted: wanted, written: compared, path: path)
        identifierMatch = names.areEqual ? 1 : 0
        identifierPrecision = names.precision
        identifierRecall = names.recall
        identifierF1 = names.f1
    }
}

/// A measure that reports show, with how it is read from a case.
package struct Metric: Sendable {
    package let name: String
    package let title: String
    package let value: @Sendable (CaseMetrics) -> Double

    package static let all: [Metric] = [
        Metric(name: "exact_match", title: "Exact match") { $0.exactMatch },
        Metric(name: "edit_similarity", title: "Edit similarity") { $0.editSimilarity },
        Metric(name: "first_line_match", title: "First line") { $0.firstLineMatch },
        Metric(name: "identifier_match", title: "Identifiers equal") { $0.identifierMatch },
        Metric(name: "identifier_precision", title: "Identifier precision") { $0.identifierPrecision },
        Metric(name: "identifier_recall", title: "Identifier recall") { $0.identifierRecall },
        Metric(name: "identifier_f1", title: "Identifier F1") { $0.identifierF1 },
        Metric(name: "accepted_share", title: "Accepted prefix") { $0.acceptedShare },
        Metric(name: "accepted_characters", title: "Accepted characters") { Double($0.acceptedCharacters) },
        Metric(name: "shown", title: "Shown") { $0.shown },
    ]
}

extension String {
    /// Without blanks and line breaks at both ends.
    var trimmingBlanks: String {
        let isBlank = { (byte: UInt8) in byte == 0x20 || (0x09...0x0D).contains(byte) }
        guard let first = utf8.firstIndex(where: { !isBlank($0) }),
            let last = utf8.lastIndex(where: { !isBlank($0) })
        else { return "" }
        return String(decoding: Array(utf8[first...last]), as: UTF8.self)
    }

    /// Up to the first line break, without blanks at its end.
    var firstLine: String {
        var bytes = Array(utf8.prefix { $0 != 0x0A && $0 != 0x0D })
        while let last = bytes.last, last == 0x20 || last == 0x09 { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self)
    }
}
