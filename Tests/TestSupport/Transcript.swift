// Recorded LSP sessions (lsp-fixtures/README.md) and their replay. A session is replayed message by message:
// client messages are sent, and where the recording has a response, the replay waits for the response with
// that id before it goes on, so that causes stay before effects however fast either side is. Recorded times
// are not waited for.

import FoundationEssentials

/// What is wrong with a fixture file.
package enum TranscriptFormatError: Error, CustomStringConvertible {
    case noHeader
    case unsupportedSchema(Int)
    case unreadableLine(number: Int)

    package var description: String {
        switch self {
        case .noHeader: "the first line must be {\"schema\":1,\"client\":…,\"root\":…,\"compare\":[…]}"
        case .unsupportedSchema(let found): "schema \(found) is not supported; expected 1"
        case .unreadableLine(let number):
            "line \(number) is not {\"at_ms\":…,\"from\":\"client\"|\"server\",\"message\":{…}}"
        }
    }
}

/// One recorded session.
package struct Transcript: Sendable {
    package enum Side: String, Codable, Sendable {
        case client
        case server
    }

    package struct Step: Codable, Sendable {
        enum CodingKeys: String, CodingKey {
            case atMilliseconds = "at_ms"
            case from, message
        }
        package let atMilliseconds: Int
        package let from: Side
        package let message: JSONTree
    }

    private struct Header: Codable {
        let schema: Int
        let client: String
        let root: String
        let compare: [String]
    }

    package let client: String
    /// The workspace's URI in the recording.
    package let root: String
    /// Dotted paths into responses.
    package let comparedFields: [String]
    package let steps: [Step]

    /// Reads the JSON Lines of a fixture file.
    package init(jsonLines: [UInt8]) throws {
        let lines = jsonLines.split(separator: 0x0A)
        guard let first = lines.first,
            let header = try? JSONDecoder().decode(Header.self, from: Data(first))
        else { throw TranscriptFormatError.noHeader }
        guard header.schema == 1 else { throw TranscriptFormatError.unsupportedSchema(header.schema) }
        client = header.client
        root = header.root
        comparedFields = header.compare
        steps = try lines.enumerated().dropFirst().map { index, line in
            guard let step = try? JSONDecoder().decode(Step.self, from: Data(line)) else {
                throw TranscriptFormatError.unreadableLine(number: index + 1)
            }
            return step
        }
    }

    private init(relocating other: Transcript, to root: String) {
        client = other.client
        comparedFields = other.comparedFields
        self.root = root
        // The path is part of the URI, so replacing it moves both.
        let oldPath = other.root.hasPrefix("file://") ? String(other.root.dropFirst(7)) : other.root
        let newPath = root.hasPrefix("file://") ? String(root.dropFirst(7)) : root
        steps = other.steps.map { step in
            Step(
                atMilliseconds: step.atMilliseconds, from: step.from,
                message: step.message.mapStrings { $0.replacing(oldPath, with: newPath) })
        }
    }

    /// The same session in another folder.
    package func relocated(toRootURI root: String) -> Transcript {
        Transcript(relocating: self, to: root)
    }
}

/// A server that a session can be replayed against.
package protocol ReplayTarget {
    /// Hands one message body to the server.
    func send(_ body: [UInt8]) async throws
    /// The server's next message, nil when it will send no more.
    func receive() async throws -> [UInt8]?
}

/// A response that differs from the recorded one.
package struct ReplayMismatch: Equatable, Sendable, CustomStringConvertible {
    package let id: JSONTree
    package let field: String
    package let recorded: JSONTree?
    package let received: JSONTree?

    package var description: String {
        "response \(id), \(field): recorded \(String(describing: recorded)), "
            + "received \(String(describing: received))"
    }
}

/// Replays sessions.
package enum TranscriptReplay {
    /// Sends every client message and compares every recorded response; the differences.
    package static func run(
        _ transcript: Transcript, against target: some ReplayTarget
    ) async throws -> [ReplayMismatch] {
        var received: [JSONTree: JSONTree] = [:]
        var mismatches: [ReplayMismatch] = []
        for step in transcript.steps {
            switch step.from {
            case .client:
                try await target.send(try step.message.bytes)
            case .server:
                guard let id = step.message["id"], step.message["method"] == nil else { continue }
                let response = try await response(to: id, from: target, received: &received)
                mismatches += compare(transcript.comparedFields, id, step.message, response)
            }
        }
        return mismatches
    }

    private static func response(
        to id: JSONTree, from target: some ReplayTarget, received: inout [JSONTree: JSONTree]
    ) async throws -> JSONTree? {
        while received[id] == nil {
            guard let body = try await target.receive() else { break }
            let message = try JSONTree(parsing: body)
            if let id = message["id"], message["method"] == nil { received[id] = message }
        }
        // Taken out, since a client may use an id again after its answer.
        return received.removeValue(forKey: id)
    }

    private static func compare(
        _ fields: [String], _ id: JSONTree, _ recorded: JSONTree, _ response: JSONTree?
    ) -> [ReplayMismatch] {
        guard let response else {
            return [ReplayMismatch(id: id, field: "", recorded: recorded, received: nil)]
        }
        return fields.compactMap { field in
            let expected = recorded.value(at: field)
            let found = response.value(at: field)
            guard expected != found else { return nil }
            return ReplayMismatch(id: id, field: field, recorded: expected, received: found)
        }
    }
}
