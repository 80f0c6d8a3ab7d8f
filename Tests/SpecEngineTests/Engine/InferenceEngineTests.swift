// The engine from the outside: what a request gives, what is reused between requests, how a generation ends.

import Synchronization
import TestSupport
import Testing

@testable import SpecEngine

@Suite("Inference engine", .serialized)
struct InferenceEngineTests {
    private static let prompt = GoldenCase.all["spm-file"]!.promptTokens.map { TokenID($0) }

    private func engine(positionLimit: Int = 4_096, usesReference: Bool = false) throws -> InferenceEngine {
        try InferenceEngine(
            modelPath: FixturePaths.defaultModel,
            options: EngineOptions(threadCount: 2, usesReference: usesReference, positionLimit: positionLimit)
        )
    }

    private func request(
        _ prompt: [TokenID] = prompt, maximumTokens: Int = 12, sampling: SamplingParameters = .greedy,
        endTokens: [TokenID] = [], shouldStop: (@Sendable ([UInt8]) -> Bool)? = nil,
        cancellation: CancellationFlag = CancellationFlag()
    ) -> GenerationRequest {
        GenerationRequest(
            prompt: prompt, maximumTokens: maximumTokens, sampling: sampling, endTokens: endTokens,
            shouldStop: shouldStop, cancellation: cancellation)
    }

    @Test("Greedy text is the golden text")
    func greedyText() async throws {
        let golden = GoldenCase.all["python-plain"]!
        let tokens = golden.promptTokens.map { TokenID($0) }
        let result = try await engine().generate(request(tokens, maximumTokens: 48))
        #expect(result.tokens.map(\.rawValue) == golden.greedyTokens)
        #expect(String(decoding: result.text, as: UTF8.self).hasPrefix("    return n - 1\n"))
        #expect(result.stopReason == .maximumTokens)
        #expect(result.promptTokenCount == tokens.count && result.reusedTokenCount == 0)
        #expect(result.logProbabilities.count == 48 && result.logProbabilities.allSatisfy { $0 <= 0 })
    }

    @Test("A warm prompt gives the same tokens and probabilities as a cold one, computing only what is new")
    func reuseIsExact() async throws {
        let warm = try engine()
        let first = try await warm.generate(request())
        // Typing on: the prompt grows at its end. Then an edit in the middle, and back to what was there before.
        var edited = Self.prompt
        edited[700] = TokenID(500)
        for (prompt, reused) in [
            (Self.prompt, Self.prompt.count - 1),
            (Self.prompt + first.tokens.prefix(3), Self.prompt.count + 3 - 1),
            (edited, 700), (Self.prompt, Self.prompt.count - 1), (Array(Self.prompt.prefix(900)), 899),
        ] {
            let result = try await warm.generate(request(prompt))
            let cold = try await engine().generate(request(prompt))
            #expect(result.reusedTokenCount == reused)
            #expect(result.tokens == cold.tokens)
            #expect(result.logProbabilities == cold.logProbabilities)
        }
    }

    @Test("One seed gives one text, warm or cold")
    func seeded() async throws {
        let sampling = try SamplingParameters(temperature: 0.8, topP: 0.95, seed: 7)
        let engine = try engine()
        let first = try await engine.generate(request(sampling: sampling))
        let second = try await engine.generate(request(sampling: sampling))
        let other = try await engine.generate(
            request(sampling: try SamplingParameters(temperature: 0.8, topP: 0.95, seed: 8)))
        #expect(first.tokens == second.tokens)
        #expect(first.tokens != other.tokens)
    }

    @Test("Generations end for the reason that they give")
    func stopReasons() async throws {
        let engine = try engine(positionLimit: Self.prompt.count + 5)
        let free = try await engine.generate(request())
        #expect(free.tokens.count == 5 && free.stopReason == .contextFull)
        let ended = try await engine.generate(request(endTokens: [free.tokens[2]]))
        #expect(ended.tokens == Array(free.tokens.prefix(2)) && ended.stopReason == .endOfText)
        let stopped = try await engine.generate(request(shouldStop: { $0.count >= 3 }))
        #expect(stopped.stopReason == .stopRule && stopped.tokens.count < 5)
        let limited = try await engine.generate(request(maximumTokens: 1))
        #expect(limited.tokens.count == 1 && limited.stopReason == .maximumTokens)
    }

    @Test("Requests that cannot be served are refused with what to do")
    func refusals() async throws {
        let engine = try engine(positionLimit: 100)
        await #expect(throws: EngineError.self) { try await engine.generate(request([])) }
        await #expect(throws: EngineError.self) { try await engine.generate(request([TokenID(1 << 30)])) }
        await #expect(throws: EngineError.self) { try await engine.generate(request([TokenID(-1)])) }
        await #expect(throws: EngineError.self) {
            try await engine.generate(request(Array(Self.prompt.prefix(100))))
        }
    }

    @Test("Cancelled at any moment, the engine answers, and the next request is as if nothing had been")
    func cancellation() async throws {
        let expected = try await engine().generate(request())
        let engine = try engine()
        // Before the start, and after ever more characters of output.
        let early = CancellationFlag()
        early.raise()
        #expect(try await engine.generate(request(cancellation: early)).stopReason == .cancelled)
        for byteCount in [1, 5, 12, 20] {
            let flag = CancellationFlag()
            let result = try await engine.generate(
                request(
                    shouldStop: { text in
                        if text.count >= byteCount { flag.raise() }
                        return false
                    }, cancellation: flag))
            #expect(result.stopReason == .cancelled)
            #expect(expected.tokens.starts(with: result.tokens))
            let next = try await engine.generate(request())
            #expect(next.tokens == expected.tokens && next.logProbabilities == expected.logProbabilities)
        }
    }

    @Test("Cancelled during prefill from another thread, the passes done so far are kept and are right")
    func cancellationDuringPrefill() async throws {
        let long = GoldenCase.all["spm-repo-12k"]!.promptTokens.prefix(3_000).map { TokenID($0) }
        let expected = try await engine().generate(request(long))
        let engine = try engine()
        for delay in [1, 20, 60, 150] {
            let flag = CancellationFlag()
            let canceller = Task.detached {
                try await Task.sleep(for: .milliseconds(delay))
                flag.raise()
            }
            let result = try await engine.generate(request(long, cancellation: flag))
            try await canceller.value
            // The moment is up to the machine; what must hold is the same wherever it fell.
            #expect(result.stopReason == .cancelled || result.tokens == expected.tokens)
        }
        let next = try await engine.generate(request(long))
        #expect(next.tokens == expected.tokens && next.logProbabilities == expected.logProbabilities)
    }

    @Test("A model file that is missing, damaged or no model at all is refused with the reason")
    func badModels() throws {
        #expect(throws: EngineError.self) {
            try InferenceEngine(modelPath: "/nonexistent.gguf", options: EngineOptions())
        }
        #expect(throws: EngineError.self) {
            try InferenceEngine(
                modelPath: FixturePaths.checkoutRoot + "/Package.swift", options: EngineOptions())
        }
        let draft = FixturePaths.modelsDirectory + "/foretoken-78m-longspec-q4_0.gguf"
        #expect(throws: EngineError.self) { try InferenceEngine(modelPath: draft, options: EngineOptions()) }
    }
}
