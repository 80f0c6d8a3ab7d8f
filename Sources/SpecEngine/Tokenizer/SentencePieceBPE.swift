// SentencePiece's byte-pair encoding (Kudo and Richardson 2018) as GGUF's tokenizer model `llama` stores it: tokens
// with scores instead of a list of merges. Two neighbours merge when together they are a token, the greatest score
// first, the leftmost among equals. Characters without a token are spelled in byte tokens. A whole text is one word:
// spaces are characters like others, and a token may hold several.

/// The merges, characters and byte tokens of a vocabulary. Immutable; scratch memory comes from the caller.
struct SentencePieceBPE: Sendable {
    private let vocabulary: Vocabulary
    private let byteTokens: [Int32]
    private let merger: SymbolMerger
    private let space: Int32?

    /// Longer tokens never result from merging; SentencePiece itself makes none above 16 characters.
    static let maximumTokenByteCount = 128

    /// `scores` has one entry for each token. No text becomes one of the `special` tokens.
    init(
        vocabulary: Vocabulary, scores: GGUFNumberArray, excluding special: SpecialTokens, path: String
    ) throws(TokenizerError) {
        self.vocabulary = vocabulary
        var byteTokens = [Int32](repeating: -1, count: 256)
        for index in (0..<vocabulary.count).reversed() {
            let token = TokenID(Int32(index))
            guard vocabulary.kind(of: token) == .byte, let byte = vocabulary.bytes(of: token).first else {
                continue
            }
            byteTokens[Int(byte)] = token.rawValue
        }
        if let byte = byteTokens.firstIndex(of: -1) {
            throw .inconsistent(path: path, reason: "no token stands for the byte \(byte)")
        }
        self.byteTokens = byteTokens
        space = withUnsafeBytes(of: UInt8(ascii: " "), vocabulary.token(for:))?.rawValue
        merger = SymbolMerger(
            merges: try Self.merges(vocabulary, scores: scores, excluding: special, path: path))
    }

    /// Every way to put a token together from two others, ranked by the token's score.
    private static func merges(
        _ vocabulary: Vocabulary, scores: GGUFNumberArray, excluding special: SpecialTokens, path: String
    ) throws(TokenizerError) -> MergeTable {
        var mergeable: [(token: TokenID, score: Double)] = []
        for index in 0..<vocabulary.count where vocabulary.kind(of: TokenID(Int32(index))) == .normal {
            let token = TokenID(Int32(index))
            let byteCount = vocabulary.bytes(of: token).count
            guard byteCount >= 2, byteCount <= maximumTokenByteCount, !special.endsGeneration(token) else {
                continue
            }
            let score = scores.float(at: index)
            guard score.isFinite else {
                throw .inconsistent(path: path, reason: "the score of token \(index) is \(score)")
            }
            mergeable.append((token, score))
        }
        mergeable.sort { ($1.score, $0.token) < ($0.score, $1.token) }
        var pairs: [(left: TokenID, right: TokenID, rank: UInt32, merged: TokenID)] = []
        var rank: UInt32 = 0
        for (index, entry) in mergeable.enumerated() {
            if index > 0, entry.score < mergeable[index - 1].score { rank += 1 }
            for (left, right) in splits(of: vocabulary.bytes(of: entry.token), vocabulary) {
                pairs.append((left, right, rank, entry.token))
            }
        }
        var table = MergeTable(mergeCount: pairs.count)
        for pair in pairs {
            table.insert(left: pair.left, right: pair.right, rank: pair.rank, merged: pair.merged)
        }
        return table
    }

    /// The pairs of tokens that spell `text` between them.
    private static func splits(
        of text: ArraySlice<UInt8>, _ vocabulary: Vocabulary
    ) -> [(left: TokenID, right: TokenID)] {
        Array(text).withUnsafeBytes { text in
            (1..<text.count).compactMap { end in
                guard text[end] & 0xC0 != 0x80,
                    let left = vocabulary.token(for: UnsafeRawBufferPointer(rebasing: text[..<end])),
                    let right = vocabulary.token(for: UnsafeRawBufferPointer(rebasing: text[end...]))
                else { return nil }
                return (left, right)
            }
        }
    }

    /// Appends the tokens of `text` to `output`, as if a space came before it where `addsSpace`.
    func encode(
        _ text: UnsafeBufferPointer<UInt8>, addsSpace: Bool, into output: inout [TokenID],
        _ workspace: inout SymbolMerger.Workspace
    ) {
        workspace.symbols.removeAll(keepingCapacity: true)
        if addsSpace { workspace.symbols.append(space ?? byteTokens[0x20]) }
        var index = 0
        while index < text.count {
            let end = UTF8Decoder.scalar(in: text, at: index)?.next ?? index + 1
            let character = UnsafeBufferPointer(rebasing: text[index..<end])
            if let token = vocabulary.token(for: UnsafeRawBufferPointer(character)) {
                workspace.symbols.append(token.rawValue)
            } else {
                for byte in character { workspace.symbols.append(byteTokens[Int(byte)]) }
            }
            index = end
        }
        merger.merge(&workspace, into: &output)
    }
}
