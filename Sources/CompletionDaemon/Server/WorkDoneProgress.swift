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
        let title: String
        var phase = Phase.asked
        var percentage = 0
    }

    private struct State {
        /// By token, which is also the id of the request that asked.
        var works: [String: Work] = [:]
        var lastNumber = 0
    }

    private struct Reporter: WorkProgressReporter {
        let progress: WorkDoneProgress
        let token: String

        func report(percentage: Int) { progress.report(token, percentage: percentage) }
        func end() { progress.end(token) }
    }

    private let sink: any MessageSink
    private let logger: Logger
    private let state = Mutex(State())

    init(sink: any MessageSink, logger: Logger) {
        self.sink = sink
        self.logger = logger
    }

    func begin(_ title: String) -> any WorkProgressReporter {
        let token = state.withLock { state -> String? in
            guard state.works.count < Self.maximumWorkCount else { return nil }
            state.lastNumber += 1
            let token = "foretoken/work/\(state.lastNumber)"
            state.works[token] = Work(title: title)
            return token
        }
        guard let token else { return NoProgress() }
        do {
            sink.send(
                try WireCoding.encode(
                    RequestMessage(
                        id: .string(ExactString(token)), method: WorkDoneProgressCreateParams.method,
                        params: WorkDoneProgressCreateParams(token: token))))
        } catch {
            logger.error("cannot encode \(WorkDoneProgressCreateParams.method)")
            state.withLock { $0.works[token] = nil }
        }
        return Reporter(progress: self, token: token)
    }

    private func report(_ token: String, percentage: Int) {
        state.withLock { state in
            guard let work = state.works[token], percentage > work.percentage else { return }
            state.works[token]?.percentage = percentage
            if work.phase == .shown { notify(token, .init(kind: "report", percentage: percentage)) }
        }
    }

    private func end(_ token: String) {
        state.withLock { state in
            guard let work = state.works[token], work.phase == .shown else {
                state.works[token]?.phase = .endedUnanswered
                return
            }
            state.works[token] = nil
            notify(token, .init(kind: "end"))
        }
    }

    /// The client answered a request. False when it was none of these.
    func answered(_ id: RequestID, isError: Bool) -> Bool {
        guard case .string(let id) = id else { return false }
        let token = id.value
        return state.withLock { state in
            guard let work = state.works[token], work.phase != .shown else { return false }
            if isError || work.phase == .endedUnanswered {
                state.works[token] = nil
            } else {
                state.works[token]?.phase = .shown
                notify(token, .init(kind: "begin", title: work.title, percentage: work.percentage))
            }
            return true
        }
    }

    private func notify(_ token: String, _ value: WorkDoneProgressParams.Value) {
        sink.notify(
            WorkDoneProgressParams.method, WorkDoneProgressParams(token: token, value: value), logger: logger)
    }
}
