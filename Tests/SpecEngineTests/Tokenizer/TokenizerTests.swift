// The tokenizer against the reference implementation, and the properties that hold for any bytes.

import Foundation
import TestSupport
import Testing

@testable import SpecEngine

@Suite("Tokenizer")
struct TokenizerTests {
    private static let tokenizer: Tokenizer = {
        do {
            return try Tokenizer(ModelFixture.file())
        } catch {
            preconditionFailure("the default model's tokenizer does not load: \(error)")
        }
    }()

    private struct File: Decodable {
        struct Case: Decodable {
            let text: String
            let tokens: [Int32]
        }
        let cases: [Case]
    }

    @Test("Golden prompts tokenise as in transformers, special tokens included", arguments: GoldenCase.names)
    func goldenPrompts(name: String) throws {
        let golden = try #require(GoldenCase.all[name])
        let tokens = Self.tokenizer.encode(Array(golden.prompt.utf8), parsingSpecialTokens: true)
        let isSame = tokens.map(\.rawValue) == golden.promptTokens
        #expect(isSame)
    }

    @Test("Nasty strings tokenise as in the tokenizers library")
    func nastyStrings() throws {
        let bytes = try FixturePaths.bytes(FixturePaths.engineGoldenDirectory + "/tokenizer.json")
        let cases = try JSONDecoder().decode(File.self, from: Data(bytes)).cases
        #expect(cases.count > 200)
        for golden in cases {
            let tokens = Self.tokenizer.encode(Array(golden.text.utf8), parsingSpecialTokens: false)
            #expect(tokens.map(\.rawValue) == golden.tokens, "\(golden.text.debugDescription)")
        }
    }

    @Test("Any bytes, valid UTF-8 or not, come back from their tokens")
    func anyBytesRoundTrip() {
        var random = SeededRandom(seed: 30)
        for _ in 0..<2_000 {
            let bytes = (0..<random.below(60)).map { _ in
                random.below(3) == 0 ? UInt8(random.below(256)) : UInt8(32 + random.below(95))
            }
            let tokens = Self.tokenizer.encode(bytes, parsingSpecialTokens: false)
            #expect(Self.tokenizer.decode(tokens) == bytes, "seed 30")
        }
    }

    @Test("Spellings of special tokens inside a text stay text unless they are asked for")
    func specialTokensAreInert() {
        let text = Array("a<|fim_middle|>b".utf8)
        let special = Self.tokenizer.specialTokens
        let plain = Self.tokenizer.encode(text, parsingSpecialTokens: false)
        #expect(!plain.contains(special.fimMiddle!))
        #expect(Self.tokenizer.decode(plain) == text)
        let parsed = Self.tokenizer.encode(text, parsingSpecialTokens: true)
        #expect(parsed.filter { $0 == special.fimMiddle }.count == 1)
        #expect(Self.tokenizer.decode(parsed) == Array("ab".utf8))
    }

    @Test("A megabyte without a space is tokenised in bounded time and comes back")
    func longPiece() {
        let text = [UInt8](repeating: UInt8(ascii: "x"), count: 1 << 20)
        #expect(Self.tokenizer.decode(Self.tokenizer.encode(text, parsingSpecialTokens: false)) == text)
    }

    @Test("The streaming detokenizer hands on whole characters only, whatever the pieces")
    func detokenizerEmitsWholeCharacters() {
        var random = SeededRandom(seed: 31)
        let text = "naïve “quotes” 你好 🙂👩‍💻 é — done"
        for _ in 0..<300 {
            var detokenizer = StreamingDetokenizer()
            var output: [UInt8] = []
            var rest = Array(text.utf8)[...]
            while !rest.isEmpty {
                let piece = rest.prefix(1 + random.below(5))
                rest = rest.dropFirst(piece.count)
                detokenizer.append(piece, to: &output)
                #expect(String(validating: output, as: UTF8.self) != nil)
            }
            detokenizer.finish()
            #expect(output == Array(text.utf8))
        }
    }

    @Test("Bytes that cannot become a character are replaced, an unfinished character at the end is dropped")
    func detokenizerRepairs() {
        func decode(_ bytes: [UInt8]) -> String {
            var detokenizer = StreamingDetokenizer()
            var output: [UInt8] = []
            detokenizer.append(bytes, to: &output)
            detokenizer.finish()
            return String(decoding: output, as: UTF8.self)
        }
        #expect(decode([0x61, 0x80, 0x62]) == "a\u{FFFD}b")
        #expect(decode([0xE4, 0xBD, 0x61]) == "\u{FFFD}a")
        #expect(decode([0xED, 0xA0, 0x80]) == "\u{FFFD}\u{FFFD}\u{FFFD}")
        #expect(decode([0x61, 0xF0, 0x9F, 0x99]) == "a")
    }
}
