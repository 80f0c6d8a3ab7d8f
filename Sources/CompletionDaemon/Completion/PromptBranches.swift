// Which prompts of a document the engine holds, as far as they part from each other: the text goes back by undo and
// forth by suggestions, and each way that was taken holds memory. It says which are worth it no more and frees nothing.

import SpecEngine

/// Prompts by document, the last ones only.
struct PromptBranches {
    /// Documents that are followed; of others the cache's own order decides what goes first.
    static let maximumDocumentCount = 16
    /// Prompts of one document: undo and redo over a few places, and what a suggestion would lead to.
    static let maximumCount = 6
    /// Prompts that differ in fewer tokens at their ends are one: so many are computed again in a moment.
    static let leastDifference = 16

    /// The last used document first, of each its last prompt first.
    private var documents: [(path: String, prompts: [[TokenID]])] = []

    /// A prompt was read. Returns those that make room for it.
    mutating func note(_ tokens: [TokenID], of path: String) -> [[TokenID]] {
        let place = documents.firstIndex { $0.path == path }
        var prompts = place.map { documents.remove(at: $0).prompts } ?? []
        var newest = tokens
        prompts.removeAll { known in
            let shared = zip(known, tokens).prefix { $0 == $1 }.count
            // Typed on, or deleted back: the longer one holds both.
            guard shared > min(known.count, tokens.count) - Self.leastDifference else { return false }
            if known.count > newest.count { newest = known }
            return true
        }
        prompts.insert(newest, at: 0)
        let dropped = Array(prompts.dropFirst(Self.maximumCount))
        documents.insert((path, Array(prompts.prefix(Self.maximumCount))), at: 0)
        if documents.count > Self.maximumDocumentCount { documents.removeLast() }
        return dropped
    }
}
