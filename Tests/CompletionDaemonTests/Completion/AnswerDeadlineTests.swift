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

    private func deadline(_ clock: FakeClock, rate: Double?) -> AnswerDeadline {
        AnswerDeadline(end: clock.start + .seconds(1), rate: { rate }, clock: clock.clock)
    }

    private func passed() async -> AnswerDeadline {
        let clock = FakeClock()
        let deadline = deadline(clock, rate: nil)
        clock.ring()
        while !deadline.hasPassed { await Task.yield() }
        return deadline
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

    @Test("The wait before a prompt leaves the time to read it")
    func waiting() {
        let clock = FakeClock()
        let deadline = deadline(clock, rate: 1_000)
        #expect(deadline.longestWait(beforeReading: 500) == .milliseconds(200))
        clock.set(.milliseconds(600))
        #expect(deadline.longestWait(beforeReading: 500) == .zero)
    }

    @Test("When the time comes, work that has written nothing is let go and goes on", .timeLimit(.minutes(10)))
    func letsGo() async {
        let clock = FakeClock()
        let late = deadline(clock, rate: nil)
        #expect(!late.hasPassed && !late.stop.isRaised)
        let (gate, opener) = AsyncStream<Void>.makeStream()
        let (finished, reporter) = AsyncStream<Void>.makeStream()
        clock.ring()
        let nothing = await late.result {
            for await _ in gate { break }
            reporter.yield()
            return 1
        }
        #expect(nothing == nil && late.hasPassed && late.stop.isRaised && !late.allowsReading(1))
        opener.yield()
        for await _ in finished { break }
    }

    @Test("When the time comes, work that writes is told to stop and waited for", .timeLimit(.minutes(10)))
    func waitsForWriting() async {
        let clock = FakeClock()
        let writing = deadline(clock, rate: nil)
        let text = await writing.result {
            writing.noteWriting()
            clock.ring()
            while !writing.hasPassed { await Task.yield() }
            return 2
        }
        #expect(text == 2 && writing.stop.isRaised)
    }

    @Test("An answer in time leaves nothing behind", .timeLimit(.minutes(10)))
    func inTime() async {
        let isReleased = Monitor(false)
        final class Witness: Sendable {
            let isReleased: Monitor<Bool>
            init(_ isReleased: Monitor<Bool>) { self.isReleased = isReleased }
            deinit { isReleased.withLock { $0 = true } }
        }
        do {
            let witness = Witness(isReleased)
            var clock = FakeClock().clock
            clock.wait = { [wait = clock.wait] end in
                _ = witness
                try await wait(end)
            }
            let deadline = AnswerDeadline(end: .now + .seconds(600), rate: { nil }, clock: clock)
            #expect(await deadline.result { 1 } == 1)
        }
        _ = await BlockingThread.value { isReleased.wait { $0 ? true : nil } }
    }

    /// A pipeline and what it is asked in a small project.
    private struct Asking {
        let project: DrawingProject
        let pipeline: CompletionPipeline

        init() throws {
            project = try DrawingProject()
            pipeline = CompletionPipeline(
                engine: try EngineConfiguration(modelPath: FixturePaths.defaultModel).load(),
                context: RepositoryContext(RepositoryContext.Configuration { _ in }))
        }

        func request(deadline: AnswerDeadline) -> CompletionPipeline.Request {
            let text = Array(DrawingProject.caller.utf8)
            var request = CompletionPipeline.Request(
                query: ContextQuery(
                    filePath: project.filePath, text: text, cursorOffset: text.count - 40, tokenBudget: 512),
                languageID: "python", maximumTokens: 16, sampling: .greedy, cancellation: CancellationFlag())
            request.deadline = deadline
            return request
        }
    }

    @Test("Behind its deadline a request gets its prompt, to be read later", .timeLimit(.minutes(10)))
    func goesOn() async throws {
        let asking = try Asking()
        let result = try await asking.pipeline.complete(asking.request(deadline: await passed()))
        #expect(result.isUnread && !result.prompt.tokens.isEmpty)
    }

    @Test("Behind its deadline a request ends when it is given up", .timeLimit(.minutes(10)))
    func endsGivenUp() async throws {
        let asking = try Asking()
        let request = asking.request(deadline: await passed())
        request.cancellation.raise()
        await #expect(throws: RepoContextError.cancelled) { _ = try await asking.pipeline.complete(request) }
    }

    @Test("Behind its deadline a request ends when something newer comes", .timeLimit(.minutes(10)))
    func endsOutdated() async throws {
        let asking = try Asking()
        var changing = asking.request(deadline: await passed())
        changing.isOutdated = { true }
        let request = changing
        await #expect(throws: RepoContextError.cancelled) { _ = try await asking.pipeline.complete(request) }
    }

    @Test("A request waits on purpose as long as its deadline allows, and no longer", .timeLimit(.minutes(10)))
    func shortensWait() async throws {
        let asking = try Asking()
        let clock = FakeClock()
        clock.set(.milliseconds(800))
        var request = asking.request(deadline: deadline(clock, rate: nil))
        request.debounce = { _ in .seconds(6_000) }
        let result = try await asking.pipeline.complete(request)
        #expect(result.waitingTime == .milliseconds(50))
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
        #expect(await ask(.automatic) == .none(reason: "the prompt is not read yet"))
        guard case .items(let items) = await ask(.invoked) else {
            Issue.record("nothing was suggested")
            return
        }
        #expect(!items.isEmpty && items.allSatisfy { !$0.isUnfinished })
    }
}
