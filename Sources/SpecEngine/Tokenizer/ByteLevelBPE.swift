// Byte-pair encoding of one word: start with one token per byte and, again and again, apply the merge of
// lowest rank, the leftmost first among equals (Sennrich et al. 2016, with GPT-2's byte alphabet). Short
// words, nearly all of them, are merged in a small array. Long ones use a heap over a linked list, which
// stays O(n log n) for a megabyte without a space. It knows nothing of words' bounds or of special tokens.

/// The merges and the byte tokens of a vocabulary. Immutable; scratch memory comes from the caller.
struct ByteLevelBPE: Sendable {
    /// The token of each single byte.
    private let byteTokens: [Int32]
    private let merges: MergeTable

    /// Up to this length the quadratic array scan is faster than the heap.
    static let shortWordByteCount = 32

    /// Scratch memory for the words of one text, reused from word to word.
    struct Workspace {
        fileprivate var tokens = [Int32](repeating: 0, count: shortWordByteCount)
        fileprivate var candidates = [MergeTable.PackedMerge](repeating: 0, count: shortWordByteCount)
        fileprivate var long = LongWord()
    }

    /// Reads the merges ("left right", one rank after the other) of a `gpt2` tokenizer.
    init(vocabulary: Vocabulary, merges: GGUFStringArray, path: String) throws(TokenizerError) {
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
        self.merges = table
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
        _ word: UnsafeBufferPointer<UInt8>, into output: inout [TokenID], _ workspace: inout Workspace
    ) {
        if word.count <= Self.shortWordByteCount {
            encodeShort(word, into: &output, &workspace)
        } else {
            encodeLong(word, into: &output, &workspace)
        }
    }

    // MARK: Short words

    private func encodeShort(
        _ word: UnsafeBufferPointer<UInt8>, into output: inout [TokenID], _ workspace: inout Workspace
    ) {
        workspace.tokens.withUnsafeMutableBufferPointer { tokens in
            workspace.candidates.withUnsafeMutableBufferPointer { candidates in
                var count = word.count
                for index in 0..<count { tokens[index] = byteTokens[Int(word[index])] }
                // candidates[i] is the merge of tokens i and i + 1.
                for index in 0..<max(0, count - 1) {
                    candidates[index] = merges.merge(tokens[index], tokens[index + 1])
                }
                while count > 1 {
                    var best = 0
                    for index in 1..<max(1, count - 1) where candidates[index] < candidates[best] {
                        best = index
                    }
                    let merge = candidates[best]
                    if merge == MergeTable.noMerge { break }
                    tokens[best] = MergeTable.mergedToken(merge)
                    count -= 1
                    for index in best + 1..<max(best + 1, count) { tokens[index] = tokens[index + 1] }
                    for index in best..<max(best, count - 1) { candidates[index] = candidates[index + 1] }
                    if best > 0 { candidates[best - 1] = merges.merge(tokens[best - 1], tokens[best]) }
                    if best + 1 < count { candidates[best] = merges.merge(tokens[best], tokens[best + 1]) }
                }
                for index in 0..<count { output.append(TokenID(tokens[index])) }
            }
        }
    }

    // MARK: Long words

    private func encodeLong(
        _ word: UnsafeBufferPointer<UInt8>, into output: inout [TokenID], _ workspace: inout Workspace
    ) {
        workspace.long.start(word, byteTokens)
        for position in 0..<word.count - 1 { push(position, &workspace.long) }
        while let (rank, position) = workspace.long.popLowestRank() {
            // The pair may have changed since it was pushed; then its new merge has its own entry.
            guard let right = workspace.long.next(of: position) else { continue }
            let merge = merges.merge(workspace.long.token(at: position), workspace.long.token(at: right))
            guard merge != MergeTable.noMerge, merge >> 32 == rank else { continue }
            workspace.long.merge(position, right, into: MergeTable.mergedToken(merge))
            push(position, &workspace.long)
            if let previous = workspace.long.previous(of: position) { push(previous, &workspace.long) }
        }
        workspace.long.appendTokens(to: &output)
    }

    private func push(_ position: Int, _ long: inout LongWord) {
        guard let right = long.next(of: position) else { return }
        let merge = merges.merge(long.token(at: position), long.token(at: right))
        if merge != MergeTable.noMerge { long.push(rank: merge >> 32, position: position) }
    }
}
