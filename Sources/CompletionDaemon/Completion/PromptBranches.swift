// Which prompts of each document the engine holds, as far as they part from each other: the text goes back by undo and
// forth by suggestions, and each way that was taken holds memory. It says which are worth it no more and frees nothing.

import SpecEngine

/// Prompts by document, the last ones only.
struct PromptBranches {
    /// Documents that are followed; of others the cache's own order decides what goes first.
    static let maximumDocumentCount = 16
    /// Prompts of one document that part from each other, beside the one that it must keep: undo and redo over a few
    /// places, and what a suggestion would lead to.
    static let maximumCount = 6
    /// What they may take, those of all documents together, beside the prompts that must be kept: this share of the
    /// newest prompt's tokens, or of its document's last prompt where that is longer. So what a session holds depends
    /// on how many documents it is in, and hardly on what is done there.
    static let maximumShare = 0.75
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
        /// Whether nobody comes back to it once the document's own prompt is there.
        let isPassing: Bool
        /// Tokens that neither the kept prompt nor a newer one of the document has.
        var ownCount = 0
    }

    private struct Document {
        let path: String
        /// The last one first.
        var prompts: [Prompt]
        /// The document's own last prompt.
        let kept: [TokenID]?

        /// What its prompts take beside the one that must be kept.
        var ownCount: Int { prompts.reduce(0) { $0 + $1.ownCount } }
    }

    /// The last used first.
    private var documents: [Document] = []

    /// A prompt was read. Returns those that it makes worthless, or that make room for it.
    ///
    /// - Parameters:
    ///   - isPassing: whether nobody comes back to it once the document's own prompt is there: it stands behind
    ///     another's context, or was not read to its end.
    ///   - kept: the document's own last prompt, which stays whatever else was read.
    mutating func note(
        _ tokens: [TokenID], of path: String, isPassing: Bool = false, keeping kept: [TokenID]? = nil
    ) -> [Outdated] {
        let place = documents.firstIndex { $0.path == path }
        let known = place.map { documents.remove(at: $0).prompts } ?? []
        var outdated: [[TokenID]] = []
        var near: [Prompt] = []
        var others: [Prompt] = []
        for prompt in known {
            let shared = commonPrefixLength(prompt.tokens, tokens)
            let endCount = prompt.tokens.count - shared
            if endCount == 0, prompt.tokens != kept || tokens == kept { continue }  // the new one holds all of it
            let hasShortEnd = endCount < Self.leastDifference && shared < tokens.count
            let isUseless = prompt.isBeside || hasShortEnd || (prompt.isPassing && !isPassing)
            if isUseless, prompt.tokens != kept {
                outdated.append(prompt.tokens)
            } else if tokens.count - shared < Self.leastDifference {
                near.append(prompt)
            } else {
                others.append(prompt)
            }
        }
        // Deleted back, or the cursor moved up: the longer one may come again, and counts as used.
        let newest = Prompt(tokens: tokens, isBeside: !near.isEmpty, isPassing: isPassing)
        var left = Int(Double(max(tokens.count, kept?.count ?? 0)) * Self.maximumShare)
        let document = Document(path: path, prompts: [newest] + near + others, kept: kept)
        let limited = Self.limited(document, isNewest: true, &left, &outdated)
        documents.insert(limited, at: 0)
        if documents.count > Self.maximumDocumentCount { documents.removeLast() }
        return Self.outdated(outdated, besides: limited) + limitOthers(&left)
    }

    /// The most leading tokens that one of the prompts shares with these.
    func sharedCount(with tokens: [TokenID]) -> Int {
        documents.map { document in
            Self.sharedCount(tokens, withAnyOf: document.prompts.map(\.tokens) + [document.kept ?? []])
        }.max() ?? 0
    }

    /// Leading tokens of a prompt that are all of another one, but for a short end that may not be stored.
    func beginningCount(of tokens: [TokenID]) -> Int {
        let counts = documents.flatMap { document in
            (document.prompts.map(\.tokens) + [document.kept ?? []]).map { other in
                let shared = commonPrefixLength(other, tokens)
                return other.count - shared < Self.leastDifference ? shared : 0
            }
        }
        return counts.max() ?? 0
    }

    /// What of the other documents' prompts finds no room in `left` tokens.
    private mutating func limitOthers(_ left: inout Int) -> [Outdated] {
        var result: [Outdated] = []
        for index in documents.indices.dropFirst() {
            if documents[index].ownCount <= left {
                left -= documents[index].ownCount
                continue
            }
            var outdated: [[TokenID]] = []
            documents[index] = Self.limited(documents[index], isNewest: false, &left, &outdated)
            result += Self.outdated(outdated, besides: documents[index])
        }
        return result
    }

    /// A document with as many of its prompts as it may have, in `left` tokens. The newest of all stays in any case:
    /// it was read for something.
    private static func limited(
        _ document: Document, isNewest: Bool, _ left: inout Int, _ outdated: inout [[TokenID]]
    ) -> Document {
        var document = document
        let kept = document.kept
        var staying = [kept ?? document.prompts.first?.tokens ?? []]
        var count = 0
        var prompts: [Prompt] = []
        for var prompt in document.prompts {
            prompt.ownCount =
                prompt.tokens == kept ? 0 : prompt.tokens.count - sharedCount(prompt.tokens, withAnyOf: staying)
            let isCounted = !prompt.isBeside && prompt.tokens != kept
            let fits = (count < maximumCount || !isCounted) && prompt.ownCount <= left
            guard fits || prompt.tokens == kept || (isNewest && prompts.isEmpty) else {
                outdated.append(prompt.tokens)
                continue
            }
            count += isCounted ? 1 : 0
            left = max(0, left - prompt.ownCount)
            if prompt.tokens != kept { staying.append(prompt.tokens) }
            prompts.append(prompt)
        }
        document.prompts = prompts
        return document
    }

    private static func outdated(_ prompts: [[TokenID]], besides document: Document) -> [Outdated] {
        let staying = document.prompts.map(\.tokens) + [document.kept].compactMap(\.self)
        return prompts.compactMap { outdated($0, besides: staying) }
    }

    /// Nil where one that stays holds all of it.
    private static func outdated(_ tokens: [TokenID], besides staying: [[TokenID]]) -> Outdated? {
        if sharedCount(tokens, withAnyOf: staying) == tokens.count { return nil }
        let beginnings = staying.filter { $0.count - commonPrefixLength($0, tokens) < leastDifference }
        return Outdated(tokens: tokens, sharedCount: sharedCount(tokens, withAnyOf: beginnings))
    }

    private static func sharedCount(_ tokens: [TokenID], withAnyOf others: [[TokenID]]) -> Int {
        others.map { commonPrefixLength($0, tokens) }.max() ?? 0
    }
}
