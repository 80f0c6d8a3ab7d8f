// The editor's side of the protocol for `foretoken demo`: starts `foretoken serve` as a child, speaks LSP 3.18 with
// it over pipes, and collects its log. One request at a time, blocking, with a time limit. The child cannot outlive
// the demo: it ends when its input closes, and `close` waits for that or kills it.

import Glibc

/// One session with a language server that this process started.
final class DemoEditor {
    /// What went wrong between editor and server.
    enum Failure: Error, CustomStringConvertible {
        case notStarted(code: Int32)
        case serverGone(log: String)
        case noAnswer(method: String, seconds: Int, log: String)
        case refused(method: String, message: String)
        case unreadable(method: String)

        var description: String {
            switch self {
            case .notStarted(let code): "the server could not be started: \(String(cString: strerror(code)))"
            case .serverGone(let log): "the server ended in the middle of the session; its log:\n\(log)"
            case .noAnswer(let method, let seconds, let log):
                "no answer to \(method) within \(seconds) s; the server's log:\n\(log)"
            case .refused(let method, let message): "the server refused \(method): \(message)"
            case .unreadable(let method): "the answer to \(method) is not what the protocol says"
            }
        }
    }

    /// Far above what a cold start on a slow machine takes.
    private static let answerSeconds = 120
    /// Kept of the server's log; the oldest part goes first.
    private static let logByteCount = 1 << 20

    private var processID: pid_t = 0
    private var toServer: Int32 = -1
    private var fromServer: Int32 = -1
    private var serverLog: Int32 = -1
    private var framer = MessageFramer(limits: Limits())
    private var log: [UInt8] = []
    /// What of it `newLogValues` has looked at.
    private var seenLogCount = 0
    private var lastRequestNumber: Int64 = 0

    /// Starts `binary` with `arguments`.
    init(binary: String, arguments: [String]) throws(Failure) {
        // A server that has gone must be an error of write(2), not the end of the demo.
        signal(SIGPIPE, SIG_IGN)
        let input = try Self.pipe()
        let output = try Self.pipe()
        let errors = try Self.pipe()
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input.read, STDIN_FILENO)
        posix_spawn_file_actions_adddup2(&actions, output.write, STDOUT_FILENO)
        posix_spawn_file_actions_adddup2(&actions, errors.write, STDERR_FILENO)
        var argumentList: [UnsafeMutablePointer<CChar>?] = ([binary] + arguments).map { strdup($0) }
        argumentList.append(nil)
        defer { for argument in argumentList { free(argument) } }
        let code = posix_spawn(&processID, binary, &actions, nil, argumentList, environ)
        for descriptor in [input.read, output.write, errors.write] { Glibc.close(descriptor) }
        toServer = input.write
        fromServer = output.read
        serverLog = errors.read
        guard code == 0 else {
            processID = 0
            throw .notStarted(code: code)
        }
    }

    deinit { close() }

    /// Ends the session's process: closes its input, waits two seconds, then kills it. Returns its exit code, -1
    /// when it did not exit by itself. Further calls do nothing.
    @discardableResult
    func close() -> Int32 {
        for descriptor in [toServer, fromServer, serverLog] where descriptor >= 0 { Glibc.close(descriptor) }
        (toServer, fromServer, serverLog) = (-1, -1, -1)
        guard processID > 0 else { return -1 }
        defer { processID = 0 }
        var status: Int32 = 0
        for _ in 0..<200 {
            if waitpid(processID, &status, WNOHANG) != 0 {
                return status & 0x7F == 0 ? status >> 8 & 0xFF : -1
            }
            usleep(10_000)
        }
        kill(processID, SIGKILL)
        waitpid(processID, &status, 0)
        return -1
    }

    // MARK: Protocol

    /// Sends a request and waits for its result.
    func request(_ method: String, _ params: JSONValue) throws -> JSONValue {
        lastRequestNumber += 1
        let id = JSONValue.integer(lastRequestNumber)
        try send([
            "jsonrpc": .string("2.0"), "id": id, "method": .string(method), "params": params,
        ])
        let deadline = ContinuousClock.now + .seconds(Self.answerSeconds)
        while true {
            let message = try nextMessage(method, deadline: deadline)
            // Notifications of the server (messages for the user) are not what is waited for.
            guard message["id"] == id else { continue }
            if case .string(let text)? = message["error"]?["message"] {
                throw Failure.refused(method: method, message: text)
            }
            guard let result = message["result"] else { throw Failure.unreadable(method: method) }
            return result
        }
    }

    /// Sends a notification.
    func notify(_ method: String, _ params: JSONValue) throws {
        try send(["jsonrpc": .string("2.0"), "method": .string(method), "params": params])
    }

    private func send(_ message: [String: JSONValue]) throws {
        let body = try WireCoding.encode(JSONValue.object(message))
        let frame = Array("Content-Length: \(body.count)\r\n\r\n".utf8) + body
        var offset = 0
        while offset < frame.count {
            let count = frame[offset...].withUnsafeBytes { write(toServer, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw Failure.serverGone(log: logText()) }
            offset += count
        }
    }

    private func nextMessage(_ method: String, deadline: ContinuousClock.Instant) throws -> JSONValue {
        while true {
            if case .message(let body)? = framer.next() {
                return try WireCoding.decode(JSONValue.self, from: body)
            }
            let rest = deadline - .now
            guard rest > .zero else {
                throw Failure.noAnswer(method: method, seconds: Self.answerSeconds, log: logText())
            }
            let ready = waitForServer(milliseconds: Int32(rest / .milliseconds(1)) + 1)
            if ready.log { readLog() }
            guard ready.output else { continue }
            guard let bytes = Self.read(fromServer), !bytes.isEmpty else {
                throw Failure.serverGone(log: logText())
            }
            framer.append(bytes)
        }
    }

    // MARK: Descriptors

    private static func pipe() throws(Failure) -> (read: Int32, write: Int32) {
        var ends: [Int32] = [-1, -1]
        guard Glibc.pipe(&ends) == 0 else { throw .notStarted(code: errno) }
        // Or the server would hold its own input open. Nothing else here starts processes in between.
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        return (ends[0], ends[1])
    }

    /// Which of the server's two outputs have something, or have ended.
    private func waitForServer(milliseconds: Int32) -> (output: Bool, log: Bool) {
        var requests = [
            pollfd(fd: fromServer, events: Int16(POLLIN), revents: 0),
            pollfd(fd: serverLog, events: Int16(POLLIN), revents: 0),
        ]
        guard poll(&requests, 2, milliseconds) > 0 else { return (false, false) }
        return (requests[0].revents != 0, requests[1].revents != 0)
    }

    /// What is there; empty at the end of the stream, nil on an error.
    private static func read(_ descriptor: Int32) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count >= 0 { return Array(buffer[..<count]) }
            guard errno == EINTR else { return nil }
        }
    }

    private func readLog() {
        guard let bytes = Self.read(serverLog), !bytes.isEmpty else {
            // Ended; poll passes over negative descriptors.
            Glibc.close(serverLog)
            serverLog = -1
            return
        }
        log += bytes
        let surplus = log.count - Self.logByteCount
        guard surplus > 0 else { return }
        log.removeFirst(surplus)
        seenLogCount = max(0, seenLogCount - surplus)
    }

    private func logText() -> String {
        while serverLog >= 0, waitForServer(milliseconds: 100).log { readLog() }
        return String(decoding: log, as: UTF8.self)
    }

    /// The NAME=VALUE words of the newest log line that has `key` among them, of those that came since the last call;
    /// empty where there is none. The server writes a completion's line before its answer, so after an answer the line
    /// is there.
    func newLogValues(having key: String) -> [String: String] {
        while serverLog >= 0, waitForServer(milliseconds: 0).log { readLog() }
        defer { seenLogCount = log.count }
        for line in String(decoding: log[seenLogCount...], as: UTF8.self).split(separator: "\n").reversed() {
            var values: [String: String] = [:]
            for word in line.split(separator: " ") {
                let parts = word.split(separator: "=", maxSplits: 1)
                if parts.count == 2 { values[String(parts[0])] = String(parts[1]) }
            }
            if values[key] != nil { return values }
        }
        return [:]
    }
}
