// Every bound of the daemon's protocol side in one place: frames, queues, documents, running work.
// A test may build a value with smaller numbers; the program uses `Limits()`. A bound is never only advice:
// what happens when it is reached is written beside it.

/// Named maxima of the language server. All are counts, bytes or durations of one session.
struct Limits: Sendable {
    /// Header block of one frame. Real headers are under 100 bytes; beyond this the frame is malformed.
    var frameHeaderByteCount = 4 * 1024
    /// Body of one frame. Four times the largest document, since JSON escapes may grow text by that much.
    /// A larger body is skipped without being stored and reported to the client.
    var frameBodyByteCount = 64 << 20
    /// Malformed frames in a row before the input is given up: by then the peer does not speak the protocol.
    var consecutiveFrameErrorCount = 16
    /// Nesting of one JSON message. Protocol messages stay under 20; user settings get the rest.
    var jsonNestingDepth = 128
    /// Events waiting for the server loop. The reader then stops reading and the pipe pushes back on the
    /// client.
    var queuedEventCount = 256
    /// Body bytes of the waiting events: two of the largest frames.
    var queuedEventByteCount = 128 << 20
    /// Bytes waiting to be written. The server loop then waits for the client to read.
    var queuedOutputByteCount = 64 << 20
    /// Completions started and not yet returned by the provider, cancelled ones included. Above it a request
    /// is answered with no suggestion; one user types in one place, so this is only reached by a flood.
    var runningCompletionCount = 64
    /// Documents known to be open. Above it `didOpen` is refused with a warning.
    var openDocumentCount = 4096
    /// Text of one document. Larger ones are remembered as open but get no completions.
    var documentByteCount = 16 << 20
    /// Text of all open documents. Above it the text least recently touched is let go.
    var openTextByteCount = 256 << 20
    /// Other open documents handed to the provider with a request, most recent first.
    var contextDocumentCount = 64
    /// Paths of recently touched files remembered, closed ones included.
    var recentPathCount = 32
    /// Workspace folders of one session; further ones do not count.
    var workspaceFolderCount = 256
    /// How long the end of a session waits for the client to take the last frames. Then the process ends
    /// anyway.
    var sessionEndWait: Duration = .seconds(2)
}
