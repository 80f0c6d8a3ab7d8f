// A client in the same process: its messages go through the real intake and the real server loop, without
// pipes and without frames. Waiting for a response is asynchronous, so that a waiting test does not hold the
// threads that the server's own tasks need.

import Logging
import Synchronization
import TestSupport

@testable import CompletionDaemon

/// Collects what the server sends.
final class CapturedOutput: MessageSink {
    private let continuation: AsyncStream<[UInt8]>.Continuation
    private let bodies = Mutex<[[UInt8]]>([])
    let stream: AsyncStream<[UInt8]>

    init() {
        (stream, continuation) = AsyncStream.makeStream()
    }

    var isOpen: Bool { true }
    var allBodies: [[UInt8]] { bodies.withLock { $0 } }

    func send(_ body: [UInt8]) {
        bodies.withLock { $0.append(body) }
        continuation.yield(body)
    }

    func finish() { continuation.finish() }
}

/// A silent logger, for tests in which the server has much to complain about.
let silentLogger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// Counts what the server logs as its own faults. Answering twice, for one, shows nowhere else.
final class FaultCounter: Sendable {
    private let count = Mutex(0)

    var faultCount: Int { count.withLock { $0 } }

    var logger: Logger { Logger(label: "test") { _ in Handler(counter: self) } }

    private struct Handler: LogHandler {
        let counter: FaultCounter
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.critical

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            counter.count.withLock { $0 += 1 }
        }
    }
}

/// The session ended without the awaited message.
struct SessionEnded: Error {}

/// One session with a server on a thread of its own. Used by one test.
final class TestClient: ReplayTarget {
    let output = CapturedOutput()
    let inFlight = InFlightRequests()
    let faults = FaultCounter()
    private let events: EventQueue
    private let intake: MessageIntake
    private let ended: AsyncStream<Int32>
    private var iterator: AsyncStream<[UInt8]>.Iterator
    private var responses: [JSONTree: JSONTree] = [:]
    private(set) var notifications: [JSONTree] = []

    init(
        provider: any CompletionProvider, limits: Limits = Limits(), recorder: TranscriptRecorder? = nil,
        usage: UsageRecorder? = nil
    ) {
        let events = EventQueue(
            maximumCount: limits.queuedEventCount, maximumCost: limits.queuedEventByteCount)
        self.events = events
        let output = output
        let inFlight = inFlight
        let sink: any MessageSink = recorder.map { RecordingSink(base: output, recorder: $0) } ?? output
        intake = MessageIntake(
            events: events, inFlight: inFlight, sink: sink, limits: limits, recorder: recorder,
            logger: faults.logger)
        let options = ServerOptions(
            version: "test", limits: limits, recorder: recorder, usage: usage, logger: faults.logger)
        let (ended, endContinuation) = AsyncStream<Int32>.makeStream()
        self.ended = ended
        iterator = output.stream.makeAsyncIterator()
        _ = BlockingThread.start(name: "test-server") {
            let server = LanguageServer(
                provider: provider, events: events, inFlight: inFlight, sink: sink, options: options)
            endContinuation.yield(server.run())
            endContinuation.finish()
            output.finish()
        }
    }

    // MARK: Sending

    func send(_ body: [UInt8]) {
        _ = intake.receive(.message(body))
    }

    func sendText(_ text: String) { send(Array(text.utf8)) }

    func sendMalformed(_ error: FrameError) { _ = intake.receive(.malformed(error)) }

    func request(_ id: JSONTree, _ method: String, _ params: JSONTree? = nil) throws {
        var message: [String: JSONTree] = ["jsonrpc": "2.0", "id": id, "method": .string(method)]
        message["params"] = params
        send(try JSONTree.object(message).bytes)
    }

    func notify(_ method: String, _ params: JSONTree? = nil) throws {
        var message: [String: JSONTree] = ["jsonrpc": "2.0", "method": .string(method)]
        message["params"] = params
        send(try JSONTree.object(message).bytes)
    }

    func initialize(positionEncodings: [String]? = nil) async throws -> JSONTree {
        var general: [String: JSONTree] = [:]
        if let positionEncodings {
            general["positionEncodings"] = .array(positionEncodings.map { .string($0) })
        }
        try request("init", "initialize", ["processId": nil, "capabilities": ["general": .object(general)]])
        let response = try await response(to: "init")
        try notify("initialized", [:])
        return response
    }

    func open(_ uri: String, _ text: String, languageID: String = "swift", version: Int64 = 1) throws {
        try notify(
            "textDocument/didOpen",
            [
                "textDocument": [
                    "uri": .string(uri), "languageId": .string(languageID), "version": .integer(version),
                    "text": .string(text),
                ]
            ])
    }

    func complete(
        _ id: JSONTree, _ uri: String, line: Int64 = 0, character: Int64 = 0, triggerKind: Int64 = 2
    ) throws {
        try request(
            id, "textDocument/inlineCompletion",
            [
                "textDocument": ["uri": .string(uri)],
                "position": ["line": .integer(line), "character": .integer(character)],
                "context": ["triggerKind": .integer(triggerKind)],
            ])
    }

    /// The input ends as if the client had gone.
    func closeInput() { events.pushWithoutWaiting(.inputEnded(.closed)) }

    // MARK: Receiving

    func receive() async -> [UInt8]? { await iterator.next(isolation: #isolation) }

    /// The response with this id, waiting for it.
    func response(to id: JSONTree) async throws -> JSONTree {
        while responses[id] == nil {
            guard let body = await receive() else { throw SessionEnded() }
            try note(body)
        }
        return responses[id] ?? .null
    }

    /// The next notification of the server, waiting for it.
    func nextNotification() async throws -> JSONTree {
        while notifications.isEmpty {
            guard let body = await receive() else { throw SessionEnded() }
            try note(body)
        }
        return notifications.removeFirst()
    }

    private func note(_ body: [UInt8]) throws {
        let message = try JSONTree(parsing: body)
        if message["method"] != nil {
            notifications.append(message)
        } else {
            responses[message["id"] ?? .null] = message
        }
    }

    /// The exit code, waiting for the end.
    func exitCode() async -> Int32 {
        for await code in ended { return code }
        return -1
    }
}
