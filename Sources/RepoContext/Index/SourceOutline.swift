// Where the words and the definitions of a source text are, for those who choose places in it (evaluation) and not
// files for it. A view over the scanners of this folder: no grammar, so it is right for usual code and never fails.

/// Words and definition lines of one text.
package struct SourceOutline: Sendable {
    /// One token of code; comments have none, a string over several lines is one.
    package struct Token: Sendable, Equatable {
        package enum Kind: Sendable, Equatable {
            /// A name, not a word of the language.
            case identifier
            case reservedWord
            case number
            case string
            case punctuation
        }

        package var kind: Kind
        /// Byte offsets in the text; of a string, without its quotes.
        package var range: Range<Int>
        /// Line of the first byte, 0-based.
        package var line: Int
    }

    package let tokens: [Token]
    /// Lines on which a definition's name stands, ascending, 0-based.
    package let definitionLines: [Int]

    package init(_ text: [UInt8], language: SourceLanguage) {
        tokens = SourceLexer.tokens(text, language: language).map { token in
            let kind: Token.Kind =
                switch token.kind {
                case .identifier:
                    SourceLanguage.reservedWords.contains(token.hash) ? .reservedWord : .identifier
                case .number: .number
                case .string: .string
                case .punctuation: .punctuation
                }
            return Token(kind: kind, range: token.start..<token.end, line: token.line)
        }
        definitionLines = DefinitionScanner.definitions(in: text, language: language).map { Int($0.line) }.sorted()
    }

    /// The names in a text, in its order: words of the languages and those in comments and strings are left out.
    package static func identifiers(in text: [UInt8], language: SourceLanguage) -> [String] {
        SourceOutline(text, language: language).tokens.compactMap { token in
            token.kind == .identifier ? String(decoding: text[token.range], as: UTF8.self) : nil
        }
    }
}
