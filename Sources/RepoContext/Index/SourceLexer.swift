// Cuts source text into identifiers, strings and punctuation, over bytes and without a grammar. It knows just
// enough of comments and quotes not to take their words for code. It never fails: what it does not understand
// it passes over, and an unterminated quote ends with its line.

/// One token.
struct SourceToken {
    enum Kind: Equatable {
        case identifier
        case number
        /// The text between the quotes is [start, end).
        case string
        case punctuation(UInt8)
    }

    var kind: Kind
    /// Byte offsets in the text.
    var start: Int
    var end: Int
    /// Line, 0-based.
    var line: Int
    /// Bytes of the line before the token.
    var column: Int
    /// True for the first token of its line.
    var isFirstOnLine: Bool
    /// `identifierHash` of an identifier, else 0.
    var hash: UInt64

    func isPunctuation(_ character: Unicode.Scalar) -> Bool { kind == .punctuation(UInt8(ascii: character)) }
}

/// A cursor over a text.
struct SourceLexer {
    private let bytes: [UInt8]
    private let language: SourceLanguage
    private var position = 0
    private var line = 0
    private var lineStart = 0
    private var lastTokenLine = -1

    init(_ bytes: [UInt8], language: SourceLanguage) {
        self.bytes = bytes
        self.language = language
    }

    /// All tokens of a text.
    static func tokens(_ bytes: [UInt8], language: SourceLanguage) -> [SourceToken] {
        var lexer = SourceLexer(bytes, language: language)
        var tokens: [SourceToken] = []
        tokens.reserveCapacity(bytes.count / 6)
        while let token = lexer.next() { tokens.append(token) }
        return tokens
    }

    /// The next token; nil at the end.
    mutating func next() -> SourceToken? {
        while position < bytes.count {
            let byte = bytes[position]
            if byte == 0x0A {
                position += 1
                startLine()
            } else if byte <= 0x20 {
                position += 1
            } else if skipComment(byte) {
                continue
            } else if byte.isIdentifierStart {
                return word()
            } else if byte >= 0x30 && byte <= 0x39 {
                return number()
            } else if let token = string(byte) {
                return token
            } else {
                position += 1
                return token(.punctuation(byte), from: position - 1, to: position)
            }
        }
        return nil
    }

    private mutating func startLine() {
        line += 1
        lineStart = position
    }

    private mutating func token(_ kind: SourceToken.Kind, from start: Int, to end: Int, hash: UInt64 = 0)
        -> SourceToken
    {
        defer { lastTokenLine = line }
        return SourceToken(
            kind: kind, start: start, end: end, line: line, column: max(0, start - lineStart),
            isFirstOnLine: lastTokenLine != line, hash: hash
        )
    }

    private mutating func word() -> SourceToken {
        let start = position
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        while position < bytes.count, bytes[position].isIdentifierByte {
            hash = (hash ^ UInt64(bytes[position])) &* 0x100_0000_01B3
            position += 1
        }
        return token(.identifier, from: start, to: position, hash: hash)
    }

    private mutating func number() -> SourceToken {
        let start = position
        while position < bytes.count, bytes[position].isIdentifierByte || bytes[position] == UInt8(ascii: ".")
        {
            position += 1
        }
        return token(.number, from: start, to: position)
    }

    private func byte(at offset: Int) -> UInt8 {
        position + offset < bytes.count ? bytes[position + offset] : 0
    }

    private mutating func skipComment(_ first: UInt8) -> Bool {
        let slash = UInt8(ascii: "/")
        let star = UInt8(ascii: "*")
        let isLineComment =
            (first == UInt8(ascii: "#") && language.hasHashComments)
            || (first == slash && byte(at: 1) == slash && language.hasSlashComments)
        if isLineComment {
            while position < bytes.count, bytes[position] != 0x0A { position += 1 }
            return true
        }
        guard first == slash, byte(at: 1) == star, language.hasSlashComments else { return false }
        position += 2
        while position < bytes.count, !(bytes[position] == star && byte(at: 1) == slash) { advanceOverText() }
        position = min(bytes.count, position + 2)
        return true
    }

    /// One byte forward inside a comment or a string over several lines.
    private mutating func advanceOverText() {
        position += 1
        if bytes[position - 1] == 0x0A { startLine() }
    }

    /// A string that begins here, or nil when this byte begins none.
    private mutating func string(_ quote: UInt8) -> SourceToken? {
        let isDouble = quote == UInt8(ascii: "\"")
        let isSingle = quote == UInt8(ascii: "'")
        let isBack = quote == UInt8(ascii: "`") && language.hasBackquotedStrings
        guard isDouble || isSingle || isBack else { return nil }
        if isSingle, !language.hasSingleQuotedStrings { return character() }
        let isTriple =
            language.hasTripleQuotedStrings && !isBack && byte(at: 1) == quote && byte(at: 2) == quote
        var result = token(.string, from: position, to: position)
        position += isTriple ? 3 : 1
        result.start = position
        while position < bytes.count {
            let byte = bytes[position]
            if byte == quote, !isTriple || (self.byte(at: 1) == quote && self.byte(at: 2) == quote) { break }
            if byte == 0x0A, !isTriple, !isBack { break }
            if byte == UInt8(ascii: "\\"), position + 1 < bytes.count, bytes[position + 1] != 0x0A {
                position += 1
            }
            advanceOverText()
        }
        position = min(position, bytes.count)
        result.end = position
        if position < bytes.count, bytes[position] == quote { position += isTriple ? 3 : 1 }
        return result
    }

    /// 'x' or '\n' is passed as punctuation so that a quote in it begins no string; a lone ' is a Rust
    /// lifetime.
    private mutating func character() -> SourceToken {
        let start = position
        // Longest: '\u{10FFFF}', twelve bytes.
        var end = start + (byte(at: 1) == UInt8(ascii: "\\") ? 3 : 2)
        while end < min(bytes.count, start + 12), bytes[end] != UInt8(ascii: "'"), bytes[end] >= 0x20 {
            end += 1
        }
        let isClosed = end < bytes.count && bytes[end] == UInt8(ascii: "'")
        // 'a, 'b is a list of lifetimes, not a character: only one character or an escape may stand inside.
        let isPlausible = byte(at: 1) == UInt8(ascii: "\\") || byte(at: 1) >= 0x80 || end == start + 2
        position = isClosed && isPlausible ? end + 1 : start + 1
        return token(.punctuation(UInt8(ascii: "'")), from: start, to: position)
    }
}
