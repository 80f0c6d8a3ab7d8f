// When a suggestion that nobody asked for comes too late: the user types on, and what is shown then is in the way.
// Until then the answer may grow; after it what there is, in whole lines, is the answer. It ends the work by the
// request's own flag and remembers that it was the one that did.

import SpecEngine
import Synchronization

/// The end of one automatic request. Any thread.
final class AnswerDeadline: Sendable {
    /// From the request to its answer.
    static let standardLimit = Duration.milliseconds(900)
    /// A prompt that is read less than this before the end leaves no time to write a line.
    static let leastWritingTime = Duration.milliseconds(100)
    /// Prompts of which fewer tokens are new are begun whatever the measured rate is: it may have been measured while
    /// the machine was busy, and so few are read in the time of a few keystrokes anyway.
    static let freeTokenCount = KeptContext.allowedTokenCount

    /// What time it is, and how to wait for a time.
    struct Clock: Sendable {
        var now: @Sendable () -> ContinuousClock.Instant = { .now }
        var wait: @Sendable (ContinuousClock.Instant) async throws -> Void = { end in
            try await Task.sleep(until: end, clock: .continuous)
        }
    }

    private let end: ContinuousClock.Instant
    private let rate: Double?
    private let clock: Clock
    private let isOver = Atomic(false)
    private let timer = Mutex<Task<Void, Never>?>(nil)

    /// - Parameters:
    ///   - rate: tokens that this machine reads in a second; nil where that is not known yet.
    ///   - onEnd: ends the work; called once at most.
    init(
        end: ContinuousClock.Instant, rate: Double?, clock: Clock = Clock(), onEnd: @escaping @Sendable () -> Void
    ) {
        self.end = end
        self.rate = rate
        self.clock = clock
        let task = Task.detached { [weak self] in
            guard (try? await clock.wait(end)) != nil, let self else { return }
            isOver.store(true, ordering: .releasing)
            onEnd()
        }
        timer.withLock { $0 = task }
    }

    deinit { timer.withLock { $0 }?.cancel() }

    /// Whether it has ended the work.
    var hasPassed: Bool { isOver.load(ordering: .acquiring) }

    /// Whether a prompt with so many new tokens can be read, and something be written, in the time that is left.
    func allowsReading(_ newTokenCount: Int) -> Bool {
        let left = end - Self.leastWritingTime - clock.now()
        guard !hasPassed, left > .zero else { return false }
        guard let rate, rate > 0, newTokenCount > Self.freeTokenCount else { return true }
        return .seconds(Double(newTokenCount) / rate) <= left
    }
}
