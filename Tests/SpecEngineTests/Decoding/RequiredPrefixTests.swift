// Words that are begun already: the first tokens agree with what is typed, whatever cuts it, and a required text changes
// neither what speculation nor what the reuse of prompts gives.

import TestSupport
import Testing

@testable import SpecEngine

@Suite("Required prefix", .serialized)
struct RequiredPrefixTests {
    private static let prompt = GoldenCase.all["python-plain"]!.promptTokens.map { TokenID($0) }

    private func request(_ required: String, sampling: SamplingParameters = .greedy) -> GenerationRequest {
        var request = GenerationRequest(
            prompt: Self.prompt, maximumTokens: 16, sampling: sampling, endTokens: [],
            cancellation: CancellationFlag())
        request.requiredPrefix = Array(required.utf8)
        return request
    }

    @Test("Tokens that agree are those that begin with the text, and those with which it begins")
    func agreement() throws {
        let tokenizer = try DefaultModelTokenizer.tokenizer()
        let wanted = Array(" ret".utf8)
        var found: [TokenID: Bool] = [:]
        tokenizer.forEachToken(agreeingWith: wanted[...]) { found[$0] = $1 }
        for value in 0..<Int32(tokenizer.vocabularySize) {
            let token = TokenID(value)
            let bytes = tokenizer.bytes(of: token)
            let covers = bytes.starts(with: wanted)
            let isPart = !bytes.isEmpty && wanted.starts(with: bytes)
            let expected: Bool? = tokenizer.isControl(token) ? nil : covers ? true : isPart ? false : nil
            #expect(found[token] == expected, "\(value)")
        }
    }

    @Test("The text goes on from what is typed, and what is typed is no part of it")
    func goesOn() async throws {
        let engine = try InferenceEngine(
            modelPath: FixturePaths.defaultModel, options: EngineOptions(threadCount: 2, positionLimit: 1_024))
        let free = try await engine.generate(request(""))
        let text = String(decoding: free.text, as: UTF8.self)
        #expect(text.hasPrefix("    return n - 1"))
        for count in 1...10 {
            let typed = String(text.prefix(count))
            let result = try await engine.generate(request(typed))
            #expect((typed + String(decoding: result.text, as: UTF8.self)).hasPrefix("    return n - 1"), "\(typed)")
            #expect(result.logProbabilities.allSatisfy { $0 <= 0 })
        }
        // Another word than the model's own choice.
        let other = try await engine.generate(request("    rais"))
        #expect(String(decoding: other.text, as: UTF8.self).hasPrefix("e "))
        // Half of what no token begins with.
        let odd = try await engine.generate(request("    \u{1F9D9}\u{1F9D9}"))
        #expect(odd.tokens.count == 16)
    }

    @Test("With and without speculation the same tokens, cold and warm", arguments: ["r", "    retu", "    x", "é"])
    func lossless(_ required: String) async throws {
        func engine(_ mode: SpeculationMode) throws -> InferenceEngine {
            try InferenceEngine(
                modelPath: FixturePaths.defaultModel,
                options: EngineOptions(
                    threadCount: 2, positionLimit: 1_024, speculation: SpeculationOptions(mode: mode)))
        }
        let plain = try engine(.off)
        let speculative = try engine(.lookup)
        for temperature in [Float(0), 0.8] {
            let request = request(required, sampling: try SamplingParameters(temperature: temperature, seed: 7))
            let cold = try await plain.generate(request)
            let warm = try await plain.generate(request)
            #expect(warm.reusedTokenCount == Self.prompt.count - 1)
            #expect(warm.tokens == cold.tokens && warm.logProbabilities == cold.logProbabilities)
            for _ in 0..<2 {
                let result = try await speculative.generate(request)
                #expect(result.tokens == cold.tokens && result.text == cold.text)
                #expect(result.logProbabilities == cold.logProbabilities)
            }
        }
    }
}
