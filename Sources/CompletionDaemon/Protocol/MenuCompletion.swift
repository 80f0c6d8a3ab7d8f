// `textDocument/completion` (LSP 3.18 "Completion Request"): a suggestion as an item of the completion menu, for
// clients that show no ghost text. Offered only where the user asked for it: the menu is other servers' place.

/// The request's parameters.
struct MenuCompletionParams: Decodable, Sendable {
    let textDocument: TextDocumentIdentifier
    let position: Position
}

/// The answer; null when there is nothing to suggest.
struct MenuCompletionList: Encodable, Sendable {
    struct Item: Encodable, Sendable {
        struct Edit: Encodable, Sendable {
            /// Begins and ends on one line.
            let range: PositionRange
            let newText: String
        }

        /// The first line of what is inserted.
        let label: String
        /// 1: text.
        let kind: Int
        let detail: String
        /// Behind the items of servers that know the language.
        let sortText: String
        let filterText: String
        /// 1: plain text.
        let insertTextFormat: Int
        let textEdit: Edit
        let command: AcceptCommand
    }

    /// Further typing asks again.
    let isIncomplete: Bool
    let items: [Item]
}
