// Shows background work in the editor. The client is asked first for each piece of work, and nothing is sent before it
// has agreed (the protocol demands that); work that ends before the answer comes is not shown at all.

import Logging
import Synchronization

/// Progress of several pieces of work. Any thread.
final class WorkDoneProgress: WorkProgress {
    /// Pieces of work that the client was asked about or shows; more are not shown, since a client may never answer.
    static let maximumWorkCount = 16

    private enum Phase {
        case asked
        case shown
        /// Before the answer came.
        case endedUnanswered
    }

    private struct Work {
        let token: String
        let title: String
        var phase = Phase.asked
        var percentage = 0
    }

    private struct State {
        /// By the request that asked; its id is the work's token.
        var works: [RequestID: Work] = [:]
        var lastNumber = 0
    }

    private struct Reporter: WorkProgressReporter {
        let progress: WorkDoneProgress
        let id: RequestID

        func report(percentage: Int) { progress.report(id, percentage: percentage) }
        func end() { progress.end(id) }
    }

    private let sink: any MessageSink
    private let logger: Logger
    private let state = Mutex(State())

    init(sink: any MessageSink, logger: Logger) {
        self.sink = sink
        self.logger = logger
    }

    func begin(_ title: String) -> any WorkProgressReporter {
        let work = state.withLock { state -> Work? in
            guard state.works.count < Self.maximumWorkCount else { return nil }
            state.lastNumber += 1
            let work = Work(token: "foretoken/work/\(state.lastNumber)", title: title)
            state.works[.string(ExactString(work.token))] = work
            return work
        }
        guard let work else { return NoProgress() }
        let id = RequestID.string(ExactString(work.token))
        do {
            sink.send(
                try WireCoding.encode(
                    RequestMessage(
                        id: id, method: WorkDoneProgressCreateParams.method,
                        params: WorkDoneProgressCreateParams(token: work.token))))
        } catch {
            logger.error("cannot encode \(WorkDoneProgressCreateParams.method)")
            state.withLock { $0.works[id] = nil }
        }
        return Reporter(progress: self, id: id)
    }

    private func report(_ id: RequestID, percentage: Int) {
        state.withLock { state in
            guard let work = state.works[id], percentage > work.percentage else { return }
            state.works[id]?.percentage = percentage
            if work.phase == .shown { notify(work, .init(kind: "report", percentage: percentage)) }
        }
    }

    private func end(_ id: RequestID) {
        state.withLock { state in
            guard let work = state.works[id], work.phase == .shown else {
                state.works[id]?.phase = .endedUnanswered
                return
            }
            state.works[id] = nil
            notify(work, .init(kind: "end"))
        }
    }

    /// The client answered a request. False when it was none of these.
    func answered(_ id: RequestID, isError: Bool) -> Bool {
        state.withLock { state in
            guard let work = state.works[id], work.phase != .shown else { return false }
            if isError || work.phase == .endedUnanswered {
                state.works[id] = nil
            } else {
                state.works[id]?.phase = .shown
                notify(work, .init(kind: "begin", title: work.title, percentage: work.percentage))
            }
            return true
        }
    }

    private func notify(_ work: Work, _ value: WorkDoneProgressParams.Value) {
        sink.notify(
            WorkDoneProgressParams.method, WorkDoneProgressParams(token: work.token, value: value), logger: logger)
    }
}
