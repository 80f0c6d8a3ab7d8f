// When a suggestion that nobody asked for comes too late: the user types on, and what is shown then is in the way.
// Until then the answer may grow; after it what there is, in whole lines, is the answer, and work that has written
// nothing yet goes on behind an empty one. That a user gives a request up is another matter, with a flag of its own.

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

    /// Ends the engine's work on the answer: raised when the time comes, and by whoever gives the request up.
    let stop = CancellationFlag()

    private let end: ContinuousClock.Instant
    private let rate: @Sendable () -> Double?
    private let clock: Clock
    private let isOver = Atomic(false)
    private let isWriting = Atomic(false)
    private let timer = Mutex<Task<Void, Never>?>(nil)
    /// Called once when the time comes.
    private let onEnd = Mutex<(@Sendable () -> Void)?>(nil)

    /// - Parameter rate: tokens that this machine reads in a second, as far as is known by then.
    init(end: ContinuousClock.Instant, rate: @escaping @Sendable () -> Double?, clock: Clock = Clock()) {
        self.end = end
        self.rate = rate
        self.clock = clock
        let task = Task.detached { [weak self] in
            guard (try? await clock.wait(end)) != nil else { return }
            self?.pass()
        }
        timer.withLock { $0 = task }
    }

    deinit { timer.withLock { $0 }?.cancel() }

    private func pass() {
        isOver.store(true, ordering: .releasing)
        stop.raise()
        let onEnd = onEnd.withLock { handler in
            defer { handler = nil }
            return handler
        }
        onEnd?()
    }

    /// Whether the time has come.
    var hasPassed: Bool { isOver.load(ordering: .acquiring) }

    /// The answer's first token is there.
    func noteWriting() { isWriting.store(true, ordering: .releasing) }

    /// What the work comes to; nil where the time comes before it writes, whatever it waits for: it goes on then, and
    /// what it comes to is dropped. Work that writes is waited for, because it ends at once.
    func result<Value: Sendable>(of work: @escaping @Sendable () async -> Value) async -> Value? {
        let first = FirstResult<Value?>()
        return await withCheckedContinuation { continuation in
            first.wait(continuation)
            let letGo: @Sendable () -> Void = { [weak self] in
                guard let self, !isWriting.load(ordering: .acquiring) else { return }
                first.finish(nil)
            }
            onEnd.withLock { $0 = letGo }
            // It may have come before anybody listened.
            if hasPassed { letGo() }
            Task.detached { first.finish(await work()) }
        }
    }

    // MARK: Reading

    /// Whether a prompt with so many new tokens can be read, and something be written, in the time that is left.
    func allowsReading(_ newTokenCount: Int) -> Bool {
        !hasPassed && timeLeft > .zero && readingTime(newTokenCount) <= timeLeft
    }

    /// How long a prompt with so many new tokens may wait before it is read: half of what is not needed, since waiting
    /// and reading take longer than they should.
    func longestWait(beforeReading newTokenCount: Int) -> Duration {
        max(.zero, (timeLeft - readingTime(newTokenCount)) / 2)
    }

    /// Until writing must begin.
    private var timeLeft: Duration { end - Self.leastWritingTime - clock.now() }

    private func readingTime(_ newTokenCount: Int) -> Duration {
        guard let rate = rate(), rate > 0, newTokenCount > Self.freeTokenCount else { return .zero }
        return .seconds(Double(newTokenCount) / rate)
    }
}
