// The flag by which any thread stops a running generation. Kernels poll it before each ticket of work, so the
// engine is idle again within a millisecond or so; nothing is unwound.

import CSpecKernels

/// Raised from any thread, polled by the compute threads. A request has its own.
package final class CancellationFlag: @unchecked Sendable {  // the C side is one atomic boolean
    let raw: OpaquePointer

    package init() {
        guard let raw = spec_cancel_create() else {
            preconditionFailure("no memory for a cancellation flag")
        }
        self.raw = raw
    }

    deinit { spec_cancel_destroy(raw) }

    /// Asks the generation to stop. Idempotent, never blocks.
    package func raise() { spec_cancel_raise(raw) }

    package var isRaised: Bool { spec_cancel_is_raised(raw) }
}
