// From the provider's items to items of the completion menu (LSP 3.18 "Completion Request"). Menus filter by the word
// before the cursor, so an item replaces that word by itself and the suggestion. Pure.

/// Builds the answer to one request for the menu.
struct MenuCompletionAnswer {
    /// Characters of a label; menus are narrow.
    static let maximumLabelCount = 60

    let document: DocumentSnapshot
    /// The cursor.
    let byteOffset: Int
    let encoding: PositionEncoding

    /// Nil when nothing is left to show.
    ///
    /// - Parameter register: gives the ids of the texts that are sent.
    func list(_ items: [CompletionItem], register: ([String]) -> [String]) -> MenuCompletionList? {
        // Others than plain insertions have no place in a menu that filters by the word before the cursor.
        let texts = items.filter { $0.replaceRange == byteOffset..<byteOffset && !$0.text.isEmpty }.map(\.text)
        guard !texts.isEmpty else { return nil }
        let word = document.bytes[..<byteOffset].reversed().prefix(while: TextLines.isWordByte).count
        let typed = String(decoding: document.bytes[(byteOffset - word)..<byteOffset], as: UTF8.self)
        let range = PositionRange(
            start: document.position(of: byteOffset - word, encoding: encoding),
            end: document.position(of: byteOffset, encoding: encoding))
        let wire = zip(texts, register(texts)).map { text, id in
            let newText = typed + text
            let lines = newText.split(whereSeparator: \.isNewline)
            return MenuCompletionList.Item(
                label: String((lines.first ?? "").prefix(Self.maximumLabelCount)), kind: 1,
                detail: lines.count > 1 ? "foretoken, \(lines.count) lines" : "foretoken", sortText: "\u{FFFF}",
                filterText: newText, insertTextFormat: 1,
                textEdit: .init(range: range, newText: newText), command: AcceptCommand(suggestion: id))
        }
        return MenuCompletionList(isIncomplete: true, items: wire)
    }
}
