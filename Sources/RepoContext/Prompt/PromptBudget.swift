// How many tokens each part of a prompt may take, and on which grid the windows over the current file move.
// The split and the grids depend on the total alone, never on the text, so that typing does not change them.

/// Token budgets of one prompt.
///
/// Split of the total, when context may be used: 24 % suffix, 45 % prefix, the rest (at least 31 %) context; compared
/// with other splits in docs/CONTEXT.md. What prefix and suffix leave unused goes to the context in steps of
/// `contextStepTokenCount`. Without context prefix and suffix share everything, 3 to 1. With context the prefix has at
/// most 6,000 bytes, about 2,000 tokens, which bounds what an edit above the cursor costs (docs/PREFIX_CACHE.md); the
/// model was trained with prefixes up to about 9,000 and suffixes up to about 3,000 characters, and windows never grow
/// beyond that.
package struct PromptBudget: Sendable, Equatable {
    /// The whole prompt.
    package var totalTokenCount: Int
    /// The text after the cursor.
    package var suffixTokenCount: Int
    /// The text before the cursor.
    package var prefixTokenCount: Int
    /// Whether other files may take the rest.
    package var includesContext: Bool

    /// Smallest total: structure, a path and a few lines.
    package static let minimumTotalTokenCount = 128
    /// Largest prefix beside context: an edit in it computes it anew from there on.
    static let maximumPrefixByteCountWithContext = 6_000
    /// Largest prefix and suffix in training.
    static let maximumPrefixByteCount = 9_000
    static let maximumSuffixByteCount = 3_000
    /// Bytes per token assumed where nothing is encoded yet; source text measures 2.8 to 3.2 with the default
    /// model. Counts are checked with the tokenizer afterwards.
    static let assumedBytesPerToken = 3
    /// Context grows and shrinks in steps of this many tokens as the current file's part does.
    static let contextStepTokenCount = 256
    /// Kept free for the tokens of structure and of the current path.
    static let structureTokenCount = 48

    /// The default split of a total; totals below the minimum count as the minimum.
    package init(totalTokenCount: Int, includesContext: Bool) {
        let total = max(PromptBudget.minimumTotalTokenCount, min(totalTokenCount, 1 << 20))
        self.totalTokenCount = total
        self.includesContext = includesContext
        if includesContext {
            suffixTokenCount = total * 24 / 100
            prefixTokenCount = total * 45 / 100
        } else {
            suffixTokenCount = (total - PromptBudget.structureTokenCount) / 4
            prefixTokenCount = (total - PromptBudget.structureTokenCount) * 3 / 4
        }
    }

    var prefixByteCount: Int {
        min(
            prefixTokenCount * PromptBudget.assumedBytesPerToken,
            includesContext
                ? PromptBudget.maximumPrefixByteCountWithContext : PromptBudget.maximumPrefixByteCount)
    }

    var suffixByteCount: Int {
        min(suffixTokenCount * PromptBudget.assumedBytesPerToken, PromptBudget.maximumSuffixByteCount)
    }

    /// The prefix window starts at one of this many lines: 64 in a large budget, less where 64 lines would be more
    /// than half of the window.
    var prefixGridLineCount: Int { PromptBudget.gridLineCount(tokenCount: prefixTokenCount, maximum: 64) }

    /// The suffix window ends at one of this many lines.
    var suffixGridLineCount: Int { PromptBudget.gridLineCount(tokenCount: suffixTokenCount, maximum: 32) }

    /// A line of source takes about 11 tokens; half a window is 22 times fewer lines than its tokens.
    private static func gridLineCount(tokenCount: Int, maximum: Int) -> Int {
        var step = 1
        while step * 2 <= maximum, step * 2 <= tokenCount / 22 { step *= 2 }
        return step
    }

    /// Tokens for context once the current file's part is known.
    func contextTokenCount(currentFileTokenCount: Int) -> Int {
        guard includesContext else { return 0 }
        let step = PromptBudget.contextStepTokenCount
        // In small budgets a whole step would be most of the context.
        let grid = min(step, max(16, totalTokenCount / 8))
        let rounded = (currentFileTokenCount + grid - 1) / grid * grid
        return max(0, totalTokenCount - rounded)
    }
}
