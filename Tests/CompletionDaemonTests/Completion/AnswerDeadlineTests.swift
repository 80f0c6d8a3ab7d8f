// When an automatic answer comes too late, by a clock of the test's own.

import RepoContext
import SpecEngine
import Synchronization
import TestSupport
import Testing

@testable import CompletionDaemon

@Suite("Answer deadline")
struct AnswerDeadlineTests {
    /// A clock that stands until it is set, and rings when the test says so.
    private final class FakeClock: Sendable {
        let start = ContinuousClock.now
        private let passed = Mutex(Duration.zero)
        private let ringing: AsyncStream<Void>.Continuation
        private let rings: AsyncStream<Void>

        init() { (rings, ringing) = AsyncStream.makeStream() }

        func set(_ time: Duration) { passed.withLock { $0 = time } }
        func ring() { ringing.yield() }

        var clock: AnswerDeadline.Clock {
            AnswerDeadline.Clock(
                now: { [self] in start + passed.withLock { $0 } },
                wait: { [rings] _ in
                    for await _ in rings { return }
                    throw CancellationError()
                })
        }
    }

    private func deadline(
        _ clock: FakeClock, rate: Double?, onEnd: @escaping @Sendable () -> Void = {}
    ) -> AnswerDeadline {
        AnswerDeadline(end: clock.start + .seconds(1), rate: rate, clock: clock.clock, onEnd: onEnd)
    }

    @Test("A prompt is begun that the measured rate says is read with time left to write")
    func reading() {
        let clock = FakeClock()
        let deadline = deadline(clock, rate: 1_000)
        #expect(deadline.allowsReading(900) && !deadline.allowsReading(901))
        clock.set(.milliseconds(300))
        #expect(deadline.allowsReading(600) && !deadline.allowsReading(601))
        // So few are begun whatever was measured.
        clock.set(.milliseconds(899))
        #expect(deadline.allowsReading(AnswerDeadline.freeTokenCount) && !deadline.allowsReading(200))
        clock.set(.milliseconds(900))
        #expect(!deadline.allowsReading(1))
        #expect(self.deadline(FakeClock(), rate: nil).allowsReading(10_000), "nobody knows yet")
    }

    @Test("When the time comes the work ends, once")
    func ends() async {
        let clock = FakeClock()
        let ended = Monitor(0)
        let deadline = deadline(clock, rate: nil) { ended.withLock { $0 += 1 } }
        #expect(!deadline.hasPassed)
        clock.ring()
        _ = await BlockingThread.value { ended.wait { $0 == 1 ? true : nil } }
        #expect(deadline.hasPassed && !deadline.allowsReading(1))
    }

    @Test("An answer in time leaves nothing behind")
    func inTime() async {
        let clock = FakeClock()
        let isReleased = Monitor(false)
        final class Witness: Sendable {
            let isReleased: Monitor<Bool>
            init(_ isReleased: Monitor<Bool>) { self.isReleased = isReleased }
            deinit { isReleased.withLock { $0 = true } }
        }
        do {
            let witness = Witness(isReleased)
            let deadline = deadline(clock, rate: nil) { _ = witness }
            #expect(!deadline.hasPassed)
        }
        _ = await BlockingThread.value { isReleased.wait { $0 ? true : nil } }
    }

    @Test("Of what was written by then whole lines are shown; of a cancelled answer nothing")
    func shownText() {
        let document = Array("func f() {\n    ".utf8)
        let request = CompletionPipeline.Request(
            query: ContextQuery(filePath: "/a.swift", text: document, cursorOffset: document.count, tokenBudget: 512),
            languageID: "swift", maximumTokens: 64, sampling: .greedy, cancellation: CancellationFlag())
        let rules = StopRules(prefix: document[...], suffix: [], languageID: "swift")
        var generation = Generation()
        generation.stopReason = .cancelled
        func shown(_ text: String, isOverdue: Bool) -> String? {
            generation.text = Array(text.utf8)
            return CompletionPipeline.text(of: generation, isOverdue: isOverdue, request, rules)
        }
        #expect(shown("a()\n    b()\n    c", isOverdue: true) == "a()\n    b()")
        #expect(shown("a(b", isOverdue: true) == nil)
        #expect(shown("a()\n    b()\n    c", isOverdue: false) == nil)
    }

    @Test("Typing's answer comes in time, without what is not read yet; who asks waits for it")
    func service() async throws {
        let project = try DrawingProject()
        var configuration = CompletionService.Configuration(
            engine: EngineConfiguration(modelPath: FixturePaths.defaultModel), contextTokens: 512)
        configuration.automaticLimit = .zero
        let service = CompletionService(configuration: configuration)
        let text = Array(DrawingProject.caller.utf8)
        func ask(_ kind: InlineCompletionTriggerKind) async -> CompletionOutcome {
            let document = DocumentSnapshot(
                uri: DocumentURI(project.rootURI + "/" + DrawingProject.file), languageID: "python", version: 1,
                bytes: text)
            return await service.complete(
                CompletionRequest(
                    document: document, byteOffset: text.count - 40, triggerKind: kind, selectedCompletion: nil,
                    openDocuments: [], recentPaths: [], cancellation: RequestCancellation()))
        }
        #expect(await ask(.automatic) == .none(reason: "the prompt is still being read"))
        guard case .items(let items) = await ask(.invoked) else {
            Issue.record("nothing was suggested")
            return
        }
        #expect(!items.isEmpty && items.allSatisfy { !$0.isUnfinished })
    }
}
