// The random numbers of sampling: SplitMix64 (Steele, Lea, Flood 2014), chosen because a draw is three lines, equal
// on every platform, and its state is one integer.

/// A reproducible generator.
package struct SeededGenerator: Sendable {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    /// Uniform in [0, 1), 53 bits.
    package mutating func uniform() -> Double {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        z ^= z >> 31
        return Double(z >> 11) * 0x1p-53
    }
}
