// Metrics and statistics against values computed by hand. scripts/check-edit-similarity.py compares edit similarity
// with another implementation on thousands of texts.

import CompletionEvaluation
import Testing

@Suite("Evaluation metrics")
struct MetricsTests {
    private static let similarities: [(String, String, Double)] = [
        ("", "", 1.0), ("a", "", 0.0), ("abc", "abc", 1.0), ("abc", "abd", 4.0 / 6),
        ("kitten", "sitting", 8.0 / 13),
        ("lewenstein", "levenshtein", 18.0 / 21), ("über", "uber", 6.0 / 8), ("👍🏽", "👍", 2.0 / 3),
    ]

    @Test("Edit similarity is 1 − indels / lengths", arguments: similarities)
    func editSimilarity(_ a: String, _ b: String, _ expected: Double) {
        #expect(abs(EditSimilarity.ratio(a, b) - expected) < 1e-12)
        #expect(abs(EditSimilarity.ratio(b, a) - expected) < 1e-12)
    }

    @Test("Edit similarity carries over words of 64 characters")
    func longTexts() {
        let a = String(repeating: "ab", count: 100)
        let b = String(repeating: "ba", count: 100)
        // The longest common subsequence of (ab)ⁿ and (ba)ⁿ leaves out one character of each.
        #expect(abs(EditSimilarity.ratio(a, b) - 199.0 / 200) < 1e-12)
    }

    private func metrics(_ expected: String, _ got: String, _ kind: CaseKind = .line) -> CaseMetrics {
        CaseMetrics(expected: expected, got: got, kind: kind, path: "main.swift")
    }

    @Test("Blanks at the ends do not count, blanks inside do")
    func exactMatch() {
        #expect(metrics("return x", "  return x \n").exactMatch == 1)
        #expect(metrics("return x", "return  x").exactMatch == 0)
        #expect(metrics("return x", "").shown == 0)
    }

    @Test("Of a line case the first line is compared, of a block all lines")
    func lines() {
        #expect(metrics("a()", "a()\nb()", .line).exactMatch == 1)
        #expect(metrics("a()", "a()\nb()", .block).exactMatch == 0)
        #expect(metrics("a()\nb()", "a()\nc()", .block).firstLineMatch == 1)
    }

    @Test("Identifiers are compared as a list and as bags; words of the language are none")
    func identifiers() {
        let some = metrics("return alpha(beta, beta)", "return alpha(beta, gamma, delta)")
        #expect(some.identifierMatch == 0)
        #expect(some.identifierPrecision == 2.0 / 4)
        #expect(abs(some.identifierRecall - 2.0 / 3) < 1e-12)
        #expect(abs(some.identifierF1 - 4.0 / 7) < 1e-12)
        #expect(metrics("return 1", "return 2").identifierF1 == 1)
        #expect(metrics("alpha", "1").identifierF1 == 0)
    }

    @Test("What could be accepted is what is right from the start")
    func accepted() {
        let some = metrics("alphabet", "alpha + beta")
        #expect(some.acceptedCharacters == 5)
        #expect(some.acceptedShare == 5.0 / 8)
    }

    @Test("Binomial p-values by hand")
    func binomial() {
        #expect(PairedTest.binomial(wins: 0, losses: 0) == 1)
        #expect(abs(PairedTest.binomial(wins: 0, losses: 5) - 2.0 / 32) < 1e-12)
        #expect(abs(PairedTest.binomial(wins: 2, losses: 8) - 2.0 * 56 / 1024) < 1e-12)
        #expect(PairedTest.binomial(wins: 4, losses: 4) == 1)
        #expect(PairedTest.binomial(wins: 400, losses: 600) < 1e-8)
    }

    @Test("A bootstrap interval holds the mean, is repeatable, and has the width of theory")
    func bootstrap() throws {
        let values = (0..<400).map { Double($0 % 2) }
        let estimate = try #require(Estimate(values))
        #expect(estimate.mean == 0.5)
        #expect(estimate == Estimate(values))
        // 1.96 · √(0.25 / 400) on each side.
        #expect(abs(estimate.high - estimate.low - 0.098) < 0.012)
        #expect(Estimate([]) == nil)
        #expect(Percentile.of([1, 2, 3, 4], 0.5) == 2.5)
    }
}
