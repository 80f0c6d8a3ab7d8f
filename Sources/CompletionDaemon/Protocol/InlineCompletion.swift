// `textDocument/inlineCompletion` (LSP 3.18 "Inline Completion Request"). On the wire Invoked is 1 and
// Automatic is 2; the VS Code API's own enumeration starts at 0 and never reaches a server.

/// Why a completion was asked for.
enum InlineCompletionTriggerKind: Int, Sendable {
    /// The user asked.
    case invoked = 1
    /// While typing.
    case automatic = 2
}

/// The request's parameters.
struct InlineCompletionParams: Decodable, Sendable {
    struct Context: Decodable, Sendable {
        /// A plain number, so that a kind of a later protocol version is not an error.
        let triggerKind: Int?
        let selectedCompletionInfo: SelectedCompletionInfo?
    }

    /// The item highlighted in the completion menu.
    struct SelectedCompletionInfo: Decodable, Sendable {
        let range: PositionRange
        let text: String
    }

    let textDocument: TextDocumentIdentifier
    let position: Position
    let context: Context?
    /// Not of the protocol: what Copilot's clients send besides.
    let formattingOptions: FormattingOptions?

    /// How the editor indents.
    struct FormattingOptions: Decodable, Sendable {
        let tabSize: Int?
        let insertSpaces: Bool?
    }

    /// Automatic unless the client says that the user asked.
    var triggerKind: InlineCompletionTriggerKind {
        context?.triggerKind.flatMap(InlineCompletionTriggerKind.init(rawValue:)) ?? .automatic
    }
}

/// The answer; null when there is nothing to suggest.
struct InlineCompletionList: Encodable, Sendable {
    struct Item: Encodable, Sendable {
        /// Plain text, never a snippet.
        let insertText: String
        let filterText: String?
        /// Begins and ends on one line.
        let range: PositionRange
        /// Run by the editor after the insertion.
        let command: AcceptCommand?
    }
    let items: [Item]
}
