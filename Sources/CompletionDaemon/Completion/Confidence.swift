// How sure the model is of a text: the number that the gate for completions while typing compares with its threshold,
// and the one that the threshold curve of `foretoken eval` is drawn over.

import SpecEngine

#if canImport(Glibc)
    import Glibc
#endif

/// The geometric mean of tokens' probabilities.
enum Confidence {
    /// From 0 to 1; nil without tokens.
    static func of(_ logProbabilities: [Float]) -> Double? {
        guard !logProbabilities.isEmpty else { return nil }
        return exp(logProbabilities.reduce(0) { $0 + Double($1) } / Double(logProbabilities.count))
    }
}

extension Generation {
    /// Nil without tokens.
    var confidence: Double? { Confidence.of(logProbabilities) }

    /// Whether a limit ended the text, not its sense.
    var isCut: Bool { stopReason == .maximumTokens || stopReason == .contextFull }
}
