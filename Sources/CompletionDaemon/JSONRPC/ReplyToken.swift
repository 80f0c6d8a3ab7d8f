// The right to answer one request, and the law that it is used exactly once. Whoever holds the token answers;
// answering twice is a fault of ours: debug builds stop there, release builds log it and send nothing, since
// a second response would confuse a client that had done nothing wrong. A token that is let go without an
// answer answers internalError itself, so that no path through the server can leave a client waiting.

import Logging
import Synchronization

/// Takes whole message bodies for the client. One conformer writes frames, the tests' one collects bodies.
protocol MessageSink: Sendable {
    /// Hands over one body. May wait while the client is slow; does nothing once the output is closed.
    func send(_ body: [UInt8])
    /// False when the client can no longer be reached.
    var isOpen: Bool { get }
}

extension MessageSink {
    /// Encodes and sends a notification of the server.
    func notify(_ method: String, _ params: some Encodable, logger: Logger) {
        do {
            send(try WireCoding.encode(NotificationMessage(method: method, params: params)))
        } catch {
            logger.error("cannot encode notification \(method)")
        }
    }
}

/// Exactly one answer to one request. Safe to use from any thread.
final class ReplyToken: Sendable {
    /// Nil for a message whose id could not be read.
    let id: RequestID?
    private let sink: any MessageSink
    private let logger: Logger
    private let isAnswered = Atomic<Bool>(false)

    init(id: RequestID?, sink: any MessageSink, logger: Logger) {
        self.id = id
        self.sink = sink
        self.logger = logger
    }

    deinit {
        guard !isAnswered.load(ordering: .acquiring), sink.isOpen else { return }
        logger.critical("request \(name) was dropped without an answer")
        sendError(ResponseError(code: .internalError, message: "the request was dropped; please report this"))
    }

    private var name: String { id?.description ?? "null" }

    /// Answers with a result.
    func send(result: some Encodable) {
        guard claim() else { return }
        do {
            sink.send(try WireCoding.encode(ResultMessage(id: id, result: result)))
        } catch {
            logger.critical("the result of request \(name) cannot be encoded")
            sendError(ResponseError(code: .internalError, message: "the result could not be encoded"))
        }
    }

    /// Answers with an error.
    func send(error: ResponseError) {
        guard claim() else { return }
        sendError(error)
    }

    private func claim() -> Bool {
        guard !isAnswered.exchange(true, ordering: .acquiringAndReleasing) else {
            logger.critical("request \(name) was answered twice; the second answer was not sent")
            assertionFailure("request answered twice")
            return false
        }
        return true
    }

    private func sendError(_ error: ResponseError) {
        do {
            sink.send(try WireCoding.encode(ErrorMessage(id: id, error: error)))
        } catch {
            // Two scalars and a string always encode; kept as a log line because a daemon must not trap here.
            logger.critical("the error of request \(name) cannot be encoded")
        }
    }
}
