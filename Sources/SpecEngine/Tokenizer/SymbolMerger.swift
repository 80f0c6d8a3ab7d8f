// Merging a word's symbols: again and again the merge of lowest rank, the leftmost first among equals. Short words,
// nearly all of them, are merged in a small array. Long ones use a heap over a linked list, which stays O(n log n) for
// a megabyte without a space. Where symbols and merges come from is the tokenizers' business.

/// The merges of one vocabulary. Immutable; scratch memory comes from the caller.
struct SymbolMerger: Sendable {
    let merges: MergeTable

    /// Up to this many symbols the quadratic array scan is faster than the heap.
    static let shortWordSymbolCount = 32

    /// Scratch memory for the words of one text, reused from word to word.
    struct Workspace {
        /// The word to merge; used up by it.
        var symbols: [Int32] = []
        fileprivate var candidates = [MergeTable.PackedMerge](repeating: 0, count: shortWordSymbolCount)
        fileprivate var long = LongWord()
    }

    /// Merges the workspace's symbols and appends what is left of them to `output`.
    func merge(_ workspace: inout Workspace, into output: inout [TokenID]) {
        if workspace.symbols.count <= Self.shortWordSymbolCount {
            mergeShort(&workspace, into: &output)
        } else {
            mergeLong(&workspace, into: &output)
        }
    }

    // MARK: Short words

    private func mergeShort(_ workspace: inout Workspace, into output: inout [TokenID]) {
        workspace.symbols.withUnsafeMutableBufferPointer { tokens in
            workspace.candidates.withUnsafeMutableBufferPointer { candidates in
                var count = tokens.count
                // candidates[i] is the merge of tokens i and i + 1.
                for index in 0..<max(0, count - 1) {
                    candidates[index] = merges.merge(tokens[index], tokens[index + 1])
                }
                while count > 1 {
                    var best = 0
                    for index in 1..<max(1, count - 1)
                    where MergeTable.rank(candidates[index]) < MergeTable.rank(candidates[best]) {
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

    private func mergeLong(_ workspace: inout Workspace, into output: inout [TokenID]) {
        workspace.long.start(workspace.symbols)
        for position in 0..<workspace.symbols.count - 1 { push(position, &workspace.long) }
        while let (rank, position) = workspace.long.popLowestRank() {
            // The pair may have changed since it was pushed; then its new merge has its own entry.
            guard let right = workspace.long.next(of: position) else { continue }
            let merge = merges.merge(workspace.long.token(at: position), workspace.long.token(at: right))
            guard merge != MergeTable.noMerge, MergeTable.rank(merge) == rank else { continue }
            workspace.long.merge(position, right, into: MergeTable.mergedToken(merge))
            push(position, &workspace.long)
            if let previous = workspace.long.previous(of: position) { push(previous, &workspace.long) }
        }
        workspace.long.appendTokens(to: &output)
    }

    private func push(_ position: Int, _ long: inout LongWord) {
        guard let right = long.next(of: position) else { return }
        let merge = merges.merge(long.token(at: position), long.token(at: right))
        if merge != MergeTable.noMerge { long.push(rank: MergeTable.rank(merge), position: position) }
    }
}
