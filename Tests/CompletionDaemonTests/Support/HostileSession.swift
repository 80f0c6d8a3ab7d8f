// A session over real pipes that is fed any bytes at all, to its end: for input after which the server may stop reading.

import Glibc
import TestSupport

@testable import CompletionDaemon

enum HostileSession {
    struct End: Sendable {
        let exitCode: Int32
        /// How often each text id was answered.
        let answerCounts: [String: Int]
    }

    /// Initializes, opens a document and asks once, with the id "beginning".
    static let beginning: [UInt8] =
        [
            #"{"jsonrpc":"2.0","id":"init","method":"initialize","params":{"capabilities":{}}}"#,
            #"""
            {"jsonrpc":"2.0","method":"textDocument/didOpen","params":{"textDocument":{"uri":"file:///s",\#
            "text":"text"}}}
            """#,
        ].flatMap { HostileCorpus.frame(Array($0.utf8)) } + request("beginning")

    /// A request that no server knows, so that its answer depends on nothing that came before.
    static func request(_ id: String) -> [UInt8] {
        HostileCorpus.frame(Array(#"{"jsonrpc":"2.0","id":"\#(id)","method":"unknown"}"#.utf8))
    }

    /// Sends the stream as far as the server takes it, then ends the input.
    static func run(_ stream: [UInt8]) async throws -> End {
        var input: [Int32] = [0, 0]
        var output: [Int32] = [0, 0]
        guard ServerProcess.makePipe(&input), ServerProcess.makePipe(&output) else { throw Failure(code: errno) }
        let (serverInput, clientOutput, clientInput, serverOutput) = (input[0], input[1], output[0], output[1])
        let options = ServerOptions(version: "test", logger: silentLogger)
        let session = Task.detached {
            let code = await ServeSession.run(
                provider: ScriptedProvider.inserting("x"), input: serverInput, output: serverOutput,
                options: options)
            // Its reader has ended by now. What is still being sent fails from here on.
            close(serverInput)
            close(serverOutput)
            return code
        }
        async let sent: Void = onBlockingThread {
            PipedSession.write(stream, to: clientOutput)
            close(clientOutput)
        }
        let received = await onBlockingThread { readToEnd(clientInput) }
        await sent
        close(clientInput)
        return End(exitCode: await session.value, answerCounts: try counts(received))
    }

    private struct Failure: Error {
        let code: Int32
    }

    private static func readToEnd(_ descriptor: Int32) -> [UInt8] {
        var all: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = chunk.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { return all }
            all += chunk[..<count]
        }
    }

    private static func counts(_ received: [UInt8]) throws -> [String: Int] {
        var framer = MessageFramer(limits: Limits())
        framer.append(received[...])
        var counts: [String: Int] = [:]
        while case .message(let body)? = framer.next() {
            if let id = try JSONTree(parsing: body)["id"]?.string { counts[id, default: 0] += 1 }
        }
        return counts
    }
}
