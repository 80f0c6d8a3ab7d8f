// Which part of the current file stands before and after the cursor in a prompt. Both ends move on a grid of
// lines, so that a window stays where it is while a few lines are written, and the tokens before the cursor
// are those of the last keystroke plus the new ones.

/// A window over the current file.
struct FileWindow: Equatable {
    /// Where the prefix starts, in bytes; it ends at the cursor.
    var prefixStart: Int
    /// Where the suffix ends, in bytes; it starts at the cursor.
    var suffixEnd: Int

    /// A window of less than a quarter of what it may be (long lines) is worse than a finer grid.
    private static let minimumShare = 4

    /// The smallest start on the grid with at most `maximumByteCount` up to the cursor.
    ///
    /// Lines are counted from the file's start, which typing at the cursor does not move. Where one grid step
    /// is too much the step is halved down to single lines; a line longer than the window is cut on a grid
    /// of 256 bytes.
    static func prefixStart(
        in text: [UInt8], cursor: Int, maximumByteCount: Int, gridLineCount: Int
    ) -> Int {
        guard cursor > maximumByteCount else { return 0 }
        let earliest = cursor - maximumByteCount
        var step = gridLineCount
        while step >= 1 {
            var line = 0
            var start = 0
            while start < earliest || line % step != 0 {
                guard let lineFeed = text[start..<cursor].firstIndex(of: 0x0A) else {
                    start = cursor + 1
                    break
                }
                start = lineFeed + 1
                line += 1
            }
            if start < cursor, step == 1 || cursor - start >= maximumByteCount / minimumShare { return start }
            step /= 2
        }
        return characterStart(in: text, atOrAfter: min(cursor, (earliest + 255) / 256 * 256))
    }

    /// The largest end on the grid with at most `maximumByteCount` from the cursor.
    ///
    /// Lines are counted from the file's end, which typing at the cursor does not move either. Steps are
    /// halved as above; a rest of the line longer than the window is cut at a character.
    static func suffixEnd(
        in text: [UInt8], cursor: Int, maximumByteCount: Int, gridLineCount: Int
    ) -> Int {
        guard text.count - cursor > maximumByteCount else { return text.count }
        let latest = cursor + maximumByteCount
        var step = gridLineCount
        while step >= 1 {
            var linesAfter = 0
            var end = text.count
            while end > latest || linesAfter % step != 0 {
                // The line feed before the last one of the part that is kept.
                guard let lineFeed = text[cursor..<max(cursor, end - 1)].lastIndex(of: 0x0A) else {
                    end = cursor
                    break
                }
                end = lineFeed + 1
                linesAfter += 1
            }
            if end > cursor, step == 1 || end - cursor >= maximumByteCount / minimumShare { return end }
            step /= 2
        }
        var end = latest
        while end > cursor, text[end] & 0xC0 == 0x80 { end -= 1 }
        return end
    }

    /// The first byte at or after `position` that does not continue a UTF-8 character.
    static func characterStart(in text: [UInt8], atOrAfter position: Int) -> Int {
        var position = position
        while position < text.count, text[position] & 0xC0 == 0x80 { position += 1 }
        return position
    }
}
