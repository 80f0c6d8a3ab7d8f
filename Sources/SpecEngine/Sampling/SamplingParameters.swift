// How the next token is chosen from the model's distribution.

/// Sampling settings. Applied in this order: temperature, top-k, top-p, min-p; then one draw.
package struct SamplingParameters: Sendable, Equatable {
    /// 0 always takes the most probable token.
    package let temperature: Float
    /// Keep the k most probable tokens; 0 keeps all.
    package let topK: Int
    /// Keep the fewest most probable tokens that together have this probability; 1 keeps all.
    package let topP: Float
    /// Keep tokens at least this probable relative to the most probable one; 0 keeps all.
    package let minP: Float
    /// The same seed gives the same text.
    package let seed: UInt64

    package static let greedy = SamplingParameters(
        uncheckedTemperature: 0, topK: 0, topP: 1, minP: 0, seed: 0)

    /// What is wrong with a setting, for a usage error.
    package struct Invalid: Error, CustomStringConvertible {
        package let description: String
    }

    package init(temperature: Float, topK: Int = 0, topP: Float = 1, minP: Float = 0, seed: UInt64 = 0)
        throws(Invalid)
    {
        guard temperature >= 0, temperature <= 100 else {
            throw Invalid(description: "the temperature is \(temperature); it must be between 0 and 100")
        }
        guard topK >= 0 else { throw Invalid(description: "top-k is \(topK); it must not be negative") }
        guard topP > 0, topP <= 1 else {
            throw Invalid(description: "top-p is \(topP); it must be above 0 and at most 1")
        }
        guard minP >= 0, minP < 1 else {
            throw Invalid(description: "min-p is \(minP); it must be at least 0 and below 1")
        }
        self.init(uncheckedTemperature: temperature, topK: topK, topP: topP, minP: minP, seed: seed)
    }

    private init(uncheckedTemperature: Float, topK: Int, topP: Float, minP: Float, seed: UInt64) {
        temperature = uncheckedTemperature
        self.topK = topK
        self.topP = topP
        self.minP = minP
        self.seed = seed
    }
}
