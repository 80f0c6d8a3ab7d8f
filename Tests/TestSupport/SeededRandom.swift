// A small reproducible generator for tests (SplitMix64, Steele, Lea and Flood 2014). Not the engine's generator:
// a test must not draw its cases from the code it tests.

/// A generator whose whole sequence follows from its seed. Tests print the seed when they fail.
package struct SeededRandom: RandomNumberGenerator {
    package let seed: UInt64
    private var state: UInt64

    package init(seed: UInt64) {
        self.seed = seed
        state = seed
    }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// Uniform bytes.
    package mutating func bytes(count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
    }

    /// A number in 0 ..< bound.
    package mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self) }

    package mutating func element<Element>(of elements: [Element]) -> Element {
        elements[below(elements.count)]
    }

    /// True once in `count` times.
    package mutating func oneIn(_ count: Int) -> Bool { below(count) == 0 }

    /// A number in 0 ..< 1.
    package mutating func unitFloat() -> Float { Float(next() >> 40) * 0x1p-24 }

    /// A number in -1 ..< 1.
    package mutating func signed() -> Float { Float(Int32(truncatingIfNeeded: next() >> 40)) * 0x1p-23 - 1 }

    /// Numbers in -scale ..< scale.
    package mutating func floats(_ count: Int, scale: Float = 1) -> [Float] {
        (0..<count).map { _ in signed() * scale }
    }
}
