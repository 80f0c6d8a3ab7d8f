// Lines, blanks and words of byte texts: what the stop rules, the post-processor and their neighbours have in common.

/// Lines of byte texts.
enum TextLines {
    /// One line without its ending.
    struct Line: Equatable {
        let bytes: ArraySlice<UInt8>
        /// False for the last line of a text, which may still grow.
        let isTerminated: Bool
    }

    static let openingBrackets = Set("([{".utf8)
    static let closingBrackets = Set(")]}".utf8)

    static func isLineBreak(_ byte: UInt8) -> Bool { byte == 0x0A || byte == 0x0D }

    /// A letter, a digit, an underscore, or part of a character beyond ASCII.
    static func isWordByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), 0x80...:
            true
        default: false
        }
    }

    static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    /// All lines; there is always one more than line endings.
    static func lines(of bytes: ArraySlice<UInt8>) -> [Line] {
        var lines: [Line] = []
        var start = bytes.startIndex
        var index = start
        while index < bytes.endIndex {
            guard isLineBreak(bytes[index]) else {
                index += 1
                continue
            }
            lines.append(Line(bytes: bytes[start..<index], isTerminated: true))
            let isPair = bytes[index] == 0x0D && index + 1 < bytes.endIndex && bytes[index + 1] == 0x0A
            index += isPair ? 2 : 1
            start = index
        }
        lines.append(Line(bytes: bytes[start...], isTerminated: false))
        return lines
    }

    static func firstLine(of bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        bytes.prefix { !isLineBreak($0) }
    }

    static func lastLine(of bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        guard let lineBreak = bytes.lastIndex(where: isLineBreak) else { return bytes }
        return bytes[(lineBreak + 1)...]
    }

    /// Columns of leading blanks; a tab goes to the next multiple of 4, which orders mixed lines as they
    /// look.
    static func indentation(of line: some Sequence<UInt8>) -> Int {
        var column = 0
        for byte in line {
            guard isBlank(byte) else { return column }
            column = self.column(after: byte, at: column)
        }
        return column
    }

    /// The column behind a blank that stands at a column.
    static func column(after blank: UInt8, at column: Int) -> Int {
        blank == 0x09 ? column + 4 - column % 4 : column + 1
    }

    /// Without blanks and line breaks at the end.
    static func trimmingEnd(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        guard let last = bytes.lastIndex(where: { !isBlank($0) && !isLineBreak($0) }) else {
            return bytes.prefix(0)
        }
        return bytes[...last]
    }
}
