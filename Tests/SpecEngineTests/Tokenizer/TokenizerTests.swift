// Properties of the tokenizer that hold for any bytes, and the refusal of tokenizers that cannot be run.

import SpecEngine
import TestSupport
import Testing

@Suite("Tokenizer")
struct TokenizerTests {
    @Test("Any bytes come back exactly", arguments: 0..<400 as Range<UInt64>)
    func roundTrip(seed: UInt64) throws {
        let tokenizer = try DefaultModelTokenizer.tokenizer()
        var random = SeededRandom(seed: seed)
        let bytes = nastyBytes(&random, count: Int.random(in: 0...600, using: &random))
        for parsing in [false, true] {
            let tokens = tokenizer.encode(bytes, parsingSpecialTokens: parsing)
            #expect(tokenizer.decode(tokens, renderingControlTokens: true) == bytes, "seed \(seed)")
        }
    }

    @Test("Words of all lengths are merged as the definition says", arguments: 0..<60 as Range<UInt64>)
    func naiveTwin(seed: UInt64) throws {
        let tokenizer = try DefaultModelTokenizer.tokenizer()
        let naive = try NaiveBPE(try DefaultModelTokenizer.file())
        var random = SeededRandom(seed: seed)
        let letters = Array(seed % 2 == 0 ? "abcdefghijklmnopqrstuvwxyzABCDEF" : "aabte")
        for length in [1, 2, 3, 31, 32, 33, 34, 64, Int.random(in: 65...300, using: &random)] {
            let word = String((0..<length).map { _ in letters.randomElement(using: &random) ?? "a" })
            let tokens = tokenizer.encode(word, parsingSpecialTokens: false)
            #expect(tokens == naive.encode(asciiWord: word), "seed \(seed): \(word)")
        }
    }

    @Test(
        "A megabyte without a space is encoded, and comes back",
        arguments: ["a", "ab", " ", "\n", "-", "é", "'", "1", "\u{0}", "<|fim_"])
    func megabyteWord(part: String) throws {
        let tokenizer = try DefaultModelTokenizer.tokenizer()
        let bytes = Array(String(repeating: part, count: 1_000_000 / part.utf8.count).utf8)
        let tokens = tokenizer.encode(bytes, parsingSpecialTokens: true)
        #expect(tokenizer.decode(tokens) == bytes)
    }

    @Test("A special token that is spelled out in a text is text, unless parsing is asked for")
    func specialTokensAreInert() throws {
        let tokenizer = try DefaultModelTokenizer.tokenizer()
        let names = [
            "<|endoftext|>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>",
            "<|repo_name|>", "<|file_sep|>", "<|reserved_0|>", "<|reserved_8|>",
        ]
        for name in names {
            let inert = tokenizer.encode("a\(name)b", parsingSpecialTokens: false)
            #expect(inert.allSatisfy { !tokenizer.isControl($0) }, "\(name)")
            #expect(tokenizer.decode(inert) == Array("a\(name)b".utf8))
            let parsed = tokenizer.encode("a\(name)b", parsingSpecialTokens: true)
            #expect(parsed.count == 3 && tokenizer.isControl(parsed[1]), "\(name)")
            #expect(tokenizer.decode(parsed) == Array("ab".utf8))
            #expect(tokenizer.decode(parsed, renderingControlTokens: true) == Array("a\(name)b".utf8))
        }
    }

    @Test("The model's special tokens have the ids that its file states")
    func specialTokens() throws {
        let special = try DefaultModelTokenizer.tokenizer().specialTokens
        #expect(special.fimPrefix == TokenID(1))
        #expect(special.fimSuffix == TokenID(3))
        #expect(special.fimMiddle == TokenID(2))
        #expect(special.fimPad == TokenID(4))
        #expect(special.repositoryName == TokenID(5))
        #expect(special.fileSeparator == TokenID(6))
        #expect(special.endOfText == [TokenID(0)])
        #expect(special.beginOfText == nil)
        #expect(special.endsGeneration(TokenID(0)) && special.endsGeneration(TokenID(6)))
        #expect(!special.endsGeneration(TokenID(100)))
    }

    @Test("Special tokens that the metadata does not name are found by their usual names")
    func specialTokensByName() throws {
        var builder = tinyTokenizer(tokens: [
            "<fim_prefix>", "<fim_suffix>", "<|fim|>", "<|fim|>more", "</s>",
        ])
        let tokenizer = try open(builder)
        #expect(tokenizer.specialTokens.fimPrefix == TokenID(256))
        #expect(tokenizer.specialTokens.fimSuffix == TokenID(257))
        #expect(tokenizer.specialTokens.fimMiddle == nil)
        #expect(tokenizer.specialTokens.endOfText == [TokenID(260)])
        // The longest match counts, and a cut one is text.
        let ids = tokenizer.encode("<|fim|>more<|fim|>mor<|fim", parsingSpecialTokens: true).map(\.rawValue)
        #expect(ids.prefix(2) == [259, 258] && ids.count == 2 + 3 + 5)
        builder.add("tokenizer.ggml.fim_pre_token_id", uint32: 300)
        #expect(throws: TokenizerError.self) { try open(builder) }
    }

    @Test("Bytes that are not UTF-8 are words like punctuation, each byte a character")
    func invalidUTF8() throws {
        let tokenizer = try DefaultModelTokenizer.tokenizer()
        for invalid: [UInt8] in [
            [0xFF], [0xC3], [0xE2, 0x82], [0xED, 0xA0, 0x80], [0xC0, 0x80], [0xF5, 0x80],
        ] {
            let text = Array("if ".utf8) + invalid + Array("x\n".utf8)
            let tokens = tokenizer.encode(text, parsingSpecialTokens: false)
            #expect(tokenizer.decode(tokens) == text)
            // The word before is cut as it is before punctuation.
            #expect(tokens.first == tokenizer.encode("if", parsingSpecialTokens: false).first)
        }
    }

    @Test("Tokenizers of another kind and damaged ones are refused with a reason")
    func refusals() throws {
        #expect(throws: Never.self) { try open(tinyTokenizer()) }
        let bert = tinyTokenizer(model: "bert")
        #expect(
            error { try open(bert) }?.message.contains("bert is not supported (supported: gpt2, llama)") == true)
        let other = tinyTokenizer(preTokenizer: "tekken")
        #expect(error { try open(other) }?.message.contains("tekken is not supported") == true)
        let types = tinyTokenizer(typeCount: 3)
        #expect(error { try open(types) }?.message.contains("256 tokens and 3 token types") == true)
        let merges = tinyTokenizer(merges: ["a b"])
        #expect(error { try open(merges) }?.message.contains("merge 0 (a b)") == true)
        for merge in ["", " ", "a", "a ", " a", "a b c", "\u{1F642} a", "zz q"] {
            #expect(error { try open(tinyTokenizer(merges: [merge])) } != nil, "\(merge)")
        }
        let bytes = tinyTokenizer(byteCount: 255)
        #expect(error { try open(bytes) }?.message.contains("no token stands for the byte") == true)
        let empty = GGUFBuilder()
        #expect(error { try open(empty) } != nil)
    }

    @Test("Tokens beyond the vocabulary decode to nothing")
    func unknownTokens() throws {
        let tokenizer = try DefaultModelTokenizer.tokenizer()
        let tokens = [TokenID(-1), TokenID(Int32(tokenizer.vocabularySize)), TokenID(.max), TokenID(.min)]
        #expect(tokenizer.decode(tokens) == [])
    }

    // MARK: Helpers

    /// Pieces of text, of special tokens, of broken UTF-8, and random bytes.
    private func nastyBytes(_ random: inout SeededRandom, count: Int) -> [UInt8] {
        let pieces = [
            "<|fim_middle|>", "<|endoftext|", "|>", "é", "🙂", " ", "\r\n", "    ", "self", "'S", "１",
            "\u{301}",
        ]
        var bytes: [UInt8] = []
        while bytes.count < count {
            switch random.next() % 4 {
            case 0: bytes += random.bytes(count: Int(random.next() % 8))
            case 1: bytes += Array((pieces.randomElement(using: &random) ?? "").utf8.dropLast())
            default: bytes += Array((pieces.randomElement(using: &random) ?? "").utf8)
            }
        }
        return bytes
    }

    private func tinyTokenizer(
        model: String = "gpt2", preTokenizer: String = "qwen2", tokens: [String] = [], merges: [String] = [],
        typeCount: Int? = nil, byteCount: Int = 256
    ) -> GGUFBuilder {
        var builder = GGUFBuilder()
        let all = TinyGGUF.byteTokens.prefix(byteCount) + tokens
        let types = [Int32](repeating: 1, count: byteCount) + [Int32](repeating: 3, count: tokens.count)
        builder.add("tokenizer.ggml.model", string: model)
        builder.add("tokenizer.ggml.pre", string: preTokenizer)
        builder.add("tokenizer.ggml.tokens", strings: Array(all))
        builder.add("tokenizer.ggml.token_type", int32s: Array(types.prefix(typeCount ?? types.count)))
        builder.add("tokenizer.ggml.merges", strings: merges)
        return builder
    }

    @discardableResult
    private func open(_ builder: GGUFBuilder) throws -> Tokenizer {
        let file = try TemporaryFile(builder.bytes)
        return try Tokenizer(try GGUFFile.open(file.path))
    }

    private func error(_ body: () throws -> Tokenizer) -> TokenizerError? {
        do { _ = try body() } catch { return error as? TokenizerError }
        return nil
    }
}
