// Which part of the current file stands before and after the cursor in a prompt. Both ends are fixed to what the lines
// there say, not to their numbers: a window stays where it is while lines are written, and also when lines are put in
// or taken out far above or below the cursor, so that such an edit costs nothing or the tokens behind it.

/// A window over the current file.
struct FileWindow: Equatable {
    /// Where the prefix starts, in bytes; it ends at the cursor.
    var prefixStart: Int
    /// Where the suffix ends, in bytes; it starts at the cursor.
    var suffixEnd: Int

    /// A window of less than a quarter of what it may be is no good, however well its end would stay.
    private static let minimumShare = 4
    /// What the cursor's line is reckoned to grow to.
    private static let lineByteCount = 128

    /// A start of a line with at most `maximumByteCount` up to the cursor, one of the first `gridLineCount`.
    ///
    /// The line is chosen by its text, so that the same one is chosen as long as it is among them: the first lines of
    /// paragraphs before others, then by a hash. Among equal lines the number decides, counted from the file's
    /// start, which typing at the cursor does not move. Where the window may begin depends on the cursor's line and not
    /// on the place in it, so that no key but Return moves it. A line longer than the window is cut on a grid of 256
    /// bytes.
    static func prefixStart(
        in text: [UInt8], cursor: Int, maximumByteCount: Int, gridLineCount: Int
    ) -> Int {
        let lineStart = text[..<cursor].lastIndex(of: 0x0A).map { $0 + 1 } ?? 0
        let reserved = min(lineByteCount, maximumByteCount / 8)
        let earliest = max(cursor - maximumByteCount, lineStart + reserved - maximumByteCount)
        guard earliest > 0 else { return 0 }
        let latest = cursor - maximumByteCount / minimumShare
        var best: (rank: Rank, start: Int)?
        var start = lineEnd(in: text, from: earliest - 1, limit: cursor)
        var line = text[..<start].count { $0 == 0x0A }
        for _ in 0..<gridLineCount where start < cursor && (start <= latest || best == nil) {
            let rank = Rank(ofLineAt: start, in: text, number: line % gridLineCount)
            if best.map({ rank < $0.rank }) ?? true { best = (rank, start) }
            start = lineEnd(in: text, from: start, limit: cursor)
            line += 1
        }
        return best?.start ?? characterStart(in: text, atOrAfter: min(cursor, (earliest + 255) / 256 * 256))
    }

    /// An end of a line with at most `maximumByteCount` from the cursor, one of the last `gridLineCount`.
    ///
    /// Chosen as above, by the line behind it. Lines are counted from the file's end, which typing at the cursor does
    /// not move either. A rest of the line longer than the window is cut at a character.
    static func suffixEnd(
        in text: [UInt8], cursor: Int, maximumByteCount: Int, gridLineCount: Int
    ) -> Int {
        guard text.count - cursor > maximumByteCount else { return text.count }
        let latest = cursor + maximumByteCount
        let earliest = cursor + maximumByteCount / minimumShare
        var best: (rank: Rank, end: Int)?
        var linesAfter = text[latest...].count { $0 == 0x0A }
        var searched = latest
        for _ in 0..<gridLineCount {
            guard let lineFeed = text[cursor..<searched].lastIndex(of: 0x0A) else { break }
            let end = lineFeed + 1
            if end < earliest, best != nil { break }
            let rank = Rank(ofLineAt: end, in: text, number: linesAfter % gridLineCount)
            if best.map({ rank < $0.rank }) ?? true { best = (rank, end) }
            searched = lineFeed
            linesAfter += 1
        }
        if let best { return best.end }
        var end = latest
        while end > cursor, text[end] & 0xC0 == 0x80 { end -= 1 }
        return end
    }

    /// Which of several lines a window begins or ends at: the least.
    private struct Rank: Comparable {
        let isInParagraph: Bool
        let hash: UInt64
        let number: Int

        /// - Parameter number: decides among lines with the same text.
        init(ofLineAt start: Int, in text: [UInt8], number: Int) {
            let line = text[start..<FileWindow.lineEnd(in: text, from: start, limit: text.count)]
            let isBlank = line.allSatisfy { $0 <= 0x20 }
            let isBehindBlank = start >= 2 && text[start - 2] == 0x0A
            isInParagraph = isBlank || !isBehindBlank
            // With the next line, because many lines hold a brace alone.
            let next = line.endIndex..<FileWindow.lineEnd(in: text, from: line.endIndex, limit: text.count)
            hash = identifierHash(text[start..<next.upperBound])
            self.number = number
        }

        static func < (a: Rank, b: Rank) -> Bool {
            (a.isInParagraph ? 1 : 0, a.hash, a.number) < (b.isInParagraph ? 1 : 0, b.hash, b.number)
        }
    }

    /// Behind the line feed at or after `position`, at most `limit`; the line at 0 begins after position -1.
    private static func lineEnd(in text: [UInt8], from position: Int, limit: Int) -> Int {
        guard position >= 0, position < limit else { return min(limit, max(0, position)) }
        return text[position..<limit].firstIndex(of: 0x0A).map { $0 + 1 } ?? limit
    }

    /// The first byte at or after `position` that does not continue a UTF-8 character.
    static func characterStart(in text: [UInt8], atOrAfter position: Int) -> Int {
        var position = position
        while position < text.count, text[position] & 0xC0 == 0x80 { position += 1 }
        return position
    }
}
