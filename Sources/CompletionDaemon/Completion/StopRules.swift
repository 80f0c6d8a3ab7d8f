// Where a completion ends. Pure: the same bytes give the same answer however they were generated, so a rule
// is tested as text in and text out, and the same rules cut the finished text (PostProcessor) that told the
// generation to stop.
//
// How far a completion reaches follows from where the cursor stands. With real text right of it, or in prose, it is
// the rest of one line. Behind text of its line it is the rest of the statement: of the line, unless that leaves a
// bracket open, opens a block or ends in an operator. On a blank line, or behind what opens a block, it goes on to the
// end of the block: to a blank line, to a line indented less than the cursor's, back from a deeper block that the
// cursor's line opened (its closing bracket included), or to the largest number of lines.
//
// Whatever the extent, it ends before a closing bracket that the document has already or that closes nothing, before
// the line that follows in the document, before a line that it has written already, and where it opens the same bracket
// within itself again and again.

/// The stop rules for one cursor.
struct StopRules: Sendable {
    /// How far a completion may reach.
    enum Extent: Equatable, Sendable {
        case restOfLine
        case statement
        case block
    }

    /// More lines than this hide the code below the cursor in a usual window, and are seldom right to the
    /// end.
    static let maximumLineCount = 12
    /// Blank lines that may come before the first content: one to end the cursor's line, one to set a block
    /// off.
    static let maximumLeadingBlankLineCount = 2
    /// A line of fewer bytes, blanks left out, may well be meant twice.
    static let distinctiveByteCount = 6
    /// How often the same piece of a line may open a bracket in itself: `f(f(f(f(` is a model going in circles.
    static let maximumNestedRepetitionCount = 3
    /// Bytes of such a piece: a bracket and a name.
    static let nestedPieceByteCounts = 2...32
    /// Bytes around the cursor that are looked at: more than the lines that a completion can have.
    private static let windowByteCount = 4096

    let extent: Extent
    /// Of the cursor's line only this is kept: the line may be as long as the document.
    private let cursorIndentation: Int
    private let cursorLineHasContent: Bool
    private let surroundings: Surroundings

    /// What stands around the cursor, as far as it decides where a completion ends.
    fileprivate struct Surroundings: Sendable {
        var brackets: BracketScan
        /// Brackets that the completion may close without having opened them, round, square and curly ones.
        var closable = BracketCounts()
        /// Brackets open on the cursor's line, less those that are closed right of the cursor: what a completion may
        /// leave open on that line. One that begins with a line break goes on to the brackets right of the cursor.
        var openBracketCount = 0
        var bracketCountOfLine = 0
        /// The cursor's line up to the cursor; nil where it is too long to be compared.
        var cursorLine: [UInt8]?
        /// The next line with content, without blanks at its end, where it is a line that nobody means twice.
        var followingLine: [UInt8]?
    }

    /// - Parameters:
    ///   - prefix, suffix: the document before and after the cursor, whole or cut at any distance of a line.
    ///   - languageID: the client's name for the language.
    init(prefix: ArraySlice<UInt8>, suffix: ArraySlice<UInt8>, languageID: String) {
        let cursorLine = TextLines.lastLine(of: prefix)
        cursorIndentation = TextLines.indentation(of: cursorLine)
        cursorLineHasContent = !cursorLine.allSatisfy(TextLines.isBlank)
        let right = TextLines.firstLine(of: suffix)
        let hasTextRight = right.contains { !TextLines.isBlank($0) && !Self.closers.contains($0) }
        if hasTextRight || Self.proseLanguageIDs.contains(languageID) {
            extent = .restOfLine
        } else if cursorLineHasContent, !Self.opensBlock(cursorLine) {
            extent = .statement
        } else {
            extent = .block
        }
        surroundings = Self.surroundings(prefix, suffix, cursorLine: cursorLine, right: right, languageID)
    }

    /// What editors put, or leave, right of a cursor at which a statement still grows.
    static let closers = Set(")]}>\"'`;,:".utf8)

    /// Languages in which indentation says nothing about where a thought ends.
    private static let proseLanguageIDs: Set<String> = [
        "plaintext", "text", "markdown", "restructuredtext", "asciidoc", "latex", "tex", "gitcommit",
        "git-commit",
    ]

    /// Whether what comes below the line belongs to it.
    fileprivate static func opensBlock(_ line: ArraySlice<UInt8>) -> Bool {
        let last = TextLines.trimmingEnd(line).last
        return last == UInt8(ascii: "{") || last == UInt8(ascii: ":")
    }

    private static func surroundings(
        _ prefix: ArraySlice<UInt8>, _ suffix: ArraySlice<UInt8>, cursorLine: ArraySlice<UInt8>,
        right: ArraySlice<UInt8>, _ languageID: String
    ) -> Surroundings {
        let brackets = BracketScan(languageID: languageID)
        let window = prefix.suffix(windowByteCount)
        let above = brackets.after(window)
        let onLine = brackets.after(cursorLine.suffix(windowByteCount))
        let closed = brackets.unmatched(in: right.prefix(windowByteCount))
        var closable = above.openCounts.subtracting(closed)
        // What opened a class may stand further above.
        if window.count < prefix.count { closable.curly = .max }
        // With a bracket right of the cursor only those of this line are the completion's to close.
        if let next = right.first(where: { !TextLines.isBlank($0) }), TextLines.closingBrackets.contains(next) {
            closable[next] = onLine.openCounts.subtracting(closed)[next]
        }
        var result = Surroundings(brackets: onLine.ofNextText(), closable: closable)
        result.bracketCountOfLine = onLine.openCounts.total
        result.openBracketCount = result.bracketCountOfLine - closed.total
        result.cursorLine = cursorLine.count <= windowByteCount ? Array(cursorLine) : nil
        result.followingLine = followingLine(in: suffix)
        return result
    }

    private static func followingLine(in suffix: ArraySlice<UInt8>) -> [UInt8]? {
        let window = suffix.prefix(windowByteCount)
        let lines = TextLines.lines(of: window).dropFirst()
        guard let line = lines.first(where: { !$0.bytes.allSatisfy(TextLines.isBlank) }),
            line.isTerminated || window.count == suffix.count, isDistinctive(line.bytes)
        else { return nil }
        return Array(TextLines.trimmingEnd(line.bytes))
    }

    /// Whether a line that is there twice was hardly meant.
    fileprivate static func isDistinctive(_ line: some Sequence<UInt8>) -> Bool {
        var byteCount = 0
        var hasWord = false
        for byte in line where !TextLines.isBlank(byte) {
            byteCount += 1
            hasWord = hasWord || TextLines.isWordByte(byte)
        }
        return hasWord && byteCount >= distinctiveByteCount
    }

    /// True when more bytes cannot make the completion longer.
    func shouldStop(generated: [UInt8]) -> Bool {
        end(of: generated) != nil
    }

    /// How many of the generated bytes belong to the completion; nil while it may still grow.
    func end(of generated: [UInt8]) -> Int? {
        var scan = scan()
        return scan.end(of: generated)
    }

    /// A scan from the start, for text that grows.
    func scan() -> Scan {
        Scan(
            extent: extent, cursorIndentation: cursorIndentation, cursorLineHasContent: cursorLineHasContent,
            surroundings: surroundings)
    }

    /// The rules applied byte by byte. It holds what earlier bytes mean for later ones, and each byte is looked
    /// at once, however often the text has grown.
    struct Scan: Sendable {
        private var extent: Extent
        private var surroundings: Surroundings
        /// Indentation of the line that the completion belongs to; nil before the first content.
        private var baseIndentation: Int?
        /// Whether the first line below the base is deeper; nil until there is one.
        private var opensBlock: Bool?
        private var leadingBlankLineCount = 0
        private var lastContentEnd = 0
        private var line: Line
        private var lineStart = 0
        /// The lines with content so far, as they stand in the text.
        private var contentLines: [Range<Int>] = []
        private var followsCarriageReturn = false
        private var foundEnd: Int?
        /// Bytes looked at so far.
        private(set) var byteCount = 0

        /// The line that the scan is in.
        private struct Line {
            var isFirst = false
            /// Columns of leading blanks so far.
            var indentation = 0
            /// First and last byte that is not blank, and the last but one.
            var firstContent: UInt8?
            var lastContent: UInt8?
            var lastButOne: UInt8?
        }

        fileprivate init(
            extent: Extent, cursorIndentation: Int, cursorLineHasContent: Bool, surroundings: Surroundings
        ) {
            self.extent = extent
            self.surroundings = surroundings
            baseIndentation = cursorLineHasContent ? cursorIndentation : nil
            line = Line(isFirst: true, indentation: cursorIndentation)
        }

        /// As `StopRules.end(of:)`. `generated` begins with the bytes of the last call; only what follows them
        /// is looked at, and nothing once there is an end.
        mutating func end(of generated: [UInt8]) -> Int? {
            while foundEnd == nil, byteCount < generated.count {
                foundEnd = advance(in: generated)
                byteCount += 1
            }
            return foundEnd
        }

        /// Takes the byte at `byteCount`; the end of the completion when it is reached.
        private mutating func advance(in generated: [UInt8]) -> Int? {
            let byte = generated[byteCount]
            let isPair = followsCarriageReturn && byte == 0x0A
            followsCarriageReturn = byte == 0x0D
            if isPair {
                lineStart = byteCount + 1
                return nil
            }
            if let end = nestedRepetitionEnd(byte, in: generated) { return end }
            if TextLines.isLineBreak(byte) {
                defer {
                    line = Line()
                    lineStart = byteCount + 1
                }
                surroundings.brackets.advance(over: byte)
                return endOfLine(generated[lineStart..<byteCount], in: generated)
            }
            if let closer = surroundings.brackets.advance(over: byte), !surroundings.closable.take(closer) {
                return byteCount
            }
            if TextLines.isBlank(byte) {
                if line.firstContent == nil {
                    line.indentation = TextLines.column(after: byte, at: line.indentation)
                }
                return nil
            }
            (line.lastButOne, line.lastContent) = (line.lastContent, byte)
            guard line.firstContent == nil else { return nil }
            line.firstContent = byte
            return extent == .restOfLine ? nil : startOfContent(byte)
        }

        /// The line has its first content: the end when it no longer belongs to the block.
        private mutating func startOfContent(_ byte: UInt8) -> Int? {
            guard let base = baseIndentation else {
                baseIndentation = line.indentation
                return nil
            }
            if line.isFirst { return nil }
            if line.indentation < base { return lastContentEnd }
            guard let opensBlock else {
                self.opensBlock = line.indentation > base
                return nil
            }
            guard opensBlock, line.indentation == base else { return nil }
            return TextLines.closingBrackets.contains(byte) ? nil : lastContentEnd
        }

        private mutating func endOfLine(_ text: ArraySlice<UInt8>, in generated: [UInt8]) -> Int? {
            if repeatsFollowingLine(text) { return lastContentEnd }
            if let end = repetitionEnd(text, in: generated) { return end }
            if extent == .restOfLine { return byteCount }
            guard line.firstContent != nil else {
                if !contentLines.isEmpty { return lastContentEnd }
                if line.isFirst { surroundings.openBracketCount = surroundings.bracketCountOfLine }
                leadingBlankLineCount += 1
                return leadingBlankLineCount > StopRules.maximumLeadingBlankLineCount ? 0 : nil
            }
            lastContentEnd = byteCount
            contentLines.append(text.indices)
            if contentLines.count >= StopRules.maximumLineCount { return lastContentEnd }
            if extent == .statement, endsStatement(text) { return lastContentEnd }
            return !line.isFirst && opensBlock == true && isClosing ? lastContentEnd : nil
        }

        /// Whether the statement that the cursor's line begins is over.
        private mutating func endsStatement(_ text: ArraySlice<UInt8>) -> Bool {
            if StopRules.opensBlock(text) {
                extent = .block
                return false
            }
            let openCount = surroundings.openBracketCount + surroundings.brackets.balance
            return openCount <= 0 && !isContinued
        }

        /// Whether the line ends in an operator that needs another side.
        private var isContinued: Bool {
            guard let last = line.lastContent else { return false }
            switch last {
            case UInt8(ascii: "="), UInt8(ascii: "&"), UInt8(ascii: "|"), UInt8(ascii: ","), UInt8(ascii: "\\"):
                return true
            case UInt8(ascii: ">"):
                return line.lastButOne == UInt8(ascii: "=") || line.lastButOne == UInt8(ascii: "-")
            default:
                return false
            }
        }

        /// A closing bracket back at the base, unless its line opens the next part, as in `} else {`.
        private var isClosing: Bool {
            guard line.indentation == baseIndentation, let first = line.firstContent,
                let last = line.lastContent
            else { return false }
            return TextLines.closingBrackets.contains(first) && !TextLines.openingBrackets.contains(last)
        }

        /// At an opening bracket: the end of the first of several equal pieces that open brackets within each other,
        /// once there is one too many of them.
        private func nestedRepetitionEnd(_ byte: UInt8, in generated: [UInt8]) -> Int? {
            guard TextLines.openingBrackets.contains(byte) else { return nil }
            let text = generated[lineStart...byteCount]
            for length in StopRules.nestedPieceByteCounts {
                let count = StopRules.maximumNestedRepetitionCount * length
                guard text.count >= count + length else { break }
                let pieces = text.suffix(count + length)
                guard pieces.dropFirst(length).elementsEqual(pieces.dropLast(length)) else { continue }
                let piece = pieces.prefix(length)
                let openers = piece.count { TextLines.openingBrackets.contains($0) }
                let closers = piece.count { TextLines.closingBrackets.contains($0) }
                guard openers > closers, piece.contains(where: TextLines.isWordByte) else { continue }
                return pieces.startIndex + length
            }
            return nil
        }

        // MARK: Lines that are there already

        private func repeatsFollowingLine(_ text: ArraySlice<UInt8>) -> Bool {
            guard let following = surroundings.followingLine else { return false }
            let whole = TextLines.trimmingEnd(text)
            guard line.isFirst else { return whole.elementsEqual(following) }
            guard let cursorLine = surroundings.cursorLine,
                cursorLine.count + whole.count == following.count, !whole.isEmpty
            else { return false }
            return following.starts(with: cursorLine) && following.dropFirst(cursorLine.count).elementsEqual(whole)
        }

        /// Where the same line, or the same two or three lines, begin to come again.
        private func repetitionEnd(_ text: ArraySlice<UInt8>, in generated: [UInt8]) -> Int? {
            guard StopRules.isDistinctive(text) else { return nil }
            let lines = contentLines + [text.indices]
            for period in 1...3 where lines.count >= 2 * period {
                let first = lines[(lines.count - 2 * period)..<(lines.count - period)]
                let isSame = zip(first, lines.suffix(period)).allSatisfy {
                    generated[$0].elementsEqual(generated[$1])
                }
                if isSame { return first.last?.upperBound }
            }
            return nil
        }
    }
}
