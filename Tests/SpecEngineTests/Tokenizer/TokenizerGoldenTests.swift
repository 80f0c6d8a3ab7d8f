// The tokenizer against ids that other implementations computed: the prompts of the engine's golden file, and
// the nasty strings of Golden/tokenizer.json.

import SpecEngine
import TestSupport
import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

@Suite("Tokenizer, golden")
struct TokenizerGoldenTests {
    private struct EngineGolden: Decodable {
        struct Case: Decodable {
            let prompt: String
            let prompt_tokens: [Int32]
            let greedy_tokens: [Int32]
            let greedy_text: String
        }
        let cases: [String: Case]
    }

    private struct TokenizerGolden: Decodable {
        struct Case: Decodable {
            let text: String
            let ids: [Int32]
            let ids_with_special: [Int32]?
        }
        let cases: [Case]
    }

    @Test("All golden prompts become their golden tokens, and golden tokens their golden text")
    func enginePrompts() throws {
        let tokenizer = try DefaultModelTokenizer.tokenizer()
        let golden = try load(EngineGolden.self, "target.json")
        #expect(golden.cases.count == 8)
        for (name, golden) in golden.cases {
            let tokens = tokenizer.encode(golden.prompt, parsingSpecialTokens: true)
            #expect(tokens.map(\.rawValue) == golden.prompt_tokens, "\(name)")
            let bytes = tokenizer.decode(golden.greedy_tokens.map(TokenID.init), renderingControlTokens: true)
            #expect(String(decoding: bytes, as: UTF8.self) == golden.greedy_text, "\(name)")
        }
    }

    @Test(
        "Nasty strings become the tokens that the tokenizers library gives, with special parsing off and on")
    func nastyStrings() throws {
        let tokenizer = try DefaultModelTokenizer.tokenizer()
        let golden = try load(TokenizerGolden.self, "tokenizer.json")
        #expect(golden.cases.count >= 200)
        for golden in golden.cases {
            let plain = tokenizer.encode(golden.text, parsingSpecialTokens: false)
            #expect(plain.map(\.rawValue) == golden.ids, "\(golden.text.debugDescription)")
            let parsed = tokenizer.encode(golden.text, parsingSpecialTokens: true)
            let expected = golden.ids_with_special ?? golden.ids
            #expect(parsed.map(\.rawValue) == expected, "\(golden.text.debugDescription)")
        }
    }

    private func load<Value: Decodable>(_ type: Value.Type, _ name: String) throws -> Value {
        let bytes = try FixturePaths.bytes(FixturePaths.engineGoldenDirectory + "/" + name)
        return try JSONDecoder().decode(type, from: Data(bytes))
    }
}
