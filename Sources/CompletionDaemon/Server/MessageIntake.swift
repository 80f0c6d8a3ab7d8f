// Between the reader and the server loop: turns frames into events. Runs on the reader thread, so that
// decoding a large document overlaps with the server's work, and does there the only two things that
// may overtake the queue: marking cancelled requests and marking superseded ones.

import Logging

/// The entrance of the event queue for everything that comes from the client.
struct MessageIntake: Sendable {
    let events: EventQueue
    let inFlight: InFlightRequests
    let sink: any MessageSink
    let limits: Limits
    let recorder: TranscriptRecorder?
    let logger: Logger

    /// Takes one frame, waiting while the queue is full. False when nothing more is wanted: `exit` was read,
    /// or the session is over.
    func receive(_ frame: Frame) -> Bool {
        switch frame {
        case .malformed(let error):
            return events.push(.malformedFrame(error), cost: 0)
        case .message(let body):
            recorder?.record(body, from: .client)
            return receive(ClientMessage.decode(body, limits: limits), byteCount: body.count)
        }
    }

    private func receive(_ message: ClientMessage, byteCount: Int) -> Bool {
        switch message {
        case .request(let id, let request):
            return push(event(for: request, id: id), byteCount: byteCount)
        case .notification(let notification):
            if case .cancelRequest(let params) = notification { inFlight.cancel(params.id) }
            let isAccepted = events.push(.notification(notification), cost: byteCount)
            if case .exit = notification { return false }
            return isAccepted
        case .response(let id, let response):
            return events.push(.response(id, response), cost: byteCount)
        case .invalid(let id, let error):
            let reply = ReplyToken(id: id, sink: sink, logger: logger)
            return push(.invalidMessage(reply, error), byteCount: byteCount)
        }
    }

    /// Queues a message that needs an answer; answers here when the session ended meanwhile.
    private func push(_ event: Event, byteCount: Int) -> Bool {
        if events.push(event, cost: byteCount) { return true }
        switch event {
        case .request(_, let pending): pending.reply.send(error: .sessionEnded)
        case .invalidMessage(let reply, let error): reply.send(error: error)
        case .notification, .response, .malformedFrame, .completionFinished, .inputEnded, .outputBroken: break
        }
        return false
    }

    private func event(for request: ClientRequest, id: RequestID) -> Event {
        let reply = ReplyToken(id: id, sink: sink, logger: logger)
        var document: DocumentURI?
        // The menu's requests live beside those for ghost text: an editor may send both for one keystroke.
        if case .inlineCompletion(let params) = request { document = params.textDocument.uri }
        guard let cancellation = inFlight.register(id, completionOf: document) else {
            return .invalidMessage(
                reply, .invalidRequest("id \(id) belongs to a request that is not answered yet"))
        }
        return .request(request, PendingRequest(id: id, reply: reply, cancellation: cancellation))
    }
}
