// What a server is sent: whole characters, each token once, and no text of a file that it would read as structure.

import CompletionEvaluation
import SpecEngine
import TestSupport
import Testing

@testable import CompletionDaemon

@Suite("Remote prompt")
struct RemotePromptTests {
    /// Bytes as tokens, one control token that begins texts, and user-defined tokens: a mark, blanks and a letter, as
    /// published models have them.
    private static func tokenizer() throws -> Tokenizer {
        // GPT-2's byte alphabet: printable characters stand for themselves, the others follow from U+0100 on.
        let printable = Set(Array(33...126) + Array(161...172) + Array(174...255))
        var next = UInt32(0x100)
        let letters = (0...255).map { byte -> String in
            var value = UInt32(byte)
            if !printable.contains(byte) { (value, next) = (next, next + 1) }
            return Unicode.Scalar(value).map { String($0) } ?? ""
        }
        var builder = GGUFBuilder()
        builder.add("tokenizer.ggml.model", string: "gpt2")
        builder.add("tokenizer.ggml.pre", string: "qwen2")
        builder.add("tokenizer.ggml.tokens", strings: letters + ["<s>", "<tool_call>", "    ", "ö"])
        builder.add(
            "tokenizer.ggml.token_type", int32s: [Int32](repeating: 1, count: 256) + [3, 4, 4, 4])
        builder.add("tokenizer.ggml.merges", strings: [])
        builder.add("tokenizer.ggml.bos_token_id", uint32: 256)
        builder.add("tokenizer.ggml.add_bos_token", bool: true)
        let file = try TemporaryFile(builder.bytes)
        return try Tokenizer(try GGUFFile.open(file.path))
    }

    private func text(_ text: String, startingWith start: [Int32] = []) throws -> String? {
        let tokenizer = try Self.tokenizer()
        let tokens = tokenizer.encode(text, parsingSpecialTokens: false).map(\.rawValue)
        return try RemotePrompt(form: .text, tokenizer: tokenizer)
            .parts(of: start + tokens, document: [], cursor: 0).prompt.string
    }

    @Test("A file that spells a special token is not sent as text, whatever kind of special token it is")
    func forgedStructure() throws {
        for forged in ["a<s>b", "a<tool_call>b"] {
            let error = #expect(throws: EvaluationError.self, "\(forged)") { try text(forged) }
            #expect(error?.description.contains("\"tokens\"") == true)
        }
        // What one file spells does not make up for what stands elsewhere.
        #expect(throws: EvaluationError.self) { try text("<s>", startingWith: [257]) }
    }

    @Test("User-defined tokens that are text are text, and structure of the prompt's own goes through")
    func plainText() throws {
        #expect(try text("if x:\n        köln\n") == "if x:\n        köln\n")
        #expect(try text("a", startingWith: [257]) == "<tool_call>a")
    }

    @Test("The token that begins a text is left to the server, which puts it there itself")
    func beginOfText() throws {
        #expect(try text("a", startingWith: [256]) == "a")
        #expect(try text("a", startingWith: [257, 256]) == "<tool_call><s>a")
    }

    @Test("Text around the cursor loses at most half of a character at either end")
    func wholeCharacters() {
        let letter = Array("é".utf8)
        let count = RemotePrompt.suffixByteCount
        let even = Array(repeating: letter, count: count).flatMap(\.self)
        #expect(RemotePrompt.behind(0, in: even).utf8.count == count)
        #expect(RemotePrompt.behind(0, in: [0x61] + even).utf8.count == count - 1)
        #expect(RemotePrompt.behind(2, in: letter + letter) == "é")
        #expect(RemotePrompt.behind(0, in: []) == "")
        let long = Array(repeating: letter, count: RemotePrompt.prefixByteCount).flatMap(\.self)
        #expect(RemotePrompt.before(long.count, in: long).utf8.count == RemotePrompt.prefixByteCount)
        let odd = long + [0x61]
        #expect(RemotePrompt.before(odd.count, in: odd).utf8.count == RemotePrompt.prefixByteCount - 1)
        for text in [RemotePrompt.behind(0, in: [0x61] + even), RemotePrompt.before(odd.count, in: odd)] {
            #expect(!text.unicodeScalars.contains("\u{FFFD}"))
        }
    }
}
