// Text to tokens and back, with the tokenizer that a model file carries. Text is bytes: any bytes can be
// encoded, and decoding gives exactly the same bytes back. Read are GGUF's tokenizer models `gpt2` (byte-level BPE,
// with the pre-tokenizers of `PreTokenizerKind`) and `llama` (SentencePiece BPE with byte tokens).

/// The tokenizer models that can be read; raw values are GGUF's `tokenizer.ggml.model`.
enum TokenizerModel: String, CaseIterable {
    case gpt2
    case llama
}

/// Encodes and decodes for one model. Thread-safe: it is immutable.
package final class Tokenizer: Sendable {
    package let vocabulary: Vocabulary
    package let specialTokens: SpecialTokens
    /// The kind of tokenizer in words, such as `gpt2, qwen2`.
    package let name: String
    /// A space is put before a text where the caller does not say otherwise, as the model was trained.
    private let addsSpacePrefix: Bool
    private let matcher: SpecialTokenMatcher
    private let encoding: Encoding

    private enum Encoding {
        case byteLevel(ByteLevelBPE, PreTokenizerKind)
        case sentencePiece(SentencePieceBPE)
    }

    /// A longer word, which no real text has, is cut. Bounds the memory that one word can cost.
    static let maximumWordByteCount = 1 << 24

    /// Builds the tokenizer of a model file. Keeps nothing of the file.
    package init(_ file: GGUFFile) throws(TokenizerError) {
        let lists = try TokenizerLists(file)
        vocabulary = try Vocabulary(
            lists.tokens, spelling: lists.spelling, kinds: lists.kinds, path: file.path)
        matcher = SpecialTokenMatcher(vocabulary)
        specialTokens = try SpecialTokens(file, vocabulary: vocabulary, matcher: matcher, lists: lists)
        switch lists.kind {
        case .byteLevel(let preTokenizer, let merges):
            let bpe = try ByteLevelBPE(
                vocabulary: vocabulary, merges: merges, takesWholeWords: preTokenizer == .llama3,
                path: file.path)
            encoding = .byteLevel(bpe, preTokenizer)
            addsSpacePrefix = false
            name = "gpt2, \(preTokenizer.rawValue)"
        case .sentencePiece(let scores):
            encoding = .sentencePiece(
                try SentencePieceBPE(
                    vocabulary: vocabulary, scores: scores, excluding: specialTokens, path: file.path))
            do {
                addsSpacePrefix = try file.metadata.bool("tokenizer.ggml.add_space_prefix") ?? true
            } catch {
                throw .metadata(error)
            }
            name = "llama"
        }
    }

    /// The number of tokens. A model's embedding can have more rows, which then stand for nothing.
    package var vocabularySize: Int { vocabulary.count }

    // MARK: Encoding

    /// The tokens of `text`. With `parsingSpecialTokens`, special tokens that are spelled out become the
    /// tokens themselves; without, they are text like any other and no special token can come out. Tokenizers that
    /// put a space before a text do so, unless `isPart` says that the text goes on from something before it.
    package func encode(
        _ text: UnsafeBufferPointer<UInt8>, parsingSpecialTokens: Bool, isPart: Bool = false
    ) -> [TokenID] {
        var tokens: [TokenID] = []
        // Code has some three bytes per token.
        tokens.reserveCapacity(text.count / 3 + 8)
        var workspace = SymbolMerger.Workspace()
        var position = 0
        func appendPlain(_ range: Range<Int>) {
            guard !range.isEmpty else { return }
            encodePlain(
                UnsafeBufferPointer(rebasing: text[range]),
                addsSpace: addsSpacePrefix && !isPart && range.lowerBound == 0, &tokens, &workspace)
        }
        while parsingSpecialTokens, let match = matcher.firstMatch(in: text, from: position) {
            appendPlain(position..<match.range.lowerBound)
            tokens.append(match.token)
            position = match.range.upperBound
        }
        appendPlain(position..<text.count)
        return tokens
    }

    /// The tokens of `text`; see `encode(_:parsingSpecialTokens:isPart:)` on a buffer.
    package func encode(_ text: [UInt8], parsingSpecialTokens: Bool, isPart: Bool = false) -> [TokenID] {
        text.withUnsafeBufferPointer {
            encode($0, parsingSpecialTokens: parsingSpecialTokens, isPart: isPart)
        }
    }

    /// The tokens of `text`; see `encode(_:parsingSpecialTokens:isPart:)` on a buffer.
    package func encode(_ text: String, parsingSpecialTokens: Bool) -> [TokenID] {
        var text = text
        return text.withUTF8 { encode($0, parsingSpecialTokens: parsingSpecialTokens) }
    }

    private func encodePlain(
        _ text: UnsafeBufferPointer<UInt8>, addsSpace: Bool, _ tokens: inout [TokenID],
        _ workspace: inout SymbolMerger.Workspace
    ) {
        func forEachPiece(of word: Range<Int>, _ body: (UnsafeBufferPointer<UInt8>) -> Void) {
            var start = word.lowerBound
            while start < word.upperBound {
                let end = min(word.upperBound, start + Self.maximumWordByteCount)
                body(UnsafeBufferPointer(rebasing: text[start..<end]))
                start = end
            }
        }
        switch encoding {
        case .byteLevel(let bpe, let preTokenizer):
            preTokenizer.forEachWord(in: text) { word in
                forEachPiece(of: word) { bpe.encode($0, into: &tokens, &workspace) }
            }
        case .sentencePiece(let bpe):
            var isFirst = true
            forEachPiece(of: 0..<text.count) { piece in
                bpe.encode(piece, addsSpace: addsSpace && isFirst, into: &tokens, &workspace)
                isFirst = false
            }
        }
    }

    // MARK: Decoding

    /// The bytes that a token stands for; a control token's are its literal text. A token may hold a part of
    /// a character. `token` is below `vocabularySize`.
    package func bytes(of token: TokenID) -> ArraySlice<UInt8> { vocabulary.bytes(of: token) }

    /// Calls `body` with each token of text whose bytes begin with `bytes`, or with which `bytes` begins; `coversAll`
    /// says that it is the former.
    func forEachToken(agreeingWith bytes: ArraySlice<UInt8>, _ body: (TokenID, _ coversAll: Bool) -> Void) {
        vocabulary.forEachToken(agreeingWith: bytes) { token, coversAll in
            if !isControl(token) { body(token, coversAll) }
        }
    }

    /// Whether the token is structure rather than text.
    package func isControl(_ token: TokenID) -> Bool {
        switch vocabulary.kind(of: token) {
        case .control, .unknown, .unused: true
        // Some converters leave structural tokens among the ordinary ones.
        case .normal, .userDefined, .byte: specialTokens.endsGeneration(token)
        }
    }

    /// The bytes of `tokens`, without control tokens unless `renderingControlTokens`. Tokens beyond the
    /// vocabulary stand for nothing.
    package func decode(_ tokens: some Sequence<TokenID>, renderingControlTokens: Bool = false) -> [UInt8] {
        var bytes: [UInt8] = []
        for token in tokens where token.rawValue >= 0 && token.rawValue < vocabularySize {
            if renderingControlTokens || !isControl(token) { bytes += vocabulary.bytes(of: token) }
        }
        return bytes
    }
}
