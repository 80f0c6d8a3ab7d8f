// The remote engine against a real llama-server on this machine. Only on request (`make test-peers`): it needs what
// Benchmarks/peers/build.sh builds, and fails where that is missing.

import CompletionEvaluation
import Foundation
import SpecEngine
import TestSupport
import Testing

@testable import CompletionDaemon

@Suite(
    "Peer server", .serialized, .timeLimit(.minutes(5)),
    .enabled(if: ProcessInfo.processInfo.environment["FORETOKEN_PEERS"] == "1"))
struct PeerServerTests {
    /// A llama-server with this project's model; ends with the value.
    private final class LlamaServer: @unchecked Sendable {  // used by one test, one call at a time
        struct Failure: Error, CustomStringConvertible {
            let description: String
        }

        let port: UInt16
        private var process = pid_t()
        private let logPath: String

        init(modelPath: String, logPath: String) throws {
            self.logPath = logPath
            let path =
                ProcessInfo.processInfo.environment["FORETOKEN_LLAMA_SERVER"]
                ?? FixturePaths.checkoutRoot + "/.build/peers/native/bin/llama-server"
            guard access(path, X_OK) == 0 else {
                throw Failure(description: "\(path) is missing: run Benchmarks/peers/build.sh server")
            }
            // Free a moment ago.
            port = try LoopbackServer.freePort()
            let words = [
                path, "--model", modelPath, "--host", "127.0.0.1", "--port", "\(port)", "--threads", "2",
                "--ctx-size", "4096", "--parallel", "1",
            ]
            var arguments = words.map { strdup($0) } + [nil]
            defer { for argument in arguments { free(argument) } }
            var actions = posix_spawn_file_actions_t()
            posix_spawn_file_actions_init(&actions)
            defer { posix_spawn_file_actions_destroy(&actions) }
            posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0)
            posix_spawn_file_actions_addopen(&actions, 1, logPath, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
            posix_spawn_file_actions_adddup2(&actions, 1, 2)
            guard posix_spawn(&process, path, &actions, nil, &arguments, environ) == 0 else {
                throw Failure(description: "\(path) cannot be started")
            }
        }

        deinit { stop() }

        func stop() {
            guard process > 0 else { return }
            kill(process, SIGKILL)
            waitpid(process, nil, 0)
            process = 0
        }

        /// Waits until the server has its model.
        func waitUntilReady() throws {
            let endpoint = CompletionEndpoint(
                url: try EndpointURL("http://127.0.0.1:\(port)/v1"), model: nil, key: nil, extra: [:],
                timeout: .seconds(10), attemptCount: 1)
            let request = EndpointRequest(
                prompt: .string("a"), suffix: nil, maximumTokens: 1, temperature: 0, seed: 0,
                wantsProbabilities: false)
            let end = ContinuousClock.now + .seconds(120)
            while ContinuousClock.now < end {
                var status: Int32 = 0
                guard waitpid(process, &status, WNOHANG) == 0 else {
                    process = 0
                    let log = (try? String(contentsOfFile: logPath, encoding: .utf8)) ?? ""
                    throw Failure(description: "llama-server ended with status \(status): \(log.suffix(1_000))")
                }
                if (try? endpoint.complete(request, isCancelled: { false }, shouldStop: { _ in false })) != nil { return }
                usleep(100_000)
            }
            throw Failure(description: "llama-server was not ready after two minutes")
        }
    }

    private func request(_ path: String, cancellation: RequestCancellation = RequestCancellation()) throws
        -> CompletionRequest
    {
        let bytes = try FixturePaths.bytes(path)
        return CompletionRequest(
            document: DocumentSnapshot(
                uri: DocumentURI(filePath: path), languageID: "python", version: 1, bytes: bytes),
            byteOffset: bytes.count - 1, triggerKind: .automatic, selectedCompletion: nil, openDocuments: [],
            recentPaths: [], cancellation: cancellation, minimumConfidence: 0.01)
    }

    @Test("llama-server completes what this engine completes, tells how sure it is, and its absence is told")
    func llamaServer() async throws {
        let folder = try RepositoryFixture.temporaryFolder()
        let path = folder + "/shapes.py"
        try Data("def rectangle_area(width, height):\n    return width * \n".utf8).write(to: URL(fileURLWithPath: path))
        let server = try LlamaServer(modelPath: FixturePaths.defaultModel, logPath: folder + "/server.log")
        try await onBlockingThread { Result { try server.waitUntilReady() } }.get()

        let local = CompletionService(
            configuration: CompletionService.Configuration(
                engine: EngineConfiguration(modelPath: FixturePaths.defaultModel), contextTokens: 256,
                includesContext: false))
        let expected = await local.complete(try request(path))
        for form in [EndpointPrompt.tokens, .text] {
            var engine = RemoteEngineSettings(url: try EndpointURL("http://127.0.0.1:\(server.port)/v1"))
            engine.promptForm = form
            engine.tokenizerPath = FixturePaths.defaultModel
            let remote = RemoteCompletionService(
                configuration: RemoteCompletionService.Configuration(
                    engine: engine, contextTokens: 256, includesContext: false), logger: silentLogger)
            let outcome = await remote.complete(try request(path))
            #expect(outcome == expected, "\(form)")
            guard case .items(let items) = outcome else { continue }
            #expect(items.first?.text.hasPrefix("height") == true)
            var sure = try request(path)
            sure.minimumConfidence = 1
            guard case .none = await remote.complete(sure) else {
                Issue.record("the server's probabilities were not read")
                continue
            }
        }
        server.stop()
        var engine = RemoteEngineSettings(url: try EndpointURL("http://127.0.0.1:\(server.port)/v1"))
        engine.tokenizerPath = FixturePaths.defaultModel
        let remote = RemoteCompletionService(
            configuration: RemoteCompletionService.Configuration(engine: engine), logger: silentLogger)
        guard case .failed(let message) = await remote.complete(try request(path)) else {
            Issue.record("a server that is gone answered")
            return
        }
        #expect(message.contains("cannot be reached"))
    }
}
