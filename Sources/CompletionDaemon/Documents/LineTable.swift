// Where the lines of a text begin, and with that the conversion between the wire's positions and byte offsets
// (LSP 3.18 "Text Documents": a line ends with LF, CRLF or CR alone). Offsets count UTF-8 bytes; columns
// count units of the session's encoding. Every conversion gives a place inside the text and on a character
// boundary.

/// The line starts of one text. Kept beside the bytes, not around them, so that both can be edited in place.
struct LineTable: Equatable, Sendable {
    /// Ascending, the first is 0. A line starts after each line ending, so there is always one more than
    /// endings.
    private(set) var lineStarts: [Int]

    init(_ bytes: [UInt8]) {
        lineStarts = [0]
        Self.appendLineStarts(in: bytes, from: 1, through: bytes.count, to: &lineStarts)
    }

    var lineCount: Int { lineStarts.count }

    /// Follows an edit that replaced `range` of the old text by `insertedByteCount` bytes; `bytes` is the new
    /// text. Whether a line starts at an offset depends on the bytes on both sides of it alone, so only the
    /// offsets that touch the inserted bytes are looked at again.
    mutating func replace(_ range: Range<Int>, insertedByteCount: Int, newBytes bytes: [UInt8]) {
        let keptCount = max(1, firstIndex { $0 >= range.lowerBound })
        let movedIndex = max(keptCount, firstIndex { $0 > range.upperBound })
        let shift = insertedByteCount - range.count
        var middle: [Int] = []
        let insertedEnd = range.lowerBound + insertedByteCount
        Self.appendLineStarts(in: bytes, from: max(1, range.lowerBound), through: insertedEnd, to: &middle)
        if shift != 0 {
            for index in movedIndex..<lineStarts.count { lineStarts[index] += shift }
        }
        lineStarts.replaceSubrange(keptCount..<movedIndex, with: middle)
    }

    /// Appends each offset in `first...last` at which a line starts.
    private static func appendLineStarts(
        in bytes: [UInt8], from first: Int, through last: Int, to starts: inout [Int]
    ) {
        guard first <= last else { return }
        bytes.withUnsafeBufferPointer { bytes in
            for offset in first...last {
                let previous = bytes[offset - 1]
                guard previous <= 0x0D else { continue }
                let endsLine =
                    previous == 0x0A || previous == 0x0D && !(offset < bytes.count && bytes[offset] == 0x0A)
                if endsLine { starts.append(offset) }
            }
        }
    }

    /// The first index whose start satisfies a condition that holds from some start on; the count when none
    /// does.
    private func firstIndex(where condition: (Int) -> Bool) -> Int {
        var low = 0
        var high = lineStarts.count
        while low < high {
            let middle = low + (high - low) / 2
            if condition(lineStarts[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }

    // MARK: Lines

    /// The line that holds a byte offset; the end of a text lies on its last line.
    func lineIndex(containing offset: Int) -> Int {
        max(0, firstIndex { $0 > offset } - 1)
    }

    /// A line's bytes without its line ending.
    func contentRange(ofLine line: Int, in bytes: [UInt8]) -> Range<Int> {
        let start = lineStarts[line]
        var end = line + 1 < lineStarts.count ? lineStarts[line + 1] : bytes.count
        guard line + 1 < lineStarts.count else { return start..<end }
        if end > start, bytes[end - 1] == 0x0A { end -= 1 }
        if end > start, bytes[end - 1] == 0x0D { end -= 1 }
        return start..<end
    }

    // MARK: Positions

    /// A byte offset, and whether the position named no real place. A column past the end of its line is
    /// legal and means that end.
    struct Resolution: Equatable, Sendable {
        let offset: Int
        let wasClamped: Bool
    }

    /// The offset of a position: past the last line is the end of the text, inside a character is its start.
    func resolve(_ position: Position, in bytes: [UInt8], encoding: PositionEncoding) -> Resolution {
        guard position.line >= 0 else { return Resolution(offset: 0, wasClamped: true) }
        guard position.line < lineCount else {
            // One line past the end, column 0, is how some clients write the end of the text.
            let isEnd = position.line == lineCount && position.character == 0
            return Resolution(offset: bytes.count, wasClamped: !isEnd)
        }
        let line = contentRange(ofLine: position.line, in: bytes)
        guard position.character >= 0 else { return Resolution(offset: line.lowerBound, wasClamped: true) }
        var offset = line.lowerBound
        var unitCount = 0
        while offset < line.upperBound, unitCount < position.character {
            let width = Self.characterWidth(bytes[offset], encoding)
            guard unitCount + width.units <= position.character else {
                return Resolution(offset: offset, wasClamped: true)
            }
            unitCount += width.units
            offset = min(offset + width.bytes, line.upperBound)
        }
        return Resolution(offset: offset, wasClamped: false)
    }

    /// The position of a byte offset. Inside a line ending is the end of the line, inside a character its
    /// start.
    func position(of offset: Int, in bytes: [UInt8], encoding: PositionEncoding) -> Position {
        let offset = min(max(0, offset), bytes.count)
        let lineIndex = lineIndex(containing: offset)
        let line = contentRange(ofLine: lineIndex, in: bytes)
        var current = line.lowerBound
        var unitCount = 0
        while current < min(offset, line.upperBound) {
            let width = Self.characterWidth(bytes[current], encoding)
            guard current + width.bytes <= offset else { break }
            unitCount += width.units
            current += width.bytes
        }
        return Position(line: lineIndex, character: unitCount)
    }

    /// Bytes and units of the character that starts with `lead`. Texts come out of JSON strings and are
    /// UTF-8.
    private static func characterWidth(
        _ lead: UInt8, _ encoding: PositionEncoding
    ) -> (bytes: Int, units: Int) {
        let byteCount =
            switch lead {
            case 0xF0...: 4
            case 0xE0...: 3
            case 0xC0...: 2
            default: 1
            }
        switch encoding {
        case .utf8: return (byteCount, byteCount)
        case .utf16: return (byteCount, byteCount == 4 ? 2 : 1)
        case .utf32: return (byteCount, 1)
        }
    }
}
