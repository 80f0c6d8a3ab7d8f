// An OpenAI-compatible `/v1/completions` endpoint: the request as JSON, the streamed answer piece by piece. Understands
// what llama-server, vLLM and Ollama send; fields that a server leaves out stay empty.

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
#if canImport(Glibc)
    import Glibc
#endif

/// How a prompt is sent.
package enum EndpointPrompt: String, Sendable, CaseIterable {
    /// Token ids: both engines read the same tokens. llama-server and vLLM take them.
    case tokens
    /// The same prompt as text, special tokens spelled out.
    case text
    /// The text before the cursor as `prompt`, the text after it as `suffix`; the server lays the prompt out.
    case suffix
}

/// One request.
package struct EndpointRequest: Sendable {
    package var prompt: AnyJSON
    package var suffix: String?
    package var maximumTokens: Int
    package var temperature: Float
    package var seed: UInt64
    /// Ask for the most probable tokens at each step.
    package var wantsProbabilities: Bool

    package init(
        prompt: AnyJSON, suffix: String?, maximumTokens: Int, temperature: Float, seed: UInt64,
        wantsProbabilities: Bool
    ) {
        self.prompt = prompt
        self.suffix = suffix
        self.maximumTokens = maximumTokens
        self.temperature = temperature
        self.seed = seed
        self.wantsProbabilities = wantsProbabilities
    }

    /// What of the user's text is sent, in words or in token ids.
    var texts: [String] {
        let prompt: String? =
            switch prompt {
            case .string(let text): text
            case .array(let ids):
                ids.compactMap { $0.number.flatMap { Int(exactly: $0) } }.map { "\($0)" }.joined(separator: ",")
            default: nil
            }
        return [prompt, suffix].compactMap { $0 }
    }
}

/// One answer.
package struct EndpointAnswer: Sendable {
    package var text: [UInt8] = []
    package var tokens: [Int32] = []
    package var logProbabilities: [Float] = []
    package var margins: [Float] = []
    package var stopReason = ""
    package var promptTokens: Int?
    package var reusedTokens: Int?
    package var generatedTokens: Int?
    package var firstTokenTime: Duration?
    package var totalTime = Duration.zero
    package var attempts = 0
}

/// Talks to one server.
package struct CompletionEndpoint: Sendable {
    package static let maximumAttemptCount = 4
    /// Doubled with each attempt.
    package static let firstBackoff = Duration.milliseconds(500)
    /// More than any completion is.
    static let maximumTextByteCount = 1 << 20

    package let url: EndpointURL
    let model: String?
    let key: String?
    /// Members added to every request.
    let extra: [String: AnyJSON]
    let client: HTTPClient
    /// Requests sent for one answer, at most.
    let attemptCount: Int

    /// - Parameter attemptCount: 1 where a user waits, who asks again by typing on.
    package init(
        url: EndpointURL, model: String?, key: String?, extra: [String: AnyJSON], timeout: Duration,
        connectTimeout: Duration = .seconds(10), attemptCount: Int = CompletionEndpoint.maximumAttemptCount
    ) {
        self.attemptCount = attemptCount
        self.url = url
        self.model = model
        self.key = key
        self.extra = extra
        client = HTTPClient(connectTimeout: connectTimeout, timeout: timeout)
    }

    /// Sends a request, again after a passing failure. Blocking. `shouldStop` sees all text so far.
    ///
    /// - Throws: an `EvaluationError`, of kind `refusal` where asking again would give the same.
    package func complete(
        _ request: EndpointRequest, isCancelled: () -> Bool, shouldStop: ([UInt8]) -> Bool
    ) throws -> EndpointAnswer {
        let body = try Self.body(request, model: model, extra: extra)
        var backoff = Self.firstBackoff
        for attempt in 1... {
            do throws(HTTPFailure) {
                var answer = try send(body, sent: request.texts, isCancelled: isCancelled, shouldStop: shouldStop)
                answer.attempts = attempt
                return answer
            } catch {
                guard error.isPassing, attempt < attemptCount, !isCancelled() else {
                    throw EvaluationError(
                        error.isPassing ? .endpoint : .refusal, "\(url): \(error.message)", fix: error.fix)
                }
                // Waiting in steps, so that an interruption is heard.
                let end = ContinuousClock.now + backoff
                while ContinuousClock.now < end, !isCancelled() { usleep(50_000) }
                backoff *= 2
            }
        }
        preconditionFailure("the last attempt returns or throws")
    }

    private func send(
        _ body: [UInt8], sent: [String], isCancelled: () -> Bool, shouldStop: ([UInt8]) -> Bool
    ) throws(HTTPFailure) -> EndpointAnswer {
        let start = ContinuousClock.now
        var stream = EndpointStream()
        var isStopped = false
        try client.post(
            url, path: "/completions", body: body, key: key, sent: sent, isCancelled: isCancelled
        ) { piece in
            stream.append(piece)
            if !stream.answer.text.isEmpty, stream.answer.firstTokenTime == nil {
                stream.answer.firstTokenTime = ContinuousClock.now - start
            }
            isStopped = shouldStop(stream.answer.text) || stream.answer.text.count > Self.maximumTextByteCount
            return !isStopped && stream.failure == nil
        }
        stream.end()
        if let failure = stream.failure {
            let said = ServerMessage.shown(failure, key: key, sent: sent) ?? "no reason given"
            throw HTTPFailure(message: "the server reports an error: \(said)", isPassing: false)
        }
        guard isStopped || stream.hasAnswer else {
            throw HTTPFailure(message: "the server's answer is no completion", isPassing: false)
        }
        stream.answer.totalTime = ContinuousClock.now - start
        if isStopped { stream.answer.stopReason = "stop_rule" }
        return stream.answer
    }

    static func body(
        _ request: EndpointRequest, model: String?, extra: [String: AnyJSON]
    ) throws -> [UInt8] {
        var members: [String: AnyJSON] = [
            "prompt": request.prompt, "max_tokens": .number(Double(request.maximumTokens)),
            "temperature": .number(Double(request.temperature)),
            // Servers read 32 bits.
            "seed": .number(Double(request.seed & 0x7FFF_FFFF)), "stream": .bool(true),
            "stream_options": .object(["include_usage": .bool(true)]),
        ]
        if let model { members["model"] = .string(model) }
        if let suffix = request.suffix { members["suffix"] = .string(suffix) }
        if request.wantsProbabilities { members["logprobs"] = .number(2) }
        members.merge(extra) { $1 }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return [UInt8](try encoder.encode(AnyJSON.object(members)))
    }
}

/// The server's key: from a file that only its owner can read, or from the environment.
package enum EndpointKey {
    package static let environmentVariable = "FORETOKEN_ENGINE_KEY"

    /// Nil when there is none. An error never shows the key.
    package static func find(file: String?) throws -> String? {
        if let file { return try read(file) }
        guard let value = getenv(environmentVariable).map({ String(cString: $0) }), !value.isEmpty else {
            return nil
        }
        return try check(value, source: environmentVariable)
    }

    private static func read(_ path: String) throws -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        var status = stat()
        guard descriptor >= 0 else {
            throw EvaluationError(.usage, "the key file \(path) cannot be read", fix: "check the path")
        }
        defer { close(descriptor) }
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
            status.st_mode & 0o077 == 0, status.st_uid == geteuid()
        else {
            throw EvaluationError(
                .usage, "others may read the key file \(path), or it is not yours", fix: "chmod 600 '\(path)'"
            )
        }
        var buffer = [UInt8](repeating: 0, count: 8_192)
        let count = Glibc.read(descriptor, &buffer, buffer.count)
        return try check(String(decoding: buffer[..<max(0, count)], as: UTF8.self), source: path)
    }

    private static func check(_ text: String, source: String) throws -> String {
        let key = text.trimmingBlanks
        guard !key.isEmpty, key.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw EvaluationError(
                .usage, "\(source) holds no key of printable ASCII characters",
                fix: "put the key alone into it")
        }
        return key
    }
}
