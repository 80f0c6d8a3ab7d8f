// Random inputs for kernel tests, always from a seed that failures print.

import CSpecKernels
import TestSupport

@testable import SpecEngine

extension SeededRandom {
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
    return try team.withLiveRequest(cancellation: nil) { try body(team.pool) }
}
