// Places edited in a session: nearby edits are one place, lines move with the edits above, and no number that a client
// sends stops the server.

import RepoContext
import Testing

@testable import CompletionDaemon

@Suite struct RecentEditsTests {
    private static func range(_ start: Int, _ end: Int) -> PositionRange {
        PositionRange(start: Position(line: start, character: 0), end: Position(line: end, character: 0))
    }

    @Test("Lines follow the edits above them")
    func followsLines() {
        var edits = RecentEdits()
        edits.note(path: "/a", range: Self.range(100, 100), text: "x")
        edits.note(path: "/a", range: Self.range(103, 103), text: "x")
        edits.note(path: "/b", range: Self.range(5, 5), text: "x")
        #expect(edits.edits == [RecentEdit(path: "/b", line: 5), RecentEdit(path: "/a", line: 103)])
        edits.note(path: "/a", range: Self.range(10, 12), text: "1\n2\n3\n4\n")
        #expect(edits.edits.last == RecentEdit(path: "/a", line: 105))
    }

    @Test("Absurd ranges are taken as far as they make sense, and the list is bounded")
    func survivesAbsurdRanges() {
        var edits = RecentEdits()
        for (start, end) in [(Int.min, Int.max), (Int.max, Int.min), (-1, 0)] {
            edits.note(path: "/a", range: Self.range(start, end), text: "\n")
        }
        for number in 0..<500 {
            edits.note(path: "/a", range: Self.range(number * 20, number * 20), text: "")
        }
        #expect(edits.edits.count == ContextQuery.maximumRecentEditCount)
    }
}
