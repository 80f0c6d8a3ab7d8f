// Places in one source text where a completion could be asked for, and what stands there: the rest of a line, a line,
// a span, a block, a function's body. Comments, imports and lines without a name in them are passed over. The finding
// is by words and indentation, not by grammar, and says so little that it works for every language the scanners know.

import RepoContext

/// A place: the text in `range` is what is expected.
struct CursorPlace: Equatable {
    let kind: CaseKind
    let range: Range<Int>
    /// Line of the cursor, 0-based.
    let line: Int
}

/// Finds places in one text.
struct CursorFinder {
    /// Longest block in lines: what the daemon shows at most.
    static let blockLineCounts = 2...12
    /// Longer lines are data.
    static let maximumLineByteCount = 240
    /// Letters and digits that an expected text has at least.
    static let minimumContentByteCount = 3

    private static let importWords: Set<String> = [
        "import", "from", "use", "using", "package", "include", "require", "extern", "module",
    ]
    private static let typeWords: Set<String> = [
        "class", "struct", "enum", "interface", "protocol", "trait", "impl", "extension", "namespace",
        "module",
        "union", "record", "mod", "type",
    ]

    private let text: [UInt8]
    private let seed: UInt64
    private let lineRanges: [Range<Int>]
    private let outline: SourceOutline
    /// Places in `outline.tokens` of each line that has tokens.
    private let tokensByLine: [Int: Range<Int>]

    init(_ text: [UInt8], language: SourceLanguage, seed: UInt64) {
        self.text = text
        self.seed = seed
        lineRanges = LineRanges.of(text)
        outline = SourceOutline(text, language: language)
        var byLine: [Int: Range<Int>] = [:]
        for (place, token) in outline.tokens.enumerated() {
            byLine[token.line] = (byLine[token.line]?.lowerBound ?? place)..<(place + 1)
        }
        tokensByLine = byLine
    }

    /// All places of the wanted kinds, at most one of a kind per line, within `lines` (nil: all).
    func places(kinds: Set<CaseKind>, lines: Range<Int>? = nil) -> [CursorPlace] {
        var found: [CursorPlace] = []
        for line in (lines ?? 0..<lineRanges.count).clamped(to: 0..<lineRanges.count) where isCode(line) {
            if kinds.contains(.line) { add(wholeLine(line), .line, line, to: &found) }
            if kinds.contains(.restOfLine) { add(restOfLine(line), .restOfLine, line, to: &found) }
            if kinds.contains(.span) { add(span(line), .span, line, to: &found) }
            let blockKind: CaseKind = opensFunction(line) ? .functionBody : .block
            if kinds.contains(blockKind), let range = block(below: line) {
                add(range, blockKind, line + 1, to: &found)
            }
        }
        guard let lines else { return found }
        let end = lines.upperBound < lineRanges.count ? lineRanges[lines.upperBound].lowerBound : text.count
        return found.filter { $0.range.upperBound <= end }
    }

    private func add(_ range: Range<Int>?, _ kind: CaseKind, _ line: Int, to found: inout [CursorPlace]) {
        guard let range, hasContent(range) else { return }
        found.append(CursorPlace(kind: kind, range: range, line: line))
    }

    private func hasContent(_ range: Range<Int>) -> Bool {
        text[range].count(where: \.isWordByte) >= Self.minimumContentByteCount
    }

    // MARK: Lines

    /// Code worth asking for: a name in it, no import, no comment beside it, not too long.
    private func isCode(_ line: Int) -> Bool {
        let range = lineRanges[line]
        guard let places = tokensByLine[line], range.count <= Self.maximumLineByteCount,
            let first = outline.tokens[places].first, let last = outline.tokens[places].last,
            outline.tokens[places].contains(where: { $0.kind == .identifier })
        else { return false }
        // What stands before the first token is indentation, behind the last one at most a quote.
        let before = text[range.lowerBound..<first.range.lowerBound]
        let isIndented = before.allSatisfy {
            $0 <= 0x20 || $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "'")
        }
        let end = min(max(last.range.upperBound, range.lowerBound), range.upperBound)
        guard isIndented, last.range.upperBound <= range.upperBound,
            text[end..<range.upperBound].count <= 3,
            !text[end..<range.upperBound].contains(where: \.isWordByte)
        else { return false }
        let firstWord = String(decoding: text[first.range], as: UTF8.self)
        if Self.importWords.contains(firstWord) { return false }
        let second = outline.tokens[places].dropFirst().first
        let isDirective = firstWord == "#" || firstWord == "@"
        return !(isDirective && second.map { Self.importWords.contains(string($0)) } ?? false)
    }

    private func string(_ token: SourceOutline.Token) -> String {
        String(decoding: text[token.range], as: UTF8.self)
    }

    /// Without indentation and trailing blanks.
    private func trimmed(_ line: Int) -> Range<Int> {
        var range = lineRanges[line]
        while let first = text[range].first, first == 0x20 || first == 0x09 {
            range = (range.lowerBound + 1)..<range.upperBound
        }
        while let last = text[range].last, last == 0x20 || last == 0x09 || last == 0x0D {
            range = range.lowerBound..<(range.upperBound - 1)
        }
        return range
    }

    private func wholeLine(_ line: Int) -> Range<Int>? { trimmed(line) }

    private func draw(_ line: Int, _ purpose: String, below bound: Int) -> Int {
        var hash = StableHash(seed: seed)
        hash.add(purpose)
        hash.add(text[lineRanges[line]])
        hash.add("\(line)")
        var random = StableRandom(seed: hash.value)
        return random.next(below: max(1, bound))
    }

    private func restOfLine(_ line: Int) -> Range<Int>? {
        let range = trimmed(line)
        guard let places = tokensByLine[line], places.count >= 2 else { return nil }
        let candidates = outline.tokens[places].dropFirst().filter { $0.kind != .string }
        guard !candidates.isEmpty else { return nil }
        let token = candidates[candidates.startIndex + draw(line, "rest", below: candidates.count)]
        var start = token.range.lowerBound
        // People also stop inside a name; three times in ten a case does.
        if token.kind == .identifier, token.range.count > 2, draw(line, "inside", below: 10) < 3 {
            start += 1 + draw(line, "letter", below: token.range.count - 1)
            while start < token.range.upperBound, text[start] & 0xC0 == 0x80 { start += 1 }
        }
        return start < range.upperBound ? start..<range.upperBound : nil
    }

    private func span(_ line: Int) -> Range<Int>? {
        guard let places = tokensByLine[line], places.count >= 6 else { return nil }
        let tokens = Array(outline.tokens[places])
        let first = 1 + draw(line, "first", below: tokens.count - 3)
        let most = min(6, tokens.count - 1 - first)
        let last = first + draw(line, "last", below: most)
        guard tokens[first...last].allSatisfy({ $0.kind != .string }), last < tokens.count - 1 else {
            return nil
        }
        return tokens[first].range.lowerBound..<tokens[last].range.upperBound
    }

    // MARK: Blocks

    private func indentation(_ line: Int) -> Int {
        text[lineRanges[line]].prefix { $0 == 0x20 || $0 == 0x09 }.count
    }

    private func isBlank(_ line: Int) -> Bool { trimmed(line).isEmpty }

    /// The deeper lines below a line that ends in `{` or `:`, up to the end of the last one.
    private func block(below line: Int) -> Range<Int>? {
        guard let last = text[trimmed(line)].last, last == UInt8(ascii: "{") || last == UInt8(ascii: ":"),
            line + 1 < lineRanges.count, !isBlank(line + 1)
        else { return nil }
        let base = indentation(line)
        let allowsBlankLines = opensFunction(line)
        var end = line
        var next = line + 1
        while next < lineRanges.count, next - line <= Self.blockLineCounts.upperBound + 1 {
            if isBlank(next) {
                guard allowsBlankLines else { break }
            } else if indentation(next) > base {
                end = next
            } else {
                break
            }
            next += 1
        }
        guard Self.blockLineCounts.contains(end - line) else { return nil }
        return trimmed(line + 1).lowerBound..<trimmed(end).upperBound
    }

    /// Whether the line, or the line whose arguments it closes, defines a function.
    private func opensFunction(_ line: Int) -> Bool {
        var line = line
        if text[trimmed(line)].first == UInt8(ascii: ")") {
            let base = indentation(line)
            var above = line - 1
            while above > 0, line - above < 20, isBlank(above) || indentation(above) > base { above -= 1 }
            line = max(0, above)
        }
        guard outline.definitionLines.binarySearchContains(line),
            text[trimmed(line)].contains(UInt8(ascii: "(")),
            let places = tokensByLine[line]
        else { return false }
        return !outline.tokens[places].contains {
            $0.kind == .reservedWord && Self.typeWords.contains(string($0))
        }
    }
}

/// Lines of a text without their line feeds.
enum LineRanges {
    static func of(_ text: [UInt8]) -> [Range<Int>] {
        var ranges: [Range<Int>] = []
        var start = 0
        while let lineFeed = text[start...].firstIndex(of: 0x0A) {
            ranges.append(start..<lineFeed)
            start = lineFeed + 1
        }
        if start < text.count { ranges.append(start..<text.count) }
        return ranges
    }
}

extension UInt8 {
    /// A letter, a digit, or part of a character beyond ASCII.
    var isWordByte: Bool {
        (0x30...0x39).contains(self) || (0x41...0x5A).contains(self) || (0x61...0x7A).contains(self)
            || self >= 0x80
    }
}

extension [Int] {
    /// Whether an ascending array holds the value.
    func binarySearchContains(_ value: Int) -> Bool {
        var low = 0
        var high = count
        while low < high {
            let middle = low + (high - low) / 2
            if self[middle] < value { low = middle + 1 } else { high = middle }
        }
        return low < count && self[low] == value
    }
}
