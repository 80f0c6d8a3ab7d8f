// Where the user changed text in this session: context near an edit is likely to matter for the next one. Lines move
// with the edits above them, so that a place stays the place that was edited. Server loop only.

import RepoContext

/// The places edited last, newest first.
struct RecentEdits {
    /// Edits this near to each other are one place.
    static let nearbyLineCount = 8

    private(set) var edits: [RecentEdit] = []

    /// Lines beyond this are a client's mistake.
    private static let maximumLine = 1 << 30

    /// Takes an edit as the client sent it.
    mutating func note(path: String, range: PositionRange, text: String) {
        let line = min(max(0, range.start.line), RecentEdits.maximumLine)
        let end = min(max(line, range.end.line), RecentEdits.maximumLine)
        let addedLineCount = text.utf8.count { $0 == UInt8(ascii: "\n") } - (end - line)
        for place in edits.indices where edits[place].path == path && edits[place].line > line {
            edits[place].line = max(line, edits[place].line + addedLineCount)
        }
        edits.removeAll { $0.path == path && abs($0.line - line) <= RecentEdits.nearbyLineCount }
        edits.insert(RecentEdit(path: path, line: line), at: 0)
        if edits.count > ContextQuery.maximumRecentEditCount { edits.removeLast() }
    }
}
