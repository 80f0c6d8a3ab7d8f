// Random inputs for kernel tests, always from a seed that failures print.

import CSpecKernels

@testable import SpecEngine

/// SplitMix64: small, fast, and the same on every platform.
struct TestRandom {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// Uniform in [-1, 1).
    mutating func signed() -> Float { Float(Int32(truncatingIfNeeded: next() >> 40)) / Float(1 << 23) - 1 }

    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }

    mutating func floats(_ count: Int, scale: Float = 1) -> [Float] { (0..<count).map { _ in signed() * scale } }

    /// A GGUF Q4_0 matrix [n, k] with scales of either sign.
    mutating func q4Rows(n: Int, k: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        for _ in 0..<n * k / 32 {
            let scale = Float16(signed() * 0.05).bitPattern
            bytes += [UInt8(scale & 255), UInt8(scale >> 8)]
            bytes += (0..<16).map { _ in UInt8(truncatingIfNeeded: next() >> 32) }
        }
        return bytes
    }
}

/// Every instruction set this machine can run.
let availableInstructionSets = InstructionSet.names.compactMap { InstructionSet(named: $0) }

/// Runs `body` with a live team.
func withTeam<Result>(
    _ instructionSet: InstructionSet, threadCount: Int = 2, _ body: (OpaquePointer) throws -> Result
) throws -> Result {
    guard let team = ThreadTeam(threadCount: threadCount, instructionSet: instructionSet) else {
        throw EngineError.threadsUnavailable(count: threadCount)
    }
    let result = try body(team.pool)
    withExtendedLifetime(team) {}
    return result
}
