// Random inputs for kernel tests, always from a seed that failures print.

import CSpecKernels
import TestSupport

@testable import SpecEngine

extension SeededRandom {
    /// A GGUF matrix [n, k] of any format: random codes, and scales that make weights of about `scale` around zero.
    mutating func ggufRows(_ type: TensorType, n: Int, k: Int, scale: Float = 0.4) -> [UInt8] {
        let blockCount = n * k / type.blockElementCount
        var bytes: [UInt8] = []
        bytes.reserveCapacity(blockCount * type.blockByteCount)
        for _ in 0..<blockCount { bytes += block(type, scale: scale) }
        return bytes
    }

    private mutating func block(_ type: TensorType, scale: Float) -> [UInt8] {
        // Scales of either sign, none of them tiny.
        let sign: Float = oneIn(2) ? -1 : 1
        let size = scale * sign * (0.5 + unitFloat())
        switch type {
        case .f32: return GGUFBuilder.littleEndian((signed() * scale).bitPattern)
        case .f16: return Self.half(signed() * scale)
        case .bf16: return GGUFBuilder.littleEndian(UInt16((signed() * scale).bitPattern >> 16))
        case .q4_0: return Self.half(size / 8) + self.bytes(count: 16)
        case .q8_0: return Self.half(size / 127) + self.bytes(count: 32)
        // Codes times small scales are about 15/2 (31/2) times small minima.
        case .q4_K: return Self.half(size / 500) + Self.half(size / 500 * 7.5) + self.bytes(count: 140)
        case .q5_K: return Self.half(size / 1000) + Self.half(size / 1000 * 15.5) + self.bytes(count: 172)
        case .q6_K: return self.bytes(count: 208) + Self.half(size / 2000)
        }
    }

    private static func half(_ value: Float) -> [UInt8] {
        GGUFBuilder.littleEndian(Float16(value).bitPattern)
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
    return try team.withLiveRequest(cancellation: nil) { try body(team.pool) }
}
