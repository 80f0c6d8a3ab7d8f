// Byte-pair encoding of one word (Sennrich et al. 2016, with GPT-2's byte alphabet): one token per byte, then the
// merges of the file in their order. It knows nothing of words' bounds or of special tokens.

/// The merges and the byte tokens of a vocabulary. Immutable; scratch memory comes from the caller.
struct ByteLevelBPE: Sendable {
    /// The token of each single byte.
    private let byteTokens: [Int32]
    private let merger: SymbolMerger
    /// Where a word that is a token is that token, whatever the merges would make of it (Llama 3).
    private let wholeWords: Vocabulary?

    /// Reads the merges ("left right", one rank after the other) of a `gpt2` tokenizer.
    init(
        vocabulary: Vocabulary, merges: GGUFStringArray, takesWholeWords: Bool, path: String
    ) throws(TokenizerError) {
        wholeWords = takesWholeWords ? vocabulary : nil
        var byteTokens: [Int32] = []
        for byte in UInt8.min...UInt8.max {
            guard let token = withUnsafeBytes(of: byte, vocabulary.token(for:)) else {
                throw .inconsistent(path: path, reason: "no token stands for the byte \(byte)")
            }
            byteTokens.append(token.rawValue)
        }
        self.byteTokens = byteTokens
        // Each merge makes a token, so more merges than tokens can have no effect; ranks then fit in 32 bits.
        guard merges.count <= Vocabulary.maximumTokenCount else {
            throw .inconsistent(path: path, reason: "it has \(merges.count) merges")
        }
        var table = MergeTable(mergeCount: merges.count)
        var word: [UInt8] = []
        for rank in 0..<merges.count {
            let text = merges.bytes(at: rank)
            guard let (left, right, merged) = Self.parse(text, vocabulary, &word) else {
                let shown = String(decoding: text.prefix(64), as: UTF8.self)
                throw .inconsistent(
                    path: path, reason: "merge \(rank) (\(shown)) is not made of known tokens")
            }
            table.insert(left: left, right: right, rank: UInt32(rank), merged: merged)
        }
        merger = SymbolMerger(merges: table)
    }

    private static func parse(
        _ text: UnsafeRawBufferPointer, _ vocabulary: Vocabulary, _ word: inout [UInt8]
    ) -> (left: TokenID, right: TokenID, merged: TokenID)? {
        // The alphabet has no space, so the first one is the separator.
        guard let separator = text.firstIndex(of: UInt8(ascii: " ")) else { return nil }
        word.removeAll(keepingCapacity: true)
        guard ByteAlphabet.decode(UnsafeRawBufferPointer(rebasing: text[..<separator]), into: &word) else {
            return nil
        }
        let leftByteCount = word.count
        guard ByteAlphabet.decode(UnsafeRawBufferPointer(rebasing: text[(separator + 1)...]), into: &word)
        else {
            return nil
        }
        return word.withUnsafeBytes { word in
            guard let left = vocabulary.token(for: UnsafeRawBufferPointer(rebasing: word[..<leftByteCount])),
                let right = vocabulary.token(for: UnsafeRawBufferPointer(rebasing: word[leftByteCount...])),
                let merged = vocabulary.token(for: word)
            else { return nil }
            return (left, right, merged)
        }
    }

    /// Appends the tokens of `word` to `output`.
    func encode(
        _ word: UnsafeBufferPointer<UInt8>, into output: inout [TokenID],
        _ workspace: inout SymbolMerger.Workspace
    ) {
        if let token = wholeWords?.token(for: UnsafeRawBufferPointer(word)) {
            output.append(token)
            return
        }
        workspace.symbols.removeAll(keepingCapacity: true)
        for byte in word { workspace.symbols.append(byteTokens[Int(byte)]) }
        merger.merge(&workspace, into: &output)
    }
}
