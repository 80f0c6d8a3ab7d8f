// Two sets of answers to the same cases, case by case: which got better, which got worse, and whether that could be
// chance.

/// The comparison of A with B over the cases that both answered.
package struct RunComparison: Encodable, Sendable {
    /// One metric.
    package struct Line: Encodable, Sendable {
        package let metric: String
        package let title: String
        package let a: Double
        package let b: Double
        /// B − A, with its 95 % interval from a paired bootstrap.
        package let difference: Estimate
        /// Cases in which B is better, and worse.
        package let wins: Int
        package let losses: Int
        /// McNemar's exact test for yes-or-no metrics, the sign test for others.
        package let pValue: Double

        enum CodingKeys: String, CodingKey {
            case metric, title, a, b, difference, wins, losses
            case pValue = "p_value"
        }
    }

    /// A case that one answered exactly and the other did not, or whose texts differ.
    package struct Difference: Encodable, Sendable {
        package let id: String
        package let kind: String
        package let expected: String
        package let a: String
        package let b: String
        package let aIsExact: Bool
        package let bIsExact: Bool
        /// The first token that differs, from 0; nil where an engine does not give tokens.
        package let token: Int?
        /// How close the choice of that token was: its logit above the best other one.
        package let aMargin: Float?
        package let bMargin: Float?

        package var isFlipped: Bool { aIsExact != bIsExact }

        enum CodingKeys: String, CodingKey {
            case id, kind, expected, a, b, token
            case aIsExact = "a_is_exact"
            case bIsExact = "b_is_exact"
            case aMargin = "a_margin"
            case bMargin = "b_margin"
        }
    }

    package let nameA: String
    package let nameB: String
    package let caseCount: Int
    /// Cases that only one of them answered.
    package let unpairedCount: Int
    package let identicalTextCount: Int
    /// Cases whose prompts had the same tokens.
    package let identicalPromptCount: Int
    package let lines: [Line]
    /// Flipped ones first, then by name.
    package let differences: [Difference]
    package let timings: Timings

    /// Latency side by side, in milliseconds.
    package struct Timings: Encodable, Sendable {
        package let firstTokenA: EvaluationReport.Spread?
        package let firstTokenB: EvaluationReport.Spread?
        package let totalA: EvaluationReport.Spread?
        package let totalB: EvaluationReport.Spread?

        enum CodingKeys: String, CodingKey {
            case firstTokenA = "first_token_a"
            case firstTokenB = "first_token_b"
            case totalA = "total_a"
            case totalB = "total_b"
        }
    }

    enum CodingKeys: String, CodingKey {
        case lines, differences, timings
        case nameA = "name_a"
        case nameB = "name_b"
        case caseCount = "case_count"
        case unpairedCount = "unpaired_count"
        case identicalTextCount = "identical_text_count"
        case identicalPromptCount = "identical_prompt_count"
    }

    package init(
        _ nameA: String, _ a: [EvaluationReport.Case], _ nameB: String, _ b: [EvaluationReport.Case]
    ) {
        let answersB = Dictionary(
            b.filter { $0.metrics != nil }.map { ($0.record.id, $0) }, uniquingKeysWith: { first, _ in first }
        )
        let answeredA = a.filter { $0.metrics != nil }
        let pairs = answeredA.compactMap { each in answersB[each.record.id].map { (each, $0) } }
        self.nameA = nameA
        self.nameB = nameB
        caseCount = pairs.count
        unpairedCount = answeredA.count + answersB.count - 2 * pairs.count
        identicalTextCount = pairs.count { $0.0.record.got == $0.1.record.got }
        identicalPromptCount = pairs.count { $0.0.record.promptFingerprint == $0.1.record.promptFingerprint }
        lines = Metric.all.compactMap { Self.line($0, pairs) }
        differences = pairs.compactMap(Self.difference).sorted {
            ($0.isFlipped ? 0 : 1, $0.id) < ($1.isFlipped ? 0 : 1, $1.id)
        }
        let (recordsA, recordsB) = (pairs.map(\.0.record.timings), pairs.map(\.1.record.timings))
        timings = Timings(
            firstTokenA: .init(recordsA.compactMap(\.firstTokenMilliseconds)),
            firstTokenB: .init(recordsB.compactMap(\.firstTokenMilliseconds)),
            totalA: .init(recordsA.map(\.totalMilliseconds)), totalB: .init(recordsB.map(\.totalMilliseconds))
        )
    }

    private static func line(
        _ metric: Metric, _ pairs: [(EvaluationReport.Case, EvaluationReport.Case)]
    ) -> Line? {
        let values = pairs.compactMap { pair -> (a: Double, b: Double)? in
            guard let a = pair.0.metrics, let b = pair.1.metrics else { return nil }
            return (metric.value(a), metric.value(b))
        }
        guard let difference = Estimate(values.map { $0.b - $0.a }) else { return nil }
        let wins = values.count { $0.b > $0.a }
        let losses = values.count { $0.b < $0.a }
        return Line(
            metric: metric.name, title: metric.title,
            a: values.reduce(0) { $0 + $1.a } / Double(values.count),
            b: values.reduce(0) { $0 + $1.b } / Double(values.count), difference: difference, wins: wins,
            losses: losses, pValue: PairedTest.binomial(wins: wins, losses: losses))
    }

    private static func difference(
        _ pair: (EvaluationReport.Case, EvaluationReport.Case)
    ) -> Difference? {
        let (a, b) = (pair.0.record, pair.1.record)
        guard a.got != b.got else { return nil }
        // An engine that gives no tokens has none to compare.
        let place =
            a.tokens.isEmpty || b.tokens.isEmpty ? nil : zip(a.tokens, b.tokens).prefix { $0 == $1 }.count
        return Difference(
            id: a.id, kind: a.kind.rawValue, expected: a.expected, a: a.got, b: b.got,
            aIsExact: pair.0.metrics?.exactMatch == 1, bIsExact: pair.1.metrics?.exactMatch == 1,
            token: place,
            aMargin: place.flatMap { a.margins.dropFirst($0).first },
            bMargin: place.flatMap { b.margins.dropFirst($0).first })
    }
}
