// Tokenizers of the kind `llama` beyond what the golden strings show: bytes that are no text, CodeLlama's structural
// tokens, and files that lack what is needed.

import SpecEngine
import TestSupport
import Testing

@Suite("SentencePiece tokenizers")
struct SentencePieceTests {
    /// Three special tokens, the 256 bytes, some letters with what they merge to, and `extra` as ordinary tokens.
    private func builder(
        extra: [String] = [], withoutByte: Int? = nil, scoreCount: Int? = nil
    ) -> GGUFBuilder {
        var tokens: [(text: String, kind: Int32, score: Float)] = [
            ("<unk>", 2, 0), ("<s>", 3, 0), ("</s>", 3, 0),
        ]
        let digits = Array("0123456789ABCDEF")
        tokens += (0..<256).filter { $0 != withoutByte }.map {
            ("<0x\(digits[$0 / 16])\(digits[$0 % 16])>", 6, 0)
        }
        let merged = [
            "▁", "a", "b", "<", ">", "P", "R", "E", "ab", "▁a", "▁ab", "▁▁", "<P", "RE", "▁<", "▁<P", "RE>",
        ]
        tokens += merged.enumerated().map { ($1, 1, -Float($0)) }
        tokens += extra.map { ($0, 1, -100) }
        var builder = GGUFBuilder()
        builder.add("tokenizer.ggml.model", string: "llama")
        builder.add("tokenizer.ggml.tokens", strings: tokens.map(\.text))
        builder.add("tokenizer.ggml.token_type", int32s: tokens.map(\.kind))
        let scores = tokens.map(\.score).prefix(scoreCount ?? tokens.count)
        builder.add(
            "tokenizer.ggml.scores", rawType: 9,
            value: GGUFBuilder.littleEndian(UInt32(6)) + GGUFBuilder.littleEndian(UInt64(scores.count))
                + scores.flatMap { GGUFBuilder.littleEndian($0.bitPattern) })
        builder.add("tokenizer.ggml.bos_token_id", uint32: 1)
        return builder
    }

    private func tokenizer(_ builder: GGUFBuilder) throws -> Tokenizer {
        let file = try TemporaryFile(builder.bytes)
        return try Tokenizer(try GGUFFile.open(file.path))
    }

    @Test("Any bytes come back, those that are no text and the mark for a space too")
    func bytes() throws {
        let tokenizer = try tokenizer(builder())
        var random = SeededRandom(seed: 3)
        let nasty: [[UInt8]] =
            [[0xFF], [0xE2, 0x96], Array("▁ ▁".utf8), [0x61, 0xC3], Array("a  b\n".utf8)]
            + (0..<200).map { random.bytes(count: $0) }
        for text in nasty {
            let tokens = tokenizer.encode(text, parsingSpecialTokens: false, isPart: true)
            #expect(tokenizer.decode(tokens) == text, "\(text)")
        }
        let long = Array(String(repeating: "ab  a", count: 5_000).utf8)
        #expect(tokenizer.decode(tokenizer.encode(long, parsingSpecialTokens: false, isPart: true)) == long)
    }

    @Test("CodeLlama's tokens are found by their text, no text becomes one, and its order is known")
    func codeLlama() throws {
        let names = ["▁<PRE>", "▁<SUF>", "▁<MID>", "▁<EOT>"]
        let tokenizer = try tokenizer(builder(extra: names))
        let special = tokenizer.specialTokens
        #expect(special.supportsFillInTheMiddle && special.fillInMiddleOrder == .suffixMiddlePrefix)
        #expect(special.beginOfText == TokenID(1))
        let prefix = try #require(special.fimPrefix)
        #expect(tokenizer.isControl(prefix))
        #expect(!tokenizer.encode("a <PRE> b", parsingSpecialTokens: false).contains(prefix))
        #expect(tokenizer.encode("a", parsingSpecialTokens: false).count == 1, "a space comes before a text")
    }

    @Test("Missing bytes, scores that do not match and a normalisation are refused")
    func refused() {
        for builder in [builder(withoutByte: 10), builder(scoreCount: 5)] {
            #expect(throws: TokenizerError.self) { try tokenizer(builder) }
        }
        var normalizing = builder()
        normalizing.add("tokenizer.ggml.remove_extra_whitespaces", bool: true)
        let error = #expect(throws: TokenizerError.self) { try tokenizer(normalizing) }
        #expect(error?.message.contains("remove_extra_whitespaces") == true)
    }

    @Test(
        "A pre-tokenizer that is not run is refused by its name",
        arguments: ["deepseek-llm", "tekken", "default"])
    func preTokenizers(name: String) {
        var builder = GGUFBuilder()
        builder.add("tokenizer.ggml.model", string: "gpt2")
        builder.add("tokenizer.ggml.pre", string: name)
        builder.add("tokenizer.ggml.tokens", strings: TinyGGUF.byteTokens)
        builder.add("tokenizer.ggml.merges", strings: [])
        let error = #expect(throws: TokenizerError.self) { try tokenizer(builder) }
        #expect(error?.message.contains("the pre-tokenizer \(name) is not supported") == true)
    }
}
