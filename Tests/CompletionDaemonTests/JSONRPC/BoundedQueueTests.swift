// The queue between threads: order, bounds that make a producer wait, and closing.

import Testing

@testable import CompletionDaemon

@Suite("Bounded queue")
struct BoundedQueueTests {
    @Test("Elements leave in order and a closed queue first gives what it holds")
    func order() {
        let queue = BoundedQueue<Int>(maximumCount: 1000, maximumCost: 1000)
        for number in 0..<500 { #expect(queue.push(number, cost: 1)) }
        queue.close()
        #expect(!queue.push(500, cost: 1))
        for number in 0..<500 { #expect(queue.pop() == number) }
        #expect(queue.pop() == nil)
    }

    @Test("A full queue makes its producer wait until there is room", arguments: [(3, 1000), (1000, 3)])
    func backPressure(maximumCount: Int, maximumCost: Int) {
        let queue = BoundedQueue<Int>(maximumCount: maximumCount, maximumCost: maximumCost)
        let pushed = Monitor(0)
        _ = BlockingThread.start(name: "producer") {
            for number in 0..<100 {
                _ = queue.push(number, cost: 1)
                pushed.withLock { $0 = number + 1 }
            }
        }
        // The producer gets exactly as far as the bound, and one further for each element taken.
        _ = pushed.wait { $0 == 3 ? true : nil }
        for number in 0..<97 {
            #expect(pushed.withLock { $0 } <= number + 3)
            #expect(queue.pop() == number)
            _ = pushed.wait { $0 == number + 4 ? true : nil }
        }
    }

    @Test("An element larger than the whole bound still passes through an empty queue")
    func oversizeElement() {
        let queue = BoundedQueue<Int>(maximumCount: 10, maximumCost: 3)
        #expect(queue.push(1, cost: 50))
        #expect(queue.pop() == 1)
    }

    @Test("Closing wakes a waiting producer and a waiting consumer")
    func closingWakes() {
        let full = BoundedQueue<Int>(maximumCount: 1, maximumCost: 10)
        _ = full.push(1, cost: 1)
        let empty = BoundedQueue<Int>(maximumCount: 1, maximumCost: 10)
        let results = Monitor<[Bool]>([])
        _ = BlockingThread.start(name: "producer") {
            let isAccepted = full.push(2, cost: 1)
            results.withLock { $0.append(isAccepted) }
        }
        _ = BlockingThread.start(name: "consumer") {
            let isElement = empty.pop() != nil
            results.withLock { $0.append(isElement) }
        }
        full.closeAndClear()
        empty.close()
        #expect(results.wait { $0.count == 2 ? $0 : nil } == [false, false])
    }

    @Test("A wait with a limit gives up when nothing changes")
    func timeout() {
        let monitor = Monitor(0)
        #expect(monitor.wait(timeout: .milliseconds(20)) { $0 == 1 ? true : nil } == nil)
    }
}
