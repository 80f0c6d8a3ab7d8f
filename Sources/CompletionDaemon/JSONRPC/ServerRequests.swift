// The requests that the server sends and what is done with their answers. Ids are the server's own; an answer that
// never comes costs one entry.

import Logging

/// Unanswered requests to the client. Confined to the server's thread.
struct ServerRequests {
    /// A client that answers none of so many answers none at all.
    static let maximumCount = 64

    private var handlers: [RequestID: (ClientResponse) -> Void] = [:]
    private var sentCount = 0

    /// Sends a request, unless too many are unanswered; `handler` gets the answer.
    mutating func send(
        _ method: String, _ params: some Encodable & Sendable, to sink: any MessageSink, logger: Logger,
        handler: @escaping (ClientResponse) -> Void
    ) {
        guard handlers.count < Self.maximumCount else {
            logger.debug("\(method) is not sent: the client does not answer")
            return
        }
        sentCount += 1
        let id = RequestID.string(ExactString("foretoken/request/\(sentCount)"))
        do {
            sink.send(try WireCoding.encode(RequestMessage(id: id, method: method, params: params)))
            handlers[id] = handler
        } catch {
            logger.error("cannot encode \(method)")
        }
    }

    /// What is to be done with the answer to a request; nil when it is none of these. The caller calls it, so that it
    /// may send further requests.
    mutating func handler(for id: RequestID) -> ((ClientResponse) -> Void)? {
        handlers.removeValue(forKey: id)
    }
}
