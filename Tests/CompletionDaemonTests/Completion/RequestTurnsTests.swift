// Who gets the engine next, and that what fails in a further suggestion costs nothing else.

import RepoContext
import SpecEngine
import Synchronization
import TestSupport
import Testing

@testable import CompletionDaemon

@Suite("Turns at the engine", .timeLimit(.minutes(10)))
struct RequestTurnsTests {
    /// What the tasks see of each other.
    private final class Probe: Sendable {
        let order = Mutex<[Int]>([])
        let isReleased = Mutex(false)
    }

    private func waitUntil(_ isTrue: () -> Bool) async {
        while !isTrue() { await Task.yield() }
    }

    @Test("The newest waiting request goes first; one that was given up never runs")
    func newestFirst() async throws {
        let turns = RequestTurns()
        let probe = Probe()
        let flags = (0..<4).map { _ in CancellationFlag() }
        var tasks: [Task<Void, any Error>] = []
        for number in 0..<4 {
            let flag = flags[number]
            tasks.append(
                Task {
                    try await turns.run(flag) {
                        probe.order.withLock { $0.append(number) }
                        while !probe.isReleased.withLock({ $0 }) { await Task.yield() }
                    }
                })
            await waitUntil { number == 0 ? probe.order.withLock { $0.count == 1 } : turns.waitingCount == number }
        }
        flags[2].raise()
        probe.isReleased.withLock { $0 = true }
        for number in [0, 1, 3] { try await tasks[number].value }
        await #expect(throws: RepoContextError.self) { try await tasks[2].value }
        #expect(probe.order.withLock { $0 } == [0, 3, 1])
        // Free again.
        try await turns.run(CancellationFlag()) {}
    }

    @Test("A failure in a further suggestion keeps those before it")
    func alternatives() async {
        let found = await CompletionService.alternatives(to: ["first"], logger: silentLogger) { seed in
            if seed == 1 { return "second" }
            throw RepoContextError.cancelled
        }
        #expect(found == ["second"])
    }
}
