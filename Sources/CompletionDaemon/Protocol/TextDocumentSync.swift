// The notifications that keep the server's documents equal to the editor's (LSP 3.18 "Text Document
// Synchronization").

/// Names a document.
struct TextDocumentIdentifier: Decodable, Sendable {
    let uri: DocumentURI
}

/// `textDocument/didOpen`: the whole text.
struct DidOpenParams: Decodable, Sendable {
    struct TextDocument: Decodable, Sendable {
        let uri: DocumentURI
        /// Absent in the messages of some small clients.
        let languageId: String?
        let version: Int64?
        let text: String
    }
    let textDocument: TextDocument
}

/// `textDocument/didChange`: edits, each against the result of the one before.
struct DidChangeParams: Decodable, Sendable {
    struct TextDocument: Decodable, Sendable {
        let uri: DocumentURI
        let version: Int64?
    }

    struct ContentChange: Decodable, Sendable {
        /// Nil: `text` is the whole new text.
        let range: PositionRange?
        let text: String
    }

    let textDocument: TextDocument
    let contentChanges: [ContentChange]
}

/// `textDocument/didSave`.
struct DidSaveParams: Decodable, Sendable {
    let textDocument: TextDocumentIdentifier
}

/// `textDocument/didClose`.
struct DidCloseParams: Decodable, Sendable {
    let textDocument: TextDocumentIdentifier
}

/// `textDocument/didFocus`, which some editors send besides: the user looks at a document, or at none.
struct DidFocusParams: Decodable, Sendable {
    let textDocument: TextDocumentIdentifier?
}
