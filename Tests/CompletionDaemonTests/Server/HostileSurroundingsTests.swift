// What may happen around a session: the client's process is stopped for a while, the editor dies, the disk is full. A
// wait here ends when something has happened, never after a time.

import Foundation
import Glibc
import TestSupport
import Testing

@testable import CompletionDaemon

@Suite("Hostile surroundings", .timeLimit(.minutes(10)))
struct HostileSurroundingsTests {
    @Test("Nothing is lost while the process that reads the answers is stopped")
    func stoppedReader() async throws {
        let (serverInput, toServer) = try pipeEnds()
        let (readerInput, serverOutput) = try pipeEnds()
        let (fromReader, readerOutput) = try pipeEnds()
        let reader = try start("cat", input: readerInput, output: readerOutput)
        close(readerInput)
        close(readerOutput)
        try stop(reader)

        var limits = Limits()
        limits.queuedOutputByteCount = 1000
        limits.queuedEventCount = 4
        let options = ServerOptions(version: "test", limits: limits, logger: silentLogger)
        let session = Task.detached {
            let code = await ServeSession.run(
                provider: ScriptedProvider.inserting("x"), input: serverInput, output: serverOutput,
                options: options)
            close(serverOutput)
            return code
        }
        async let sent: Void = onBlockingThread {
            for id in 1...3000 {
                var poll = pollfd(fd: toServer, events: Int16(POLLOUT), revents: 0)
                // No room: every queue on the way is full, and the reader may go on.
                if Glibc.poll(&poll, 1, 100) == 0 { kill(reader, SIGCONT) }
                PipedSession.write(
                    PipedSession.frame("{\"jsonrpc\":\"2.0\",\"id\":\(id),\"method\":\"unknown\"}"), to: toServer)
            }
            kill(reader, SIGCONT)
            close(toServer)
        }
        let ids = try await onBlockingThread { readMessages(fromReader) }.map { try JSONTree(parsing: $0)["id"] }
        await sent
        #expect(await session.value == 1)
        #expect(ids.map { $0?.integer } == (1...3000).map { Int64($0) })
        var status: Int32 = 0
        waitpid(reader, &status, 0)
        close(serverInput)
        close(fromReader)
    }

    @Test("The binary ends with the process that --clientProcessId names, though its input stays open")
    func parentDeath() throws {
        let editor = try start("sleep", "600", input: STDIN_FILENO, output: STDOUT_FILENO)
        let server = try ServerProcess(
            path: Binary.path,
            arguments: [
                "serve", "--clientProcessId", "\(editor)", "--disk-cache", "off", "--no-statistics", "--log-level",
                "critical", "--model", FixturePaths.defaultModel,
            ])
        try server.send(
            Array(#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"capabilities":{}}}"#.utf8))
        #expect(try server.receive() != nil)
        kill(editor, SIGKILL)
        #expect(try server.receive() == nil)
        #expect(server.waitForExit() == 1)
        var status: Int32 = 0
        waitpid(editor, &status, 0)
    }

    @Test("With no room for its caches the binary completes as ever, and a later start is none the worse")
    func fullDisk() throws {
        let project = try DrawingProject()
        let scratch = try RepositoryFixture.temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: scratch) }  // best effort
        let environment = "XDG_CACHE_HOME=\(scratch)/cache XDG_STATE_HOME=\(scratch)/state "
        // Files of more than one block of 512 bytes cannot be written.
        let limited = try completions(in: project, shell: "ulimit -f 1; exec env " + environment)
        let unlimited = try completions(in: project, shell: "exec env " + environment)
        #expect(limited.count == 2 && limited.allSatisfy { $0.hasPrefix("rectangles(") }, "\(limited)")
        #expect(limited == unlimited)
    }

    /// The texts of two requests at the project's cursor, the second from a fresh session of the same caches.
    private func completions(in project: DrawingProject, shell: String) throws -> [String] {
        try (0..<2).map { _ in
            let server = try ServerProcess(
                path: "/bin/sh",
                arguments: [
                    "-c", shell + "\"$0\" \"$@\"", Binary.path, "serve", "--log-level", "critical", "--model",
                    FixturePaths.defaultModel, "--context-tokens", "1024",
                ])
            let messages = try OfflineTests.messages(in: project).map { Array($0.utf8) }
            for message in messages.dropLast(2) { try server.send(message) }
            var texts: [String] = []
            while let body = try server.receive() {
                let answer = try JSONTree(parsing: body)
                guard answer["id"] == 2 else { continue }
                if case .array(let found)? = answer.value(at: "result.items.insertText") {
                    texts = found.compactMap(\.string)
                }
                for message in messages.suffix(2) { try server.send(message) }  // shutdown and exit
            }
            #expect(server.waitForExit() == 0)
            return texts.first ?? ""
        }
    }

    // MARK: Processes

    /// No other process inherits them.
    private func pipeEnds() throws -> (reading: Int32, writing: Int32) {
        var ends: [Int32] = [0, 0]
        try #require(ServerProcess.makePipe(&ends))
        return (ends[0], ends[1])
    }

    private func start(_ program: String, _ argument: String? = nil, input: Int32, output: Int32) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO)
        posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)
        var arguments: [UnsafeMutablePointer<CChar>?] = [strdup(program)]
        if let argument { arguments.append(strdup(argument)) }
        arguments.append(nil)
        defer { for argument in arguments { free(argument) } }
        var process = pid_t()
        try #require(posix_spawnp(&process, program, &actions, nil, &arguments, environ) == 0)
        return process
    }

    /// Stops a process, and waits until it is.
    private func stop(_ process: pid_t) throws {
        kill(process, SIGSTOP)
        var status: Int32 = 0
        try #require(waitpid(process, &status, WUNTRACED) == process)
    }
}

/// All bodies until the writer closes its end.
private func readMessages(_ descriptor: Int32) -> [[UInt8]] {
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
