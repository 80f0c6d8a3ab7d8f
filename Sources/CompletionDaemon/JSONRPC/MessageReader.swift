// Reads the client's bytes with read(2) on a thread of its own, cuts them into messages and hands each to the
// intake. Blocking reads are deliberate: they return what is there, and nothing has to be torn down.

import Glibc
import Logging

/// How the input ended.
enum InputEnd: Equatable, Sendable {
    /// The client closed its end between two messages.
    case closed
    /// The client closed its end within a message.
    case closedInsideMessage
    /// Too many malformed frames in a row.
    case unusable(FrameError)
    case failed(code: Int32)
    /// `exit` was received; what may follow is not read.
    case exitReceived
}

/// The reading loop of a session.
struct MessageReader: Sendable {
    /// Room for most messages in one read; larger ones take several.
    private static let readByteCount = 64 * 1024

    let descriptor: Int32
    let limits: Limits

    /// Reads until the input ends, on the calling thread. `onFrame` returns false to stop.
    func run(onFrame: (Frame) -> Bool) -> InputEnd {
        var framer = MessageFramer(limits: limits)
        var bytes = [UInt8](repeating: 0, count: Self.readByteCount)
        var consecutiveErrorCount = 0
        while true {
            let count = bytes.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
            if count == 0 { return framer.isBetweenMessages ? .closed : .closedInsideMessage }
            if count < 0 {
                switch errno {
                case EINTR: continue
                case EAGAIN:
                    waitUntilReadable()
                    continue
                default: return .failed(code: errno)
                }
            }
            framer.append(bytes[..<count])
            while let frame = framer.next() {
                switch frame {
                case .message:
                    consecutiveErrorCount = 0
                    guard onFrame(frame) else { return .exitReceived }
                case .malformed(let error):
                    consecutiveErrorCount += 1
                    guard onFrame(frame) else { return .exitReceived }
                    if consecutiveErrorCount >= limits.consecutiveFrameErrorCount { return .unusable(error) }
                }
            }
        }
    }

    /// Some launchers hand over non-blocking pipes.
    private func waitUntilReadable() {
        var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        _ = poll(&request, 1, -1)
    }
}
