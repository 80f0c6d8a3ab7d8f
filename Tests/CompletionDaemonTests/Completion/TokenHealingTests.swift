// How much of a word is written again, and how long a request waits: both pure.

import SpecEngine
import TestSupport
import Testing

@testable import CompletionDaemon

@Suite("Token healing and waiting")
struct TokenHealingTests {
    private static let tokenizer = Result { try Tokenizer(try GGUFFile.open(FixturePaths.defaultModel)) }

    @Test(
        "The word before the cursor, with what its first token has before it",
        arguments: [
            ("return inte", " inte"), ("x = ", ""), ("f(", ""), ("a\nb = inte", " inte"), ("é", "é"),
            ("    ", ""), ("", ""), ("x\n", ""), ("shape.area_in_squ", "_squ"), ("shape.area_", "_"),
        ])
    func heldBack(text: String, expected: String) throws {
        let bytes = Array(text.utf8)
        let count = TokenHealing.heldBackByteCount(before: bytes[...], tokenizer: try Self.tokenizer.get())
        #expect(String(decoding: bytes.suffix(count), as: UTF8.self) == expected)
    }

    @Test("It never begins inside a character, and a long run of letters is data")
    func bounds() throws {
        let tokenizer = try Self.tokenizer.get()
        for text in ["größenänderung", "данные", "名前", "a.名前", "x = größ"] {
            let bytes = Array(text.utf8)
            for end in 1...bytes.count where end == bytes.count || bytes[end] & 0xC0 != 0x80 {
                let count = TokenHealing.heldBackByteCount(before: bytes[..<end], tokenizer: tokenizer)
                #expect(count > 0 || !TextLines.isWordByte(bytes[end - 1]))
                #expect(count == 0 || bytes[end - count] & 0xC0 != 0x80)
            }
        }
        let long = [UInt8](repeating: 0x61, count: TokenHealing.maximumByteCount + 1)
        #expect(TokenHealing.heldBackByteCount(before: long[...], tokenizer: tokenizer) == 0)
    }

    @Test("Nothing waits where reading is cheap, unknown, or the editor has waited")
    func debounce() {
        func wait(_ tokens: Int, _ rate: Double?, _ since: Duration?) -> Duration {
            Debounce.wait(newTokenCount: tokens, rate: rate, sinceChange: since)
        }
        #expect(wait(100, 4_000, .zero) == .zero)
        #expect(wait(2_000, nil, .zero) == .zero)
        #expect(wait(2_000, 4_000, nil) == .zero)
        #expect(wait(2_000, 4_000, .zero) == .milliseconds(125))
        #expect(wait(2_000, 4_000, .milliseconds(100)) == .milliseconds(25))
        #expect(wait(2_000, 4_000, .milliseconds(200)) == .zero)
        #expect(wait(100_000, 4_000, .zero) == Debounce.longest)
    }
}
