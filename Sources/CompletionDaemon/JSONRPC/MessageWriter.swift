// Writes frames to the client: the only code that touches the output descriptor. A thread of its own, fed by
// a bounded queue, so that a client that reads slowly stalls the server loop only when the queue is full, and
// a session can end although its client no longer reads.

import Glibc
import Logging

/// The writing end of a session.
final class MessageWriter: MessageSink {
    private enum Progress: Sendable {
        case writing
        case finished
    }

    private let descriptor: Int32
    private let queue: BoundedQueue<[UInt8]>
    private let progress = Monitor(Progress.writing)
    private let logger: Logger

    /// - Parameter descriptor: stays open; its owner closes it after the session.
    init(descriptor: Int32, limits: Limits, logger: Logger) {
        self.descriptor = descriptor
        self.logger = logger
        queue = BoundedQueue(maximumCount: .max, maximumCost: limits.queuedOutputByteCount)
    }

    /// Starts the thread. `onBrokenOutput` is called on it, at most once, when the client can no longer be
    /// written to. False when no thread can be had.
    func start(onBrokenOutput: @escaping @Sendable () -> Void) -> Bool {
        BlockingThread.start(name: "lsp-write") { [self] in
            run(onBrokenOutput: onBrokenOutput)
            progress.withLock { $0 = .finished }
        }
    }

    var isOpen: Bool { !queue.isClosed }

    func send(_ body: [UInt8]) {
        var frame = Array("Content-Length: \(body.count)\r\n\r\n".utf8)
        frame.append(contentsOf: body)
        _ = queue.push(frame, cost: frame.count)
    }

    /// No more frames are taken; waits until those taken are written, for at most `timeout`.
    /// True when they were.
    func finish(timeout: Duration) -> Bool {
        queue.close()
        return progress.wait(timeout: timeout) { $0 == .finished ? true : nil } ?? false
    }

    private func run(onBrokenOutput: @Sendable () -> Void) {
        while let frame = queue.pop() {
            guard writeFully(frame) else {
                queue.closeAndClear()
                progress.withLock { $0 = .finished }
                onBrokenOutput()
                return
            }
        }
    }

    private func writeFully(_ frame: [UInt8]) -> Bool {
        frame.withUnsafeBytes { bytes in
            var written = 0
            while written < bytes.count {
                let count = write(descriptor, bytes.baseAddress! + written, bytes.count - written)
                if count >= 0 {
                    written += count
                    continue
                }
                switch errno {
                case EINTR: continue
                case EAGAIN: waitUntilWritable()
                case EPIPE:
                    // The editor closed its end: the usual way to go, not an error.
                    logger.debug("the client closed the output")
                    return false
                default:
                    logger.error("cannot write to the client: \(String(cString: strerror(errno)))")
                    return false
                }
            }
            return true
        }
    }

    /// Some launchers hand over non-blocking pipes.
    private func waitUntilWritable() {
        var request = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        _ = poll(&request, 1, -1)
    }
}
