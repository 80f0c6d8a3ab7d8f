// Means with their uncertainty, and percentiles. Intervals are percentile bootstrap intervals over cases, 95 %, from a
// fixed seed: the same numbers give the same interval.

#if canImport(Glibc)
    import Glibc
#endif

/// A mean and its 95 % interval.
package struct Estimate: Codable, Sendable, Equatable {
    package let mean: Double
    package let low: Double
    package let high: Double
    package let count: Int

    package static let resampleCount = 1_000
    static let seed: UInt64 = 1

    /// Nil for no values.
    package init?(
        _ values: [Double], resampleCount: Int = Estimate.resampleCount, seed: UInt64 = Estimate.seed
    ) {
        guard !values.isEmpty, resampleCount > 0 else { return nil }
        count = values.count
        mean = values.reduce(0, +) / Double(values.count)
        var random = StableRandom(seed: seed)
        var means: [Double] = []
        means.reserveCapacity(resampleCount)
        values.withUnsafeBufferPointer { values in
            for _ in 0..<resampleCount {
                var sum = 0.0
                for _ in values.indices { sum += values[random.next(below: values.count)] }
                means.append(sum / Double(values.count))
            }
        }
        means.sort()
        low = Percentile.of(means, 0.025)
        high = Percentile.of(means, 0.975)
    }
}

/// Percentiles by linear interpolation.
package enum Percentile {
    /// - Parameters:
    ///   - sorted: ascending, at least one.
    ///   - share: 0 to 1.
    package static func of(_ sorted: [Double], _ share: Double) -> Double {
        let place = share * Double(sorted.count - 1)
        let below = Int(place.rounded(.down))
        let above = min(below + 1, sorted.count - 1)
        return sorted[below] + (sorted[above] - sorted[below]) * (place - Double(below))
    }
}

/// Tests for paired results.
package enum PairedTest {
    /// Two-sided exact binomial test of `wins` against `losses` at one half: McNemar's test for yes-or-no results, the
    /// sign test for others. 1 when there is nothing to compare.
    package static func binomial(wins: Int, losses: Int) -> Double {
        let count = wins + losses
        guard count > 0 else { return 1 }
        let least = min(wins, losses)
        // Sums of binomial coefficients in logarithms: 2ⁿ does not fit for long runs.
        var tail = 0.0
        for k in 0...least {
            let logProbability =
                lgamma(Double(count + 1)) - lgamma(Double(k + 1)) - lgamma(Double(count - k + 1))
                - Double(count) * log(2.0)
            tail += exp(logProbability)
        }
        return min(1, 2 * tail)
    }
}
