// From the provider's items to the wire's (LSP 3.18 "Inline Completion Request"): byte ranges to positions,
// and the rule that while a menu item is highlighted, every suggestion must begin with that item and use its
// range. Pure.

/// Builds the answer to one completion request.
struct InlineCompletionAnswer {
    let document: DocumentSnapshot
    let selectedCompletion: SelectedCompletion?
    let encoding: PositionEncoding

    /// Nil when nothing is left to show. An item with an impossible range is counted, not shown.
    ///
    /// - Parameter register: gives the ids of the texts that are sent.
    func list(
        _ items: [CompletionItem], register: ([String]) -> [String]
    ) -> (list: InlineCompletionList?, invalidItemCount: Int) {
        let valid = items.filter { isWithinOneLine($0.replaceRange) }
        let texts = valid.compactMap(joinedWithSelection).filter { !$0.text.isEmpty }
        let shown = zip(texts, register(texts.map(\.text))).map(wireItem)
        let list = shown.isEmpty ? nil : InlineCompletionList(items: shown)
        return (list, items.count - valid.count)
    }

    private func isWithinOneLine(_ range: Range<Int>) -> Bool {
        guard range.lowerBound >= 0, range.upperBound <= document.bytes.count else { return false }
        let line = document.lineTable.lineIndex(containing: range.lowerBound)
        let content = document.lineTable.contentRange(ofLine: line, in: document.bytes)
        return range.upperBound <= content.upperBound
            && isCharacterBoundary(range.lowerBound) && isCharacterBoundary(range.upperBound)
    }

    private func isCharacterBoundary(_ offset: Int) -> Bool {
        offset == document.bytes.count || document.bytes[offset] & 0xC0 != 0x80
    }

    /// The item rewritten to start with the highlighted one. Nil when it says something else than the menu.
    private func joinedWithSelection(_ item: CompletionItem) -> CompletionItem? {
        guard let selected = selectedCompletion else { return item }
        let range = selected.replaceRange
        guard isWithinOneLine(range), range.lowerBound <= item.replaceRange.lowerBound,
            item.replaceRange.lowerBound <= range.upperBound,
            item.replaceRange.upperBound <= range.upperBound
        else { return nil }
        let kept = document.bytes[range.lowerBound..<item.replaceRange.lowerBound]
        let dropped = document.bytes[item.replaceRange.upperBound..<range.upperBound]
        let whole = Array(kept) + Array(item.text.utf8) + Array(dropped)
        guard whole.starts(with: selected.text.utf8) else { return nil }
        return CompletionItem(text: String(decoding: whole, as: UTF8.self), replaceRange: range)
    }

    private func wireItem(_ item: CompletionItem, id: String) -> InlineCompletionList.Item {
        InlineCompletionList.Item(
            insertText: item.text,
            filterText: nil,
            range: PositionRange(
                start: document.position(of: item.replaceRange.lowerBound, encoding: encoding),
                end: document.position(of: item.replaceRange.upperBound, encoding: encoding)),
            command: AcceptCommand(suggestion: id))
    }
}
