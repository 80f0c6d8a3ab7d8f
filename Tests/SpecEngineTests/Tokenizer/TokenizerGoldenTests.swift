// The tokenizer against ids that other implementations computed: the prompts of the engine's golden file, the nasty
// strings of Golden/tokenizer.json, and those of Golden/tokenizers for every other kind of tokenizer.

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

    @Test(
        "Every kind of tokenizer cuts nasty strings as tokenizers or sentencepiece does, and gives them back",
        arguments: ["gpt-2", "llama-bpe", "starcoder", "deepseek-coder", "llama", "llama-no-prefix"])
    func families(name: String) throws {
        let golden = try Self.families.get()
        let path = FixturePaths.engineGoldenDirectory + "/tokenizers/\(name).gguf"
        let tokenizer = try Tokenizer(try GGUFFile.open(path))
        let expected = try #require(golden.ids[name])
        #expect(golden.texts.count == expected.count && expected.count >= 200)
        for (text, ids) in zip(golden.texts, expected) {
            let tokens = tokenizer.encode(text, parsingSpecialTokens: false)
            #expect(tokens.map(\.rawValue) == ids, "\(text.debugDescription)")
            let part = tokenizer.encode(Array(text.utf8), parsingSpecialTokens: false, isPart: true)
            #expect(tokenizer.decode(part) == Array(text.utf8), "\(text.debugDescription)")
        }
    }

    private struct Families: Decodable {
        let texts: [String]
        let ids: [String: [[Int32]]]
    }

    private static let families = Result {
        let path = FixturePaths.engineGoldenDirectory + "/tokenizers/golden.json"
        return try JSONDecoder().decode(Families.self, from: Data(try FixturePaths.bytes(path)))
    }

    private func load<Value: Decodable>(_ type: Value.Type, _ name: String) throws -> Value {
        let bytes = try FixturePaths.bytes(FixturePaths.engineGoldenDirectory + "/" + name)
        return try JSONDecoder().decode(type, from: Data(bytes))
    }
}
