// Sample-and-match: which path of a tree is accepted. At each node the next token is drawn from the target's own
// distribution there, exactly as plain decoding would draw it; if a child carries that token the walk goes on, else
// the token is emitted all the same and the round ends. Draft probabilities play no part, so the output is the same
// whatever was proposed. (The verifier published with LongSpec does not keep the distribution and is not used.)

/// The walk through a verified tree.
enum Verifier {
    /// What a round gave.
    struct Outcome: Equatable {
        /// Nodes whose keys and values are kept: the root, then the accepted nodes downwards.
        var path: [Int]
        /// The token drawn at the end of the path that no child carries; nil when `draw` ended the generation.
        var next: TokenID?
    }

    /// `draw(node)` draws, once, the token that follows the node's path and emits it; nil ends the walk. It is called
    /// for the root and then for each accepted node, in order: one draw per emitted token.
    static func walk(_ tree: TokenTree, draw: (Int) -> TokenID?) -> Outcome {
        var outcome = Outcome(path: [0], next: nil)
        var node = 0
        while let token = draw(node) {
            guard let child = tree.child(of: node, carrying: token) else {
                outcome.next = token
                break
            }
            node = child
            outcome.path.append(child)
        }
        return outcome
    }
}
