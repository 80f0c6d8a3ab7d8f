// Which prompts of each document are worth their memory, as far as they part from each other: the text goes back by
// undo and forth by suggestions, and each way that was taken holds some. It frees nothing.

import SpecEngine

/// Prompts by document, the last ones only.
struct PromptBranches {
    /// Documents that are followed; what was read for others goes.
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

    /// All that is worth its memory; some more than once.
    var sequences: [[TokenID]] {
        documents.flatMap { $0.prompts.map(\.tokens) + [$0.kept].compactMap(\.self) }
    }

    var documentPaths: Set<String> { Set(documents.map(\.path)) }

    /// A prompt was read: others become worthless, or make room for it.
    ///
    /// - Parameters:
    ///   - isPassing: whether nobody comes back to it once the document's own prompt is there: it stands behind
    ///     another's context, or was not read to its end.
    ///   - kept: the document's own last prompt, which stays whatever else was read.
    mutating func note(
        _ tokens: [TokenID], of path: String, isPassing: Bool = false, keeping kept: [TokenID]? = nil
    ) {
        let place = documents.firstIndex { $0.path == path }
        let known = place.map { documents.remove(at: $0).prompts } ?? []
        var near: [Prompt] = []
        var others: [Prompt] = []
        for prompt in known {
            let shared = commonPrefixLength(prompt.tokens, tokens)
            let endCount = prompt.tokens.count - shared
            if endCount == 0, prompt.tokens != kept || tokens == kept { continue }  // the new one holds all of it
            let hasShortEnd = endCount < Self.leastDifference && shared < tokens.count
            let isUseless = prompt.isBeside || hasShortEnd || (prompt.isPassing && !isPassing)
            if isUseless, prompt.tokens != kept { continue }
            if tokens.count - shared < Self.leastDifference {
                near.append(prompt)
            } else {
                others.append(prompt)
            }
        }
        // Deleted back, or the cursor moved up: the longer one may come again, and counts as used.
        let newest = Prompt(tokens: tokens, isBeside: !near.isEmpty, isPassing: isPassing)
        var left = Int(Double(max(tokens.count, kept?.count ?? 0)) * Self.maximumShare)
        let document = Document(path: path, prompts: [newest] + near + others, kept: kept)
        documents.insert(Self.limited(document, isNewest: true, &left), at: 0)
        if documents.count > Self.maximumDocumentCount { documents.removeLast() }
        for index in documents.indices.dropFirst() {
            if documents[index].ownCount <= left {
                left -= documents[index].ownCount
            } else {
                documents[index] = Self.limited(documents[index], isNewest: false, &left)
            }
        }
    }

    /// A document with as many of its prompts as it may have, in `left` tokens. The newest of all stays in any case:
    /// it was read for something.
    private static func limited(_ document: Document, isNewest: Bool, _ left: inout Int) -> Document {
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
            guard fits || prompt.tokens == kept || (isNewest && prompts.isEmpty) else { continue }
            count += isCounted ? 1 : 0
            left = max(0, left - prompt.ownCount)
            if prompt.tokens != kept { staying.append(prompt.tokens) }
            prompts.append(prompt)
        }
        document.prompts = prompts
        return document
    }

    private static func sharedCount(_ tokens: [TokenID], withAnyOf others: [[TokenID]]) -> Int {
        others.map { commonPrefixLength($0, tokens) }.max() ?? 0
    }
}
