// Tabs or spaces: how a text indents its lines, and how lines are indented that way. Pure.

/// A way to indent.
struct IndentationStyle: Equatable, Sendable {
    var usesTabs: Bool
    /// Columns of one level.
    var width: Int

    static let widths = 1...16
    private static let clearMajority = 3

    /// How the lines of a text are indented; nil where none is, or some this way and some that.
    static func detected(in text: ArraySlice<UInt8>) -> IndentationStyle? {
        var tabCount = 0
        var spaceCount = 0
        var width = Int.max
        for line in TextLines.lines(of: text) {
            guard let first = line.bytes.first else { continue }
            if first == 0x09 {
                tabCount += 1
            } else if first == 0x20 {
                let count = line.bytes.prefix { $0 == 0x20 }.count
                // One space more is the middle of a comment.
                guard count > 1 else { continue }
                spaceCount += 1
                width = min(width, count)
            }
        }
        // Some of the one among many of the other is an alignment, or somebody else's line.
        guard max(tabCount, spaceCount) > clearMajority * min(tabCount, spaceCount) else { return nil }
        let usesTabs = tabCount > spaceCount
        return IndentationStyle(usesTabs: usesTabs, width: usesTabs || !widths.contains(width) ? 4 : width)
    }

    /// The lines of a text below the first indented this way, as deep as before.
    func applied(to text: [UInt8]) -> [UInt8] {
        let lines = TextLines.lines(of: text[...]).dropFirst()
        let unit = Self.detected(in: ArraySlice(lines.map(\.bytes).joined(separator: [0x0A]))).map {
            $0.usesTabs ? width : $0.width
        }
        var result: [UInt8] = []
        var position = text.startIndex
        for line in lines {
            result += text[position..<line.bytes.startIndex]
            let blanks = line.bytes.prefix(while: TextLines.isBlank)
            result += indented(blanks, unit: unit ?? width)
            position = blanks.endIndex
        }
        return result + text[position...]
    }

    /// - Parameter unit: spaces of one level.
    private func indented(_ blanks: ArraySlice<UInt8>, unit: Int) -> [UInt8] {
        if usesTabs {
            let spaces = blanks.prefix { $0 == 0x20 }.count
            guard spaces == blanks.count, spaces >= unit else { return Array(blanks) }
            return [UInt8](repeating: 0x09, count: spaces / unit)
                + [UInt8](repeating: 0x20, count: spaces % unit)
        }
        return blanks.flatMap { $0 == 0x09 ? [UInt8](repeating: 0x20, count: width) : [$0] }
    }
}
