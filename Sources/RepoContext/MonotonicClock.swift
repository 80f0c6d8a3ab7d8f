// Time as this module sees it: a monotonic reading, injected so that tests decide how fast it goes.

import Glibc

/// A source of monotonic time.
package struct MonotonicClock: Sendable {
    /// Nanoseconds since some fixed point.
    package let nanoseconds: @Sendable () -> UInt64

    package init(nanoseconds: @escaping @Sendable () -> UInt64) { self.nanoseconds = nanoseconds }

    /// The system's monotonic clock.
    package static let system = MonotonicClock {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    /// Time that has passed since an earlier reading.
    func duration(since start: UInt64) -> Duration {
        .nanoseconds(Int64(clamping: nanoseconds() &- start))
    }
}
