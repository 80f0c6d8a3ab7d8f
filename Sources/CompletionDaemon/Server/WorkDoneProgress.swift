// Shows background work in the editor. The client is asked first for each piece of work, and nothing is sent before it
// has agreed (the protocol demands that); work that ends before the answer comes is not shown at all.

import Logging
import Synchronization

/// Progress of one kind of work, one piece at a time. Any thread.
final class WorkDoneProgress: WorkProgress {
    private enum Phase {
        case idle
        /// Asked for; the work has this title and has come this far.
        case asked(title: String, percentage: Int)
        case shown
    }

    private struct State {
        var phase = Phase.idle
        var number = 0
        var token: String { "foretoken/work/\(number)" }
    }

    private let sink: any MessageSink
    private let logger: Logger
    private let state = Mutex(State())

    init(sink: any MessageSink, logger: Logger) {
        self.sink = sink
        self.logger = logger
    }

    func begin(_ title: String) {
        let token = state.withLock { state in
            state.number += 1
            state.phase = .asked(title: title, percentage: 0)
            return state.token
        }
        do {
            sink.send(
                try WireCoding.encode(
                    RequestMessage(
                        id: .string(ExactString(token)), method: WorkDoneProgressCreateParams.method,
                        params: WorkDoneProgressCreateParams(token: token))))
        } catch {
            logger.error("cannot encode \(WorkDoneProgressCreateParams.method)")
        }
    }

    func report(percentage: Int) {
        state.withLock { state in
            switch state.phase {
            case .idle: break
            case .asked(let title, _): state.phase = .asked(title: title, percentage: percentage)
            case .shown: notify(state.token, .init(kind: "report", percentage: percentage))
            }
        }
    }

    func end() {
        state.withLock { state in
            if case .shown = state.phase { notify(state.token, .init(kind: "end")) }
            state.phase = .idle
        }
    }

    /// The client answered a request. False when it was none of these.
    func answered(_ id: RequestID, isError: Bool) -> Bool {
        state.withLock { state in
            guard id == .string(ExactString(state.token)) else { return false }
            guard case .asked(let title, let percentage) = state.phase else { return true }
            if isError {
                state.phase = .idle
            } else {
                state.phase = .shown
                notify(state.token, .init(kind: "begin", title: title, percentage: percentage))
            }
            return true
        }
    }

    private func notify(_ token: String, _ value: WorkDoneProgressParams.Value) {
        sink.notify(
            WorkDoneProgressParams.method, WorkDoneProgressParams(token: token, value: value), logger: logger)
    }
}
