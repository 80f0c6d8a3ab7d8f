// A text cut into snippets that make sense alone: a definition with its doc comment, a class head with its fields, a
// stretch of plain statements. Cut by lines and indentation, without a grammar; every line is in exactly one snippet.
// Made when a file becomes a candidate and kept as long as the file stays the same.

/// One run of whole lines.
package struct Snippet: Sendable, Equatable {
    /// Lines, 0-based.
    package var lines: Range<Int>
    /// The same in bytes of the text.
    var bytes: Range<Int>
    /// Bytes of the doc comment and signature of the definition that it begins with; empty when it begins with none.
    var signature: Range<Int>
    /// Lines of `signature`.
    var signatureLines: Range<Int>
    /// Distinct identifiers as `identifierTerm`, rising.
    var terms: [UInt32]
    /// Those of them that it defines, rising.
    var defined: [UInt32]
    /// Distinct pairs of words that follow one another, as `wordPair`, rising; the first ones of very many.
    var pairs: [UInt32]
}

/// The snippets of one text.
struct SnippetOutline {
    /// A snippet ends at a definition, once it has this many lines.
    static let minimumLineCount = 6
    /// A longer definition is cut, at an empty line where there is one in the last third.
    static let maximumLineCount = 40
    /// Lines of comments, decorators and attributes that are taken to belong to the definition below.
    static let maximumLeadLineCount = 12
    /// Pairs of words of one snippet: three times what 40 lines of dense code have. Generated files have lines of any
    /// length.
    static let maximumPairCount = 1_024
    /// Lines of a signature at most: more parameters than that say no more.
    static let maximumSignatureLineCount = 8

    let text: [UInt8]
    let snippets: [Snippet]

    init(_ text: [UInt8], language: SourceLanguage) {
        self.text = text
        let tokens = SourceLexer.tokens(text, language: language)
        let definitions =
            language == .plainText ? [] : DefinitionScanner.definitions(in: tokens, language: language)
        let lines = LineStarts(text)
        let cutter = Cutter(lines: lines, text: text)
        let starts = cutter.leads(of: definitions.map { Int($0.line) })
        let ranges = cutter.ranges(startingAt: starts)
        snippets = SnippetOutline.filled(ranges, tokens: tokens, definitions: definitions, cutter: cutter)
    }

    /// Adds to each range of lines what it holds.
    private static func filled(
        _ ranges: [Range<Int>], tokens: [SourceToken], definitions: [Definition], cutter: Cutter
    ) -> [Snippet] {
        let definitions = definitions.sorted { $0.line < $1.line }
        var tokenPlace = 0
        var definitionPlace = 0
        return ranges.map { lines in
            var terms: [UInt32] = []
            var pairs: [UInt32] = []
            var last: UInt64?
            while tokenPlace < tokens.count, tokens[tokenPlace].line < lines.upperBound {
                let token = tokens[tokenPlace]
                if token.kind == .identifier {
                    if token.end - token.start >= 2 { terms.append(identifierTerm(token.hash)) }
                    if let last, pairs.count < maximumPairCount { pairs.append(wordPair(last, token.hash)) }
                    last = token.hash
                }
                tokenPlace += 1
            }
            var defined: [UInt32] = []
            var first: Int?
            while definitionPlace < definitions.count, definitions[definitionPlace].line < lines.upperBound {
                let definition = definitions[definitionPlace]
                first = first ?? Int(definition.line)
                defined.append(identifierTerm(definition.name))
                definitionPlace += 1
            }
            let signature =
                first.map { lines.lowerBound..<cutter.signatureEnd(of: $0, before: lines.upperBound) }
                ?? lines.lowerBound..<lines.lowerBound
            return Snippet(
                lines: lines, bytes: cutter.lines.bytes(of: lines),
                signature: cutter.lines.bytes(of: signature),
                signatureLines: signature, terms: distinct(terms), defined: distinct(defined),
                pairs: distinct(pairs))
        }
    }

    private static func distinct(_ terms: [UInt32]) -> [UInt32] {
        var result: [UInt32] = []
        for term in terms.sorted() where result.last != term { result.append(term) }
        return result
    }

    /// The snippets that a shown text consists of, whole or by their signatures, in their order; nil where it has
    /// something else. The last one may be cut short: prompts do that.
    func pieces(of shown: [UInt8]) -> [(lines: Range<Int>, isSignature: Bool)]? {
        var pieces: [(lines: Range<Int>, isSignature: Bool)] = []
        var rest = shown[...]
        for snippet in snippets where !rest.isEmpty {
            if rest.starts(with: text[snippet.bytes]) {
                pieces.append((snippet.lines, false))
                rest = rest.dropFirst(snippet.bytes.count)
            } else if !snippet.signature.isEmpty, rest.starts(with: text[snippet.signature]) {
                pieces.append((snippet.signatureLines, true))
                rest = rest.dropFirst(snippet.signature.count)
            } else if text[snippet.bytes].starts(with: rest) {
                pieces.append((snippet.lines, false))
                rest = []
            }
        }
        return rest.isEmpty && !pieces.isEmpty ? pieces : nil
    }

    /// The text of pieces, one after the other.
    func text(of pieces: [(lines: Range<Int>, isSignature: Bool)]) -> [UInt8] {
        let byFirstLine = Dictionary(
            snippets.map { ($0.lines.lowerBound, $0) }, uniquingKeysWith: { first, _ in first })
        return pieces.flatMap { piece -> ArraySlice<UInt8> in
            guard let snippet = byFirstLine[piece.lines.lowerBound] else { return [] }
            return text[piece.isSignature ? snippet.signature : snippet.bytes]
        }
    }

    /// Where the lines of a text begin.
    struct LineStarts {
        /// One more than there are lines; the last is the text's end.
        let offsets: [Int]

        init(_ text: [UInt8]) {
            var offsets = [0]
            for (index, byte) in text.enumerated() where byte == 0x0A { offsets.append(index + 1) }
            if offsets.last != text.count { offsets.append(text.count) }
            self.offsets = offsets
        }

        var count: Int { offsets.count - 1 }

        func bytes(of lines: Range<Int>) -> Range<Int> {
            offsets[lines.lowerBound]..<offsets[lines.upperBound]
        }
    }

    /// Decides where snippets begin and end.
    private struct Cutter {
        let lines: LineStarts
        let text: [UInt8]

        private func content(_ line: Int) -> ArraySlice<UInt8> {
            text[lines.bytes(of: line..<(line + 1))].drop { $0 == 0x20 || $0 == 0x09 }
        }

        private func isBlank(_ line: Int) -> Bool { content(line).allSatisfy { $0 <= 0x20 } }

        /// Comments, decorators, attributes: what stands above a definition and belongs to it.
        private func isLead(_ line: Int) -> Bool {
            let content = content(line)
            guard let first = content.first else { return false }
            switch first {
            case UInt8(ascii: "#"), UInt8(ascii: "@"), UInt8(ascii: "*"): return true
            case UInt8(ascii: "/"):
                return content.dropFirst().first.map { $0 == first || $0 == 0x2A } ?? false
            case UInt8(ascii: "["): return content.contains(UInt8(ascii: "]"))
            default: return content.starts(with: "template".utf8)
            }
        }

        /// The lines at which definitions begin, doc comments included, each once and rising.
        func leads(of definitionLines: [Int]) -> [Int] {
            var starts = Set<Int>()
            for line in definitionLines where line < lines.count {
                var start = line
                while start > 0, line - start < maximumLeadLineCount, isLead(start - 1) { start -= 1 }
                starts.insert(start)
            }
            return starts.sorted()
        }

        /// Cuts all lines at the given starts, small pieces joined and long ones cut.
        func ranges(startingAt starts: [Int]) -> [Range<Int>] {
            guard lines.count > 0 else { return [] }
            var ranges: [Range<Int>] = []
            var start = 0
            for end in starts.filter({ $0 > 0 }) + [lines.count] {
                let isSmall = end - start < minimumLineCount && end < lines.count
                if isSmall || end <= start { continue }
                append(start..<end, to: &ranges)
                start = end
            }
            return ranges
        }

        private func append(_ range: Range<Int>, to ranges: inout [Range<Int>]) {
            var start = range.lowerBound
            while range.upperBound - start > maximumLineCount {
                let latest = start + maximumLineCount
                let earliest = latest - maximumLineCount / 3
                let end = (earliest..<latest).last { isBlank($0) }.map { $0 + 1 } ?? latest
                ranges.append(start..<end)
                start = end
            }
            if start < range.upperBound { ranges.append(start..<range.upperBound) }
        }

        /// The line behind the signature: where its parentheses are closed, with Python's docstring line.
        func signatureEnd(of line: Int, before end: Int) -> Int {
            var depth = 0
            var current = line
            let latest = min(end, line + maximumSignatureLineCount)
            while current < latest {
                for byte in content(current) {
                    if byte == UInt8(ascii: "(") || byte == UInt8(ascii: "[") { depth += 1 }
                    if byte == UInt8(ascii: ")") || byte == UInt8(ascii: "]") { depth -= 1 }
                }
                current += 1
                if depth <= 0 { break }
            }
            if current < latest, content(current).starts(with: "\"\"\"".utf8) { current += 1 }
            return current
        }
    }
}
