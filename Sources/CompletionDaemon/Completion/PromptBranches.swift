// Which prompts of a document the engine holds, as far as they part from each other: the text goes back by undo and
// forth by suggestions, and each way that was taken holds memory. It says which are worth it no more and frees nothing.

import SpecEngine

/// Prompts by document, the last ones only.
struct PromptBranches {
    /// Documents that are followed; of others the cache's own order decides what goes first.
    static let maximumDocumentCount = 16
    /// Prompts of one document that part from each other, beside the one that it must keep: undo and redo over a few
    /// places, and what a suggestion would lead to. Together they may have as many tokens that no other one has as the
    /// kept one has in all, so that a document takes twice its prompt at most.
    static let maximumCount = 6
    /// Ends of fewer tokens are computed again in a moment: a prompt goes for a newer one that it shares all the rest
    /// with.
    static let leastDifference = 16

    /// A prompt that is worth its memory no more.
    struct Outdated {
        let tokens: [TokenID]
        /// Leading tokens that are all of one which stays, but for a short end that may not be stored.
        let sharedCount: Int
    }

    private struct Prompt {
        let tokens: [TokenID]
        /// Whether a longer one has all but its end.
        let isBeside: Bool
        /// Whether it stands behind another prompt's context.
        let isBorrowed: Bool
    }

    /// The last used document first, of each its last prompt first.
    private var documents: [(path: String, prompts: [Prompt])] = []

    /// A prompt was read. Returns those that it makes worthless, or that make room for it.
    ///
    /// - Parameters:
    ///   - isBorrowed: whether it stands behind another prompt's context: such ones go as soon as the document's own
    ///     context is there, because nobody comes back to them then.
    ///   - kept: the document's own last prompt, which stays whatever else was read.
    mutating func note(
        _ tokens: [TokenID], of path: String, isBorrowed: Bool = false, keeping kept: [TokenID]? = nil
    ) -> [Outdated] {
        let place = documents.firstIndex { $0.path == path }
        let known = place.map { documents.remove(at: $0).prompts } ?? []
        var outdated: [[TokenID]] = []
        var near: [Prompt] = []
        var others: [Prompt] = []
        for prompt in known {
            let shared = Self.sharedCount(prompt.tokens, tokens)
            let endCount = prompt.tokens.count - shared
            if endCount == 0, prompt.tokens != kept || tokens == kept { continue }  // the new one holds all of it
            let hasShortEnd = endCount < Self.leastDifference && shared < tokens.count
            let isUseless = prompt.isBeside || hasShortEnd || (prompt.isBorrowed && !isBorrowed)
            if isUseless, prompt.tokens != kept {
                outdated.append(prompt.tokens)
            } else if tokens.count - shared < Self.leastDifference {
                near.append(prompt)
            } else {
                others.append(prompt)
            }
        }
        // Deleted back, or the cursor moved up: the longer one may come again, and counts as used.
        let newest = Prompt(tokens: tokens, isBeside: !near.isEmpty, isBorrowed: isBorrowed)
        let prompts = Self.limited([newest] + near + others, keeping: kept, &outdated)
        documents.insert((path, prompts), at: 0)
        if documents.count > Self.maximumDocumentCount { documents.removeLast() }
        let staying = prompts.map(\.tokens) + [kept].compactMap(\.self)
        return outdated.compactMap { Self.outdated($0, besides: staying) }
    }

    /// As many of a document's prompts, the newest first, as it may have.
    private static func limited(
        _ prompts: [Prompt], keeping kept: [TokenID]?, _ outdated: inout [[TokenID]]
    ) -> [Prompt] {
        let limit = max(prompts[0].tokens.count, kept?.count ?? 0)
        var staying = [kept ?? prompts[0].tokens]
        var count = 0
        var tokenCount = 0
        return prompts.filter { prompt in
            if prompt.tokens == kept { return true }
            let newCount = prompt.tokens.count - sharedCount(prompt.tokens, withAnyOf: staying)
            let isCounted = !prompt.isBeside
            guard count < maximumCount || !isCounted, tokenCount + newCount <= limit else {
                outdated.append(prompt.tokens)
                return false
            }
            count += isCounted ? 1 : 0
            tokenCount += newCount
            staying.append(prompt.tokens)
            return true
        }
    }

    /// Nil where one that stays holds all of it.
    private static func outdated(_ tokens: [TokenID], besides staying: [[TokenID]]) -> Outdated? {
        if sharedCount(tokens, withAnyOf: staying) == tokens.count { return nil }
        let beginnings = staying.filter { $0.count - sharedCount($0, tokens) < leastDifference }
        return Outdated(tokens: tokens, sharedCount: sharedCount(tokens, withAnyOf: beginnings))
    }

    private static func sharedCount(_ tokens: [TokenID], withAnyOf others: [[TokenID]]) -> Int {
        others.map { sharedCount($0, tokens) }.max() ?? 0
    }

    private static func sharedCount(_ one: [TokenID], _ other: [TokenID]) -> Int {
        zip(one, other).prefix { $0 == $1 }.count
    }
}
