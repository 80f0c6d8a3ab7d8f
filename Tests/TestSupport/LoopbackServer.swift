// A server on this machine that gives the answers a test tells it to, one per connection, and keeps what it was asked.

import Foundation
import Synchronization

package final class LoopbackServer: Sendable {
    package struct Failure: Error {}

    package let port: UInt16
    private let descriptor: Int32
    private let received = Mutex<[String]>([])

    /// What was asked so far, headers and body.
    package var requests: [String] { received.withLock { $0 } }

    /// Listens on a free port; a connection for each answer, then closes.
    ///
    /// - Parameter keepsListening: true leaves further connections without an answer instead.
    package init(answers: [String], keepsListening: Bool = false) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = descriptor
        let isListening = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                bind(descriptor, pointer, length) == 0 && listen(descriptor, 8) == 0
                    && getsockname(descriptor, pointer, &length) == 0
            }
        }
        guard isListening else { throw Failure() }
        port = UInt16(bigEndian: address.sin_port)
        Thread.detachNewThread { [self] in
            for answer in answers { serve(answer) }
            if !keepsListening { close(descriptor) }
        }
    }

    private func serve(_ answer: String) {
        let connection = accept(descriptor, nil, nil)
        guard connection >= 0 else { return }
        defer { close(connection) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while !Self.isWhole(bytes) {
            let count = read(connection, &buffer, buffer.count)
            guard count > 0 else { break }
            bytes += buffer[..<count]
        }
        received.withLock { $0.append(String(decoding: bytes, as: UTF8.self)) }
        _ = Array(answer.utf8).withUnsafeBytes {
            send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
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
