// Text to tokens and back, with the tokenizer that a model file carries. Text is bytes: any bytes can be
// encoded, and decoding gives exactly the same bytes back. Now read: GGUF's tokenizer model `gpt2`
// (byte-level BPE) with the pre-tokenizer `qwen2`. Another kind of tokenizer adds a case to `TokenizerModel`,
// another pre-tokenizer one to `PreTokenizerKind`.

/// The tokenizer models that can be read; raw values are GGUF's `tokenizer.ggml.model`.
enum TokenizerModel: String, CaseIterable {
    case gpt2
}

/// The pre-tokenizers that can be run; raw values are GGUF's `tokenizer.ggml.pre`.
enum PreTokenizerKind: String, CaseIterable {
    case qwen2
}

/// Encodes and decodes for one model. Thread-safe: it is immutable.
package final class Tokenizer: Sendable {
    package let vocabulary: Vocabulary
    package let specialTokens: SpecialTokens
    private let matcher: SpecialTokenMatcher
    private let encoding: ByteLevelBPE

    /// A longer word, which no real text has, is cut. Bounds the memory that one word can cost.
    static let maximumWordByteCount = 1 << 24

    /// Builds the tokenizer of a model file. Keeps nothing of the file.
    package init(_ file: GGUFFile) throws(TokenizerError) {
        let lists = try TokenizerLists(file)
        vocabulary = try Vocabulary(byteLevel: lists.tokens, kinds: lists.kinds, path: file.path)
        matcher = SpecialTokenMatcher(vocabulary)
        encoding = try ByteLevelBPE(vocabulary: vocabulary, merges: lists.merges, path: file.path)
        specialTokens = try SpecialTokens(file, vocabulary: vocabulary, matcher: matcher)
    }

    /// The number of tokens. A model's embedding can have more rows, which then stand for nothing.
    package var vocabularySize: Int { vocabulary.count }

    // MARK: Encoding

    /// The tokens of `text`. With `parsingSpecialTokens`, special tokens that are spelled out become the
    /// tokens themselves; without, they are text like any other and no special token can come out.
    package func encode(_ text: UnsafeBufferPointer<UInt8>, parsingSpecialTokens: Bool) -> [TokenID] {
        var tokens: [TokenID] = []
        // Code has some three bytes per token.
        tokens.reserveCapacity(text.count / 3 + 8)
        var workspace = ByteLevelBPE.Workspace()
        var position = 0
        while parsingSpecialTokens, let match = matcher.firstMatch(in: text, from: position) {
            encodePlain(
                UnsafeBufferPointer(rebasing: text[position..<match.range.lowerBound]), &tokens, &workspace)
            tokens.append(match.token)
            position = match.range.upperBound
        }
        encodePlain(UnsafeBufferPointer(rebasing: text[position...]), &tokens, &workspace)
        return tokens
    }

    /// The tokens of `text`; see `encode(_:parsingSpecialTokens:)` on a buffer.
    package func encode(_ text: [UInt8], parsingSpecialTokens: Bool) -> [TokenID] {
        text.withUnsafeBufferPointer { encode($0, parsingSpecialTokens: parsingSpecialTokens) }
    }

    /// The tokens of `text`; see `encode(_:parsingSpecialTokens:)` on a buffer.
    package func encode(_ text: String, parsingSpecialTokens: Bool) -> [TokenID] {
        var text = text
        return text.withUTF8 { encode($0, parsingSpecialTokens: parsingSpecialTokens) }
    }

    private func encodePlain(
        _ text: UnsafeBufferPointer<UInt8>, _ tokens: inout [TokenID],
        _ workspace: inout ByteLevelBPE.Workspace
    ) {
        var words = PreTokenizer(text)
        while let word = words.next() {
            var start = word.lowerBound
            while start < word.upperBound {
                let end = min(word.upperBound, start + Self.maximumWordByteCount)
                encoding.encode(UnsafeBufferPointer(rebasing: text[start..<end]), into: &tokens, &workspace)
                start = end
            }
        }
    }

    // MARK: Decoding

    /// The bytes that a token stands for; a control token's are its literal text. A token may hold a part of
    /// a character. `token` is below `vocabularySize`.
    package func bytes(of token: TokenID) -> ArraySlice<UInt8> { vocabulary.bytes(of: token) }

    /// Whether the token is structure rather than text.
    package func isControl(_ token: TokenID) -> Bool {
        switch vocabulary.kind(of: token) {
        case .control, .unknown, .unused: true
        case .normal, .userDefined, .byte: false
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
