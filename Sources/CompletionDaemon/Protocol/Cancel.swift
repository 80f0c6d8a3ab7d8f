// `$/cancelRequest` (LSP 3.18 "Cancellation Support"). A cancelled request must still be answered.

/// Names the request to cancel.
struct CancelParams: Decodable, Sendable {
    let id: RequestID
}
