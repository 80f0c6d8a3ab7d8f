// Summaries of measurements: percentiles, and how sure a mean of ratios is.

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

    /// The geometric mean with the 95 % bounds of a bootstrap over the values, drawn with a fixed seed.
    static func bootstrappedGeometricMean(
        _ values: [Double], resampleCount: Int = 4_000
    ) -> (mean: Double, lower: Double, upper: Double) {
        let mean = geometricMean(values)
        guard values.count > 1 else { return (mean, mean, mean) }
        let logarithms = values.map { log($0) }
        var random = SeededGenerator(seed: 95)
        let means = (0..<resampleCount).map { _ in
            let sum = (0..<values.count).reduce(0.0) { sum, _ in
                sum + logarithms[min(values.count - 1, Int(random.uniform() * Double(values.count)))]
            }
            return exp(sum / Double(values.count))
        }
        return (mean, percentile(means, 0.025), percentile(means, 0.975))
    }
}
