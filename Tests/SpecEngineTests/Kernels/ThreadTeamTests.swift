// The thread team: every ticket once, and a raised flag stops the rest.

import CSpecKernels
import Synchronization
import Testing

@testable import SpecEngine

@Suite("Thread team")
struct ThreadTeamTests {
    private final class Counters: Sendable {
        let values: Mutex<[Int]>
        let flag: CancellationFlag?
        let raiseAt: Int

        init(count: Int, flag: CancellationFlag? = nil, raiseAt: Int = -1) {
            values = Mutex([Int](repeating: 0, count: count))
            self.flag = flag
            self.raiseAt = raiseAt
        }
    }

    private func run(_ team: ThreadTeam, _ counters: Counters, count: Int) -> Bool {
        spec_pool_run(
            team.pool,
            { context, index in
                let counters = Unmanaged<Counters>.fromOpaque(context).takeUnretainedValue()
                counters.values.withLock { $0[Int(index)] += 1 }
                if Int(index) == counters.raiseAt { counters.flag?.raise() }
            }, Unmanaged.passUnretained(counters).toOpaque(), UInt32(count))
    }

    @Test("Every ticket runs exactly once, job after job, with 1 to 5 threads")
    func ticketsRunOnce() throws {
        for threadCount in 1...5 {
            let team = try ModelFixture.team(threadCount: threadCount)
            team.withLiveRequest(cancellation: nil) {
                for count in [0, 1, 2, 3, 17, 500] + Array(repeating: 7, count: 300) {
                    let counters = Counters(count: count)
                    #expect(run(team, counters, count: count))
                    #expect(counters.values.withLock { $0 } == [Int](repeating: 1, count: count))
                }
            }
        }
    }

    @Test("A flag raised in the middle stops the remaining tickets, and the next job runs in full")
    func cancellationSkipsTickets() throws {
        let team = try ModelFixture.team()
        let flag = CancellationFlag()
        team.withLiveRequest(cancellation: flag) {
            let counters = Counters(count: 1_000, flag: flag, raiseAt: 3)
            #expect(!run(team, counters, count: 1_000))
            #expect(counters.values.withLock { $0.reduce(0, +) } < 1_000)
        }
        team.withLiveRequest(cancellation: CancellationFlag()) {
            let counters = Counters(count: 50)
            #expect(run(team, counters, count: 50))
            #expect(counters.values.withLock { $0.reduce(0, +) } == 50)
        }
    }
}
