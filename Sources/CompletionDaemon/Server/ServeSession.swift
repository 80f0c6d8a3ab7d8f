// One session from the first byte to the exit code: makes the reader, the server loop and the writer, each on
// its own thread, and brings them down in order. `foretoken serve` is this and its options.

import Glibc
import Logging

/// Serves one client over two descriptors.
enum ServeSession {
    /// Returns when the session is over: 0 after `shutdown` and `exit`, 1 when the client went away otherwise
    /// or the input was unusable. The reader may then still block on `input`; the process is expected to end.
    ///
    /// - Parameters:
    ///   - input, output: the protocol's streams (see StandardStreams); they stay open.
    ///   - provider: makes the completions.
    static func run(
        provider: any CompletionProvider, input: Int32, output: Int32, options: ServerOptions
    ) async -> Int32 {
        // A client that has gone must be an error of write(2), not the death of the process.
        signal(SIGPIPE, SIG_IGN)
        // So must a cache file that outgrows what setrlimit allows.
        signal(SIGXFSZ, SIG_IGN)
        return await withCheckedContinuation { continuation in
            let end = SessionEnd(continuation)
            start(provider: provider, input: input, output: output, options: options, end: end)
        }
    }

    /// The exit code, taken from whoever comes first.
    private final class SessionEnd: Sendable {
        private let exitCode = Monitor<Int32?>(nil)
        private let continuation: CheckedContinuation<Int32, Never>

        init(_ continuation: CheckedContinuation<Int32, Never>) {
            self.continuation = continuation
        }

        func finish(_ code: Int32) {
            let isFirst = exitCode.withLock { exitCode in
                guard exitCode == nil else { return false }
                exitCode = code
                return true
            }
            if isFirst { continuation.resume(returning: code) }
        }

        func wait(timeout: Duration) {
            _ = exitCode.wait(timeout: timeout) { $0 }
        }
    }

    private static func start(
        provider: any CompletionProvider, input: Int32, output: Int32, options: ServerOptions, end: SessionEnd
    ) {
        let limits = options.limits
        let logger = options.logger
        let events = EventQueue(
            maximumCount: limits.queuedEventCount, maximumCost: limits.queuedEventByteCount)
        let inFlight = InFlightRequests()
        let writer = MessageWriter(descriptor: output, limits: limits, logger: logger)
        let sink: any MessageSink =
            options.recorder.map { RecordingSink(base: writer, recorder: $0) } ?? writer
        let intake = MessageIntake(
            events: events, inFlight: inFlight, sink: sink, limits: limits, recorder: options.recorder,
            logger: logger)

        let isWriting = writer.start { events.pushWithoutWaiting(.outputBroken) }
        let isServing = BlockingThread.start(name: "lsp-server") {
            let server = LanguageServer(
                provider: provider, events: events, inFlight: inFlight, sink: sink, options: options)
            let exitCode = server.run()
            provider.sessionEnded(limit: limits.sessionEndWait / 2)
            if !writer.finish(timeout: limits.sessionEndWait) {
                logger.warning("the client did not read the last messages")
            }
            options.usage?.end()
            end.finish(exitCode)
        }
        let isReading = BlockingThread.start(name: "lsp-read") {
            let inputEnd = MessageReader(descriptor: input, limits: limits).run { intake.receive($0) }
            events.pushWithoutWaiting(.inputEnded(inputEnd))
            // The server may be waiting for a client that no longer reads; that must not keep the process.
            end.wait(timeout: limits.sessionEndWait * 2)
            end.finish(1)
        }
        if !isWriting || !isServing || !isReading {
            logger.critical("cannot start the session's threads: raise the process limit (ulimit -u)")
            end.finish(1)
        }
    }
}
