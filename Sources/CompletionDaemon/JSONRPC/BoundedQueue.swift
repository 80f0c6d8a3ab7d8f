// A first-in first-out queue between threads, bounded by count and by cost in bytes. The reader fills one
// with events, the server another with frames; a full queue makes its producer wait, which is how a slow peer
// slows the other side down instead of filling memory.

/// A blocking queue. Elements leave in the order they came, whichever thread put them in.
final class BoundedQueue<Element: Sendable>: Sendable {
    private struct State: Sendable {
        /// Taken elements are nil until the front is cut off: they must not live longer for it.
        var entries: [(element: Element?, cost: Int)] = []
        var headIndex = 0
        var cost = 0
        var isClosed = false

        var count: Int { entries.count - headIndex }

        mutating func append(_ element: Element, cost elementCost: Int) {
            entries.append((element, elementCost))
            cost += elementCost
        }

        mutating func removeFirst() -> Element? {
            guard headIndex < entries.count else { return nil }
            let entry = entries[headIndex]
            entries[headIndex].element = nil
            headIndex += 1
            cost -= entry.cost
            // Emptied often in practice; the second condition bounds what a never empty queue keeps alive.
            if headIndex == entries.count || headIndex >= 64 {
                entries.removeFirst(headIndex)
                headIndex = 0
            }
            return entry.element
        }
    }

    private let state = Monitor(State())
    private let maximumCount: Int
    private let maximumCost: Int

    /// An element whose own cost is above `maximumCost` is still accepted when the queue is empty.
    init(maximumCount: Int, maximumCost: Int) {
        self.maximumCount = maximumCount
        self.maximumCost = maximumCost
    }

    /// Appends, waiting while the queue is full. False when the queue is closed; the element is then dropped.
    func push(_ element: Element, cost: Int) -> Bool {
        state.wait { state in
            if state.isClosed { return false }
            if state.count > 0, state.count >= maximumCount || state.cost + cost > maximumCost { return nil }
            state.append(element, cost: cost)
            return true
        }
    }

    /// Appends without waiting, past the bound if need be: for producers that are bounded elsewhere.
    func pushWithoutWaiting(_ element: Element) {
        state.withLock { state in
            if !state.isClosed { state.append(element, cost: 0) }
        }
    }

    /// The oldest element, waiting for one. Nil when the queue is closed and empty.
    func pop() -> Element? {
        state.wait { state -> Element?? in
            if let element = state.removeFirst() { return .some(element) }
            return state.isClosed ? .some(nil) : nil
        }
    }

    /// The oldest element, nil at once when there is none.
    func popIfAvailable() -> Element? {
        state.withLock { $0.removeFirst() }
    }

    /// True once nothing more is accepted.
    var isClosed: Bool {
        state.withLock { $0.isClosed }
    }

    /// No element is accepted any more; those inside can still be taken out.
    func close() {
        state.withLock { $0.isClosed = true }
    }

    /// Closes and drops what is inside.
    func closeAndClear() {
        let dropped = state.withLock { state in
            let entries = state.entries
            state = State()
            state.isClosed = true
            return entries
        }
        // Released here, outside the lock, since an element's deinit may use the queue.
        withExtendedLifetime(dropped) {}
    }
}
