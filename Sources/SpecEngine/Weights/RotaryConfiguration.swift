// How positions turn queries and keys, read from GGUF metadata and from `rope_freqs.weight`: the base, which values
// of a head form pairs, and how a model stretches its frequencies to reach further than it was first trained.
// Computing angles is RotaryTable's business.

#if canImport(Glibc)
    import Glibc
#endif

/// The rotary position embedding of one model.
package struct RotaryConfiguration: Sendable, Equatable {
    /// Which values of a head turn together.
    package enum Pairing: Sendable, Equatable {
        /// i and i + dimension/2, as transformers stores them.
        case halves
        /// 2i and 2i + 1: GGUF files of the architecture `llama`.
        case neighbours
    }

    /// The leading values of a head that turn; even.
    package var dimension: Int
    package var frequencyBase: Float
    package var pairing: Pairing
    /// What each pair's frequency is divided by, [dimension/2]; 1 without scaling.
    package var frequencyDivisors: [Float]

    /// The same rotation with another base: a draft's own, over its target's scaling.
    func withFrequencyBase(_ base: Float) -> RotaryConfiguration {
        var other = self
        other.frequencyBase = base
        return other
    }
}

extension ConfigurationReader {
    func rotary(headDimension: Int) throws(GGUFError) -> RotaryConfiguration {
        let dimension = try rotatedDimension(headDimension: headDimension)
        // 10,000 is the format's default base.
        let base = try positiveFloat("rope.freq_base", below: 1e12, standard: 10_000)
        var divisors = try frequencyFactors(count: dimension / 2)
        switch try file.metadata.string(key("rope.scaling.type")) ?? "" {
        case "none":
            break
        case "":
            // Before the type had a key, a factor alone meant linear scaling.
            let factor = try positiveFloat("rope.scale_linear", below: 1e6, standard: 1)
            divisors = divisors.map { $0 * factor }
        case "linear":
            let factor = try positiveFloat("rope.scaling.factor", below: 1e6, standard: nil)
            divisors = divisors.map { $0 * factor }
        case "llama3":
            // The tensor, where a file has both, holds what the keys describe.
            if file.tensors[Self.frequencyTensor] == nil {
                divisors = try llama3Divisors(dimension: dimension, base: base)
            }
        case let other:
            throw unsupported("the rope scaling \(other)")
        }
        if try positiveFloat("rope.scaling.attn_factor", below: 1e6, standard: 1) != 1 {
            throw unsupported("a rope scaling with an attention factor")
        }
        return RotaryConfiguration(
            dimension: dimension, frequencyBase: base,
            pairing: architecture == .llama ? .neighbours : .halves, frequencyDivisors: divisors)
    }

    static let frequencyTensor = "rope_freqs.weight"

    private func rotatedDimension(headDimension: Int) throws(GGUFError) -> Int {
        let name = "rope.dimension_count"
        guard file.metadata[key(name)] != nil else { return headDimension }
        let dimension = try count(name, limit: headDimension)
        guard dimension % 2 == 0 else { throw invalid(name, "even", "\(dimension)") }
        return dimension
    }

    /// The divisors that a file lists one by one.
    private func frequencyFactors(count: Int) throws(GGUFError) -> [Float] {
        let name = Self.frequencyTensor
        guard file.tensors[name] != nil else { return [Float](repeating: 1, count: count) }
        let tensor = try file.requiredTensor(name, dimensions: [count])
        guard tensor.type == .f32 else {
            throw GGUFError(path: file.path, problem: .badTensor(name: name, reason: "is not stored as F32"))
        }
        let bytes = file.bytes(of: tensor)
        let factors = (0..<count).map { bytes.loadUnaligned(fromByteOffset: $0 * 4, as: Float.self) }
        guard factors.allSatisfy({ $0.isFinite && $0 > 0 }) else {
            throw GGUFError(
                path: file.path, problem: .badTensor(name: name, reason: "holds values that are not above 0"))
        }
        return factors
    }

    /// Llama 3.1's rule: long waves are stretched by `factor`, short ones stay, those between are blended. Defaults
    /// are the published models'.
    private func llama3Divisors(dimension: Int, base: Float) throws(GGUFError) -> [Float] {
        let factor = try positiveFloat("rope.scaling.factor", below: 1e6, standard: 8)
        let low = try positiveFloat("rope.scaling.low_freq_factor", below: 1e6, standard: 1)
        let high = try positiveFloat("rope.scaling.high_freq_factor", below: 1e6, standard: 4)
        guard high > low else {
            throw invalid("rope.scaling.high_freq_factor", "above the low factor \(low)", "\(high)")
        }
        let original = try positiveFloat(
            "rope.scaling.original_context_length", below: Double(ModelConfiguration.Limits.contextLength),
            standard: 8_192)
        return (0..<dimension / 2).map { index in
            let waveLength = 2 * Float.pi * powf(base, Float(2 * index) / Float(dimension))
            if waveLength < original / high { return 1 }
            if waveLength > original / low { return factor }
            let smooth = (original / waveLength - low) / (high - low)
            return 1 / ((1 - smooth) / factor + smooth)
        }
    }
}
