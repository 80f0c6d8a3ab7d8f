// What is thrown at the protocol: valid messages to be changed at random, messages and streams that are damaged as they
// stand, and how much of it. `make soak-protocol` sets the amount; a bug that was found leaves its input in the files.

import Foundation
import TestSupport

/// The files of lsp-fixtures/hostile.
enum HostileCorpus {
    private static let folder = FixturePaths.checkoutRoot + "/lsp-fixtures/hostile"

    /// Mutated messages, and as many mutated streams, that a run shall have; nil in the ordinary test run.
    static let soakCount = ProcessInfo.processInfo.environment["FORETOKEN_SOAK_MESSAGES"].flatMap { Int($0) }
    /// Added to every seed, so that another soak sees other inputs.
    static let firstSeed =
        ProcessInfo.processInfo.environment["FORETOKEN_SOAK_FIRST"].flatMap { UInt64($0) } ?? 0

    /// Valid messages, one of each kind.
    static func messages() throws -> [[UInt8]] { try lines("messages.jsonl").filter { !$0.isEmpty } }

    /// Bodies that no client should send.
    static func damagedMessages() throws -> [[UInt8]] { try lines("damaged.txt") }

    /// Byte streams that no client should send, by name.
    static func damagedStreams() throws -> [(name: String, bytes: [UInt8])] {
        try FileManager.default.contentsOfDirectory(atPath: folder + "/streams").sorted()
            .map { ($0, try FixturePaths.bytes(folder + "/streams/" + $0)) }
    }

    private static func lines(_ name: String) throws -> [[UInt8]] {
        let lines = try FixturePaths.bytes(folder + "/" + name)
            .split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map(Array.init)
        return Array(lines.dropLast())  // behind the last line break
    }

    static func frame(_ body: [UInt8]) -> [UInt8] {
        Array("Content-Length: \(body.count)\r\n\r\n".utf8) + body
    }
}
