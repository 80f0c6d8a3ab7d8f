// Changes that come one upon another are applied in their order, and the last one stays.

import Synchronization
import Testing

@testable import CompletionDaemon

@Suite("Latest work", .timeLimit(.minutes(10)))
struct LatestWorkTests {
    @Test("Work waits for the work before it, and what was replaced meanwhile is never done")
    func order() async {
        let work = LatestWork()
        let (begun, beginning) = AsyncStream<Void>.makeStream()
        let (gate, opening) = AsyncStream<Void>.makeStream()
        let (done, ending) = AsyncStream<Void>.makeStream()
        let log = Mutex<[Int]>([])
        work.submit {
            beginning.finish()
            for await _ in gate {}
            log.withLock { $0.append(1) }
        }
        for await _ in begun {}
        work.submit { log.withLock { $0.append(2) } }
        work.submit {
            log.withLock { $0.append(3) }
            ending.finish()
        }
        opening.finish()
        for await _ in done {}
        #expect(log.withLock { $0 } == [1, 3])
    }

    @Test("Of many changes the last one holds in the end")
    func last() async {
        let work = LatestWork()
        let (done, ending) = AsyncStream<Void>.makeStream()
        let value = Mutex(0)
        for number in 1...10_000 {
            work.submit {
                value.withLock { $0 = number }
                if number == 10_000 { ending.finish() }
            }
        }
        for await _ in done {}
        #expect(value.withLock { $0 } == 10_000)
    }
}
