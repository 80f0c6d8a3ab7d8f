// The compute threads of one engine, and the instruction set they use. The work itself is cut into tickets by
// the C kernels; Swift only says when a request begins and ends.

import CSpecKernels

/// Which kernels run. Chosen once per engine.
package struct InstructionSet: Sendable, CustomStringConvertible {
    nonisolated(unsafe) let raw: OpaquePointer  // an immutable table with the lifetime of the process

    /// The best that this CPU supports.
    package static var best: InstructionSet { InstructionSet(raw: spec_isa_best()) }

    /// By name: `avx512`, `avx2`, `neon` or `portable`; nil where unknown or unsupported on this CPU.
    package init?(named name: String) {
        guard let raw = spec_isa_named(name) else { return nil }
        self.raw = raw
    }

    private init(raw: OpaquePointer) { self.raw = raw }

    package static let names = ["avx512", "avx2", "neon", "portable"]

    package var description: String { String(cString: spec_isa_name(raw)) }
}

/// The threads that compute. Engine thread only.
final class ThreadTeam {
    let pool: OpaquePointer
    let instructionSet: InstructionSet

    /// `threadCount` includes the thread that calls. Fails where threads cannot be started.
    init?(threadCount: Int, instructionSet: InstructionSet) {
        guard EngineLimits.threadCounts.contains(threadCount),
            let pool = spec_pool_create(Int32(threadCount), instructionSet.raw)
        else { return nil }
        self.pool = pool
        self.instructionSet = instructionSet
    }

    deinit { spec_pool_destroy(pool) }

    var threadCount: Int { Int(spec_pool_thread_count(pool)) }

    /// Runs `body` with the helpers awake, polling `flag`. Not reentrant.
    func withLiveRequest<Result>(cancellation flag: CancellationFlag?, _ body: () throws -> Result) rethrows
        -> Result
    {
        spec_pool_begin(pool, flag?.raw)
        defer {
            spec_pool_end(pool)
            withExtendedLifetime(flag) {}
        }
        return try body()
    }
}
