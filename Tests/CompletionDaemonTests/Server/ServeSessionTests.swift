// Whole sessions over real pipes in this process: reader, server and writer with their threads, their
// back-pressure and their ends.

import Glibc
import TestSupport
import Testing

@testable import CompletionDaemon

/// Two pipes with a session between them.
final class PipedSession {
    let toServer: Int32
    let fromServer: Int32
    private let serverEnds: (input: Int32, output: Int32)
    private var isReadingEndOpen = true

    init() {
        var input: [Int32] = [0, 0]
        var output: [Int32] = [0, 0]
        _ = ServerProcess.makePipe(&input)
        _ = ServerProcess.makePipe(&output)
        toServer = input[1]
        fromServer = output[0]
        serverEnds = (input[0], output[1])
    }

    /// Runs the session and hands its exit code over at the end. The server's ends are closed then.
    func start(_ provider: any CompletionProvider, limits: Limits = Limits()) -> Task<Int32, Never> {
        let ends = serverEnds
        return Task.detached {
            let options = ServerOptions(version: "test", limits: limits, logger: silentLogger)
            let code = await ServeSession.run(
                provider: provider, input: ends.input, output: ends.output, options: options)
            close(ends.output)
            return code
        }
    }

    func send(_ bodies: [String]) {
        for body in bodies { Self.write(Self.frame(body), to: toServer) }
    }

    func sendRaw(_ text: String) { Self.write(text, to: toServer) }

    static func frame(_ body: String) -> String { "Content-Length: \(body.utf8.count)\r\n\r\n\(body)" }

    /// Waits for room; gives up when the server's end is closed.
    static func write(_ text: String, to descriptor: Int32) { write(Array(text.utf8), to: descriptor) }

    static func write(_ bytes: [UInt8], to descriptor: Int32) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }

    /// All that the server wrote until it closed its end, as messages.
    func readToEnd() async throws -> [JSONTree] {
        let descriptor = fromServer
        let bodies = await onBlockingThread {
            var framer = MessageFramer(limits: Limits())
            var bodies: [[UInt8]] = []
            var chunk = [UInt8](repeating: 0, count: 65_536)
            while true {
                let count = chunk.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
                guard count > 0 else { return bodies }
                framer.append(chunk[..<count])
                while case .message(let body)? = framer.next() { bodies.append(body) }
            }
        }
        return try bodies.map { try JSONTree(parsing: $0) }
    }

    func closeReadingEnd() {
        guard isReadingEndOpen else { return }
        isReadingEndOpen = false
        close(fromServer)
    }

    deinit {
        closeReadingEnd()
        close(serverEnds.input)
    }
}

@Suite("Sessions over pipes", .timeLimit(.minutes(10)))
struct ServeSessionTests {
    private let initialize = #"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"capabilities":{}}}"#
    private let shutdown = #"{"jsonrpc":"2.0","id":99,"method":"shutdown"}"#
    private let exit = #"{"jsonrpc":"2.0","method":"exit"}"#

    private func open(_ text: String) -> String {
        #"""
        {"jsonrpc":"2.0","method":"textDocument/didOpen","params":{"textDocument":{"uri":"u:1",\#
        "text":"\#(text)"}}}
        """#
    }

    private func complete(_ id: Int) -> String {
        #"""
        {"jsonrpc":"2.0","id":\#(id),"method":"textDocument/inlineCompletion",\#
        "params":{"textDocument":{"uri":"u:1"},"position":{"line":0,"character":0}}}
        """#
    }

    @Test("A tidy session ends with code 0 and everything answered in between")
    func tidy() async throws {
        let session = PipedSession()
        let code = session.start(ScriptedProvider { _ in .holdUntilCancelled })
        session.send([initialize, open("x"), complete(1), complete(2), shutdown, exit])
        let messages = try await session.readToEnd()
        #expect(await code.value == 0)
        #expect(messages.map { $0["id"] } == [0, 1, 2, 99])
        close(session.toServer)
    }

    @Test("Junk between frames is reported and the session goes on")
    func junk() async throws {
        let session = PipedSession()
        let code = session.start(ScriptedProvider.inserting("x"))
        session.send([initialize])
        session.sendRaw("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        session.send([shutdown, exit])
        let messages = try await session.readToEnd()
        #expect(await code.value == 0)
        #expect(messages.map { $0["id"] } == [0, nil as JSONTree, 99])
        close(session.toServer)
    }

    @Test("Endless junk ends the session with code 1")
    func endlessJunk() async throws {
        let session = PipedSession()
        var limits = Limits()
        limits.consecutiveFrameErrorCount = 3
        let code = session.start(ScriptedProvider.inserting("x"), limits: limits)
        for _ in 0..<3 { session.sendRaw("Content-Length: many\r\n\r\n") }
        #expect(try await session.readToEnd().count == 3)
        #expect(await code.value == 1)
        close(session.toServer)
    }

    @Test("The input ending inside a message ends the session with code 1")
    func cutMessage() async throws {
        let session = PipedSession()
        let code = session.start(ScriptedProvider.inserting("x"))
        session.send([initialize])
        session.sendRaw("Content-Length: 500\r\n\r\n{\"jsonrpc\"")
        close(session.toServer)
        #expect(try await session.readToEnd().count == 1)
        #expect(await code.value == 1)
    }

    /// Small bounds, and more requests than all of them and both pipes can hold.
    private func stalledSession() -> (session: PipedSession, code: Task<Int32, Never>, requests: [String]) {
        let session = PipedSession()
        var limits = Limits()
        limits.queuedOutputByteCount = 1000
        limits.queuedEventCount = 4
        limits.sessionEndWait = .milliseconds(100)
        let code = session.start(ScriptedProvider.inserting("x"), limits: limits)
        return (session, code, (1...3000).map { "{\"jsonrpc\":\"2.0\",\"id\":\($0),\"method\":\"unknown\"}" })
    }

    @Test("A client that reads nothing until it can send no more still gets every answer")
    func stalledClient() async throws {
        let (session, code, requests) = stalledSession()
        let toServer = session.toServer
        let stalled = Monitor(false)
        async let sent: Void = onBlockingThread {
            for request in requests {
                // No room for 100 ms: every queue on the way is full, and the client may start to read.
                var poll = pollfd(fd: toServer, events: Int16(POLLOUT), revents: 0)
                if Glibc.poll(&poll, 1, 100) == 0 { stalled.withLock { $0 = true } }
                PipedSession.write(PipedSession.frame(request), to: toServer)
            }
            close(toServer)
        }
        _ = await onBlockingThread { stalled.wait { $0 ? true : nil } }
        let messages = try await session.readToEnd()
        await sent
        #expect(await code.value == 1)
        #expect(messages.map { $0["id"]?.integer } == (1...3000).map { Int64($0) })
    }

    @Test("A client that dies without having read anything ends the session")
    func deadClient() async throws {
        let (session, code, requests) = stalledSession()
        let toServer = session.toServer
        await onBlockingThread {
            for request in requests {
                var poll = pollfd(fd: toServer, events: Int16(POLLOUT), revents: 0)
                if Glibc.poll(&poll, 1, 100) == 0 { break }
                PipedSession.write(PipedSession.frame(request), to: toServer)
            }
            close(toServer)
        }
        session.closeReadingEnd()
        #expect(await code.value == 1)
    }

    @Test("A client that closes its reading end ends the session quietly")
    func brokenOutput() async throws {
        let ends = PipedEnds()
        let options = ServerOptions(version: "test", logger: silentLogger)
        async let code = ServeSession.run(
            provider: ScriptedProvider.inserting("x"), input: ends.serverInput, output: ends.serverOutput,
            options: options)
        close(ends.clientInput)
        let frame = Array("Content-Length: \(initialize.utf8.count)\r\n\r\n\(initialize)".utf8)
        _ = write(ends.clientOutput, frame, frame.count)
        #expect(await code == 1)
        close(ends.clientOutput)
    }
}

/// Both pipes' ends, for the test that closes the reading one.
private struct PipedEnds {
    let serverInput, clientOutput, clientInput, serverOutput: Int32

    init() {
        var input: [Int32] = [0, 0]
        var output: [Int32] = [0, 0]
        _ = ServerProcess.makePipe(&input)
        _ = ServerProcess.makePipe(&output)
        (serverInput, clientOutput) = (input[0], input[1])
        (clientInput, serverOutput) = (output[0], output[1])
    }
}
