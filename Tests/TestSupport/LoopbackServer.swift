// A server on this machine that gives the answers a test tells it to, one per connection, and keeps what it was asked.

import Foundation
import Synchronization

package final class LoopbackServer: Sendable {
    package struct Failure: Error {}

    package let port: UInt16
    private let record = Record()

    /// What the server's thread writes, which lasts as long as it listens, to the end of the process at most.
    private final class Record: Sendable {
        struct State {
            var requests: [String] = []
            var waiting: [(count: Int, continuation: CheckedContinuation<Void, Never>)] = []
        }

        let state = Mutex(State())

        func add(_ request: String) {
            let ready = state.withLock { state in
                state.requests.append(request)
                let count = state.requests.count
                defer { state.waiting.removeAll { $0.count <= count } }
                return state.waiting.filter { $0.count <= count }
            }
            for waiter in ready { waiter.continuation.resume() }
        }
    }

    /// What was asked so far, headers and body.
    package var requests: [String] { record.state.withLock { $0.requests } }

    /// Returns once so many requests have come in whole.
    package func waitForRequests(_ count: Int) async {
        await withCheckedContinuation { continuation in
            let isThere = record.state.withLock { state in
                if state.requests.count >= count { return true }
                state.waiting.append((count, continuation))
                return false
            }
            if isThere { continuation.resume() }
        }
    }

    /// Listens on a free port; a connection for each answer, then closes.
    ///
    /// - Parameter keepsListening: true reads what further connections ask, and leaves them without an answer.
    package init(answers: [String], keepsListening: Bool = false) throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        port = try Self.bindToFreePort(descriptor)
        guard listen(descriptor, 8) == 0 else { throw Failure() }
        let record = record
        Thread.detachNewThread {
            for answer in answers {
                guard Self.serve(descriptor, record, answer) else { break }
            }
            while keepsListening, Self.serve(descriptor, record, nil) {}
            close(descriptor)
        }
    }

    /// A port at which nobody listens.
    package static func freePort() throws -> UInt16 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        return try bindToFreePort(descriptor)
    }

    private static func bindToFreePort(_ descriptor: Int32) throws -> UInt16 {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                bind(descriptor, pointer, length) == 0 && getsockname(descriptor, pointer, &length) == 0
            }
        }
        guard isBound else { throw Failure() }
        return UInt16(bigEndian: address.sin_port)
    }

    /// False when there are no more connections.
    private static func serve(_ descriptor: Int32, _ record: Record, _ answer: String?) -> Bool {
        let connection = accept(descriptor, nil, nil)
        guard connection >= 0 else { return false }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while !isWhole(bytes) {
            let count = read(connection, &buffer, buffer.count)
            guard count > 0 else { break }
            bytes += buffer[..<count]
        }
        record.add(String(decoding: bytes, as: UTF8.self))
        // The connection stays open: who asked is to wait.
        guard let answer else { return true }
        _ = Array(answer.utf8).withUnsafeBytes {
            send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        close(connection)
        return true
    }

    /// Whether the body is as long as the headers say.
    private static func isWhole(_ bytes: [UInt8]) -> Bool {
        let text = String(decoding: bytes, as: UTF8.self)
        guard let end = text.range(of: "\r\n\r\n") else { return false }
        let length = text.components(separatedBy: "\r\n").compactMap { line in
            line.lowercased().hasPrefix("content-length:") ? Int(line.dropFirst(15).filter(\.isNumber)) : nil
        }.first
        return text[end.upperBound...].utf8.count >= (length ?? 0)
    }
}
