// Proposals without a model: what followed the last tokens where they occurred before, in the prompt (repository
// context and file) or in what was generated since; and the rest of the last completion where it is typed along.

/// Chains from text seen before. Engine thread only.
struct PromptLookupDraft {
    /// Different continuations that are proposed at once.
    private static let matchLimit = 3
    /// Tokens before the last completion that a match may begin in.
    private static let leadCount = 8

    private var index: SuffixIndex
    /// The last completion, led by the end of its prompt.
    private var lastSequence: [TokenID] = []

    init(capacity: Int) { index = SuffixIndex(capacity: capacity) }

    /// Begins a request. `prompt` is all that stands before the first token to emit.
    mutating func begin(prompt: [TokenID]) { index.follow(prompt) }

    mutating func append(_ token: TokenID) { index.append(token) }

    /// Remembers a finished completion for the next request.
    mutating func end(completion: [TokenID], prompt: [TokenID]) {
        lastSequence = prompt.suffix(Self.leadCount) + completion
    }

    /// Adds chains below the root, which is the last token of the sequence. Nodes stop where their estimated
    /// probability of being reached falls below `leastReach`, and before a token that would end the text.
    func propose(
        into tree: inout TokenTree, depthLimit: Int, leastReach: Float, acceptance: AcceptanceRecord,
        endTokens: Set<TokenID> = []
    ) {
        if let match = matchInLastSequence() {
            addChain(
                lastSequence[match.continuation...], length: match.length, source: .lastCompletion,
                kind: .lastCompletion, acceptance: acceptance, depthLimit: depthLimit, leastReach: leastReach,
                endTokens: endTokens, to: &tree)
        }
        for match in index.matches(limit: Self.matchLimit) {
            addChain(
                index.tokens[match.continuation...], length: match.length, source: .promptLookup,
                kind: .promptLookup, acceptance: acceptance, depthLimit: depthLimit, leastReach: leastReach,
                endTokens: endTokens, to: &tree)
        }
    }

    private func addChain(
        _ tokens: ArraySlice<TokenID>, length: Int, source: DraftSource, kind: Evidence.Kind,
        acceptance: AcceptanceRecord, depthLimit: Int, leastReach: Float, endTokens: Set<TokenID>,
        to tree: inout TokenTree
    ) {
        var node = 0
        for (step, token) in tokens.prefix(depthLimit).enumerated() {
            // Every accepted token makes the match longer.
            let evidence = Evidence(kind: kind, matchLength: length + step)
            let estimate = acceptance.estimate(evidence)
            guard tree.reachProbabilities[node] * estimate >= leastReach, !endTokens.contains(token),
                let next = tree.add(
                    token, under: node, source: source, acceptance: estimate, evidence: evidence)
            else { return }
            node = next
        }
    }

    /// The longest match of the sequence's end inside the last completion; it is short, so all places are tried.
    private func matchInLastSequence() -> SuffixIndex.Match? {
        let tokens = index.tokens
        var best: SuffixIndex.Match?
        for end in lastSequence.indices.dropLast().reversed() {
            var length = 0
            while length <= end, length < tokens.count, length < SuffixIndex.maximumLength,
                lastSequence[end - length] == tokens[tokens.count - 1 - length]
            { length += 1 }
            if length >= SuffixIndex.minimumLength, length > best?.length ?? 0 {
                best = SuffixIndex.Match(continuation: end + 1, length: length)
            }
        }
        return best
    }
}
