// Summaries of measurements: percentiles, means, and how sure a statistic is.

import SpecEngine

#if canImport(Glibc)
    import Glibc
#endif

enum BenchStatistics {
    /// The value at rank `p` (0 to 1), 0 of nothing.
    static func percentile(_ values: [Double], _ p: Double) -> Double {
        let sorted = values.sorted()
        return sorted.isEmpty
            ? 0 : sorted[min(sorted.count - 1, Int((p * Double(sorted.count - 1)).rounded()))]
    }

    static func median(_ values: [Double]) -> Double { percentile(values, 0.5) }

    /// Of positive values; 1 of nothing.
    static func geometricMean(_ values: [Double]) -> Double {
        values.isEmpty ? 1 : exp(values.reduce(0) { $0 + log($1) } / Double(values.count))
    }

    /// The geometric mean with the 95 % bounds of a bootstrap over the values.
    static func bootstrappedGeometricMean(_ values: [Double]) -> (value: Double, lower: Double, upper: Double) {
        bootstrapped(values, geometricMean)
    }

    /// A statistic of a sample with the 95 % bounds of a bootstrap over the sample's members, drawn with a fixed seed.
    static func bootstrapped<Member>(
        _ sample: [Member], resampleCount: Int = 4_000, _ statistic: ([Member]) -> Double
    ) -> (value: Double, lower: Double, upper: Double) {
        let value = statistic(sample)
        guard sample.count > 1 else { return (value, value, value) }
        var random = SeededGenerator(seed: 95)
        let values = (0..<resampleCount).map { _ in
            statistic(
                sample.indices.map { _ in
                    sample[min(sample.count - 1, Int(random.uniform() * Double(sample.count)))]
                })
        }
        return (value, percentile(values, 0.025), percentile(values, 0.975))
    }
}
