// Everything that can happen to the server, as one closed enumeration. Events are handled one at a time in
// the order in which they entered the queue; nothing else changes the server's state.

/// Names a started completion. Not the request's id: a client may use that again once it has its answer.
struct CompletionTicket: Hashable, Sendable {
    let number: Int
}

/// A request as the server sees it: with the right to answer it and the flag that says whether to bother.
struct PendingRequest: Sendable {
    let id: RequestID
    let reply: ReplyToken
    let cancellation: RequestCancellation
}

/// One thing that happened.
enum Event: Sendable {
    case request(ClientRequest, PendingRequest)
    case notification(ClientNotification)
    /// To a request of the server.
    case response(RequestID?, ClientResponse)
    /// A body that is no valid message, to be answered with the error.
    case invalidMessage(ReplyToken, ResponseError)
    case malformedFrame(FrameError)
    case completionFinished(CompletionTicket, CompletionOutcome)
    case inputEnded(InputEnd)
    /// The client can no longer be written to.
    case outputBroken
}

typealias EventQueue = BoundedQueue<Event>
