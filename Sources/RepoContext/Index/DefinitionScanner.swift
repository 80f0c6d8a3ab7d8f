// Finds the names that a source file defines, over tokens and without a grammar: words such as `def` or
// `struct` followed by a name, and in the C family the shape `Type name(`. It misses some definitions and
// invents a few; both only move a score.

/// A name that a file defines.
package struct Definition: Hashable, Sendable {
    /// `identifierHash` of the name.
    package var name: UInt64
    /// Line of the name, 0-based.
    package var line: Int32
}

/// One pass over a file's tokens.
struct DefinitionScanner {
    /// Definitions kept per file; a file with more is a table, and its first names describe it.
    static let maximumCount = 2_000

    private let language: SourceLanguage
    private let definingWords: Set<UInt64>
    private let valueWords: Set<UInt64>
    private(set) var definitions: [Definition] = []

    private enum Expectation { case nothing, name }
    private var pendingName: SourceToken?
    private var isReceiverPossible = false
    private var isAnnotationName = false
    private var expectation = Expectation.nothing
    private var braceDepth = 0
    private var parenDepth = 0
    /// Depth of the parentheses after Go's `type (`, `const (`, `var (`; -1 outside.
    private var groupDepth = -1
    /// True from a definition's word to its name while parentheses or angle brackets come first
    /// (a Go receiver, Kotlin's type parameters).
    private var skipDepth = 0
    private var previous: SourceToken?
    /// In the C family: the statement so far is only names and * & < > : ,
    private var isPlainStatement = true
    private var statementNameCount = 0
    private var attributeDepth = 0
    private var directiveLine = -1

    private static let wordMut = hash("mut")
    private static let wordDefine = hash("define")
    private static let statementWords: Set<UInt64> = Set(
        [
            "if", "while", "for", "switch", "return", "else", "new", "throw", "case", "await", "using",
            "lock", "do",
            "catch", "sizeof", "delete", "goto", "yield", "import", "package",
        ].map(hash))
    private static let wordInterface = hash("interface")

    private static func hash(_ word: String) -> UInt64 { identifierHash(Array(word.utf8)[...]) }

    private init(language: SourceLanguage) {
        self.language = language
        definingWords = language.definingWords
        valueWords = language.definingValueWords
    }

    /// The definitions of a file in the order of the text, each name once.
    static func definitions(in bytes: [UInt8], language: SourceLanguage) -> [Definition] {
        definitions(in: SourceLexer.tokens(bytes, language: language), language: language)
    }

    /// The same from a file's tokens.
    static func definitions(in tokens: [SourceToken], language: SourceLanguage) -> [Definition] {
        var scanner = DefinitionScanner(language: language)
        for token in tokens where scanner.definitions.count < maximumCount { scanner.take(token) }
        var seen = Set<UInt64>()
        return scanner.definitions.filter { seen.insert($0.name).inserted }
    }

    private mutating func take(_ token: SourceToken) {
        defer { previous = token }
        if language == .c, isInDirective(token) { return }
        if language.definesByCallShape, isInAttribute(token) { return }
        if groupDepth >= 0, parenDepth == groupDepth, token.isFirstOnLine, token.kind == .identifier {
            define(token)
        }
        switch token.kind {
        case .identifier:
            takeIdentifier(token)
        case .punctuation(let byte):
            takePunctuation(byte, token)
        case .number, .string:
            expectation = .nothing
            isPlainStatement = false
        }
    }

    private mutating func define(_ token: SourceToken) {
        guard token.end - token.start >= 2, !SourceLanguage.reservedWords.contains(token.hash) else { return }
        definitions.append(Definition(name: token.hash, line: Int32(clamping: token.line)))
    }

    private mutating func takeIdentifier(_ token: SourceToken) {
        statementNameCount += 1
        if DefinitionScanner.statementWords.contains(token.hash) { isPlainStatement = false }
        if definingWords.contains(token.hash), skipDepth == 0, !isMember {
            expectation = .name
            return
        }
        if valueWords.contains(token.hash), braceDepth <= language.definingValueDepth, parenDepth == 0,
            !isMember
        {
            expectation = .name
            return
        }
        if expectation == .name, skipDepth == 0 {
            if token.hash == DefinitionScanner.wordMut { return }
            // `struct Foo *x` uses Foo: in C a name counts only before a body, decided by the next sign.
            if language == .c {
                pendingName = token
                expectation = .nothing
            } else {
                define(token)
                isReceiverPossible = language == .kotlin
                expectation = .nothing
                return
            }
        } else if pendingName != nil, language == .c {
            pendingName = token  // `class API_MACRO Name {`
        } else if language == .python, token.isFirstOnLine, token.column == 0 {
            pendingName = token
        }
        isReceiverPossible = false
    }

    /// After a dot a word is a member's name: `x.type`, `Foo.class`.
    private var isMember: Bool { previous?.isPunctuation(".") ?? false }

    private mutating func takePunctuation(_ byte: UInt8, _ token: SourceToken) {
        settlePendingName(byte)
        defer { isReceiverPossible = false }
        switch byte {
        case UInt8(ascii: "{"):
            braceDepth += 1
            startStatement()
        case UInt8(ascii: "}"):
            braceDepth = max(0, braceDepth - 1)
            startStatement()
        case UInt8(ascii: ";"):
            startStatement()
        case UInt8(ascii: "("):
            openParenthesis()
        case UInt8(ascii: ")"):
            parenDepth = max(0, parenDepth - 1)
            skipDepth = max(0, skipDepth - 1)
            if parenDepth < groupDepth { groupDepth = -1 }
            isPlainStatement = false
        case UInt8(ascii: "<"):
            if expectation == .name || skipDepth > 0 { skipDepth += 1 }
        case UInt8(ascii: ">"):
            skipDepth = max(0, skipDepth - 1)
        case UInt8(ascii: "*"), UInt8(ascii: "&"), UInt8(ascii: ":"), UInt8(ascii: ","), UInt8(ascii: "["),
            UInt8(ascii: "]"), UInt8(ascii: "~"), UInt8(ascii: "?"), UInt8(ascii: "!"):
            break
        case UInt8(ascii: "."):
            // Kotlin's `fun Type.name(`: what was taken for the name is the receiver; the next one follows.
            if isReceiverPossible {
                if definitions.last?.name == previous?.hash { definitions.removeLast() }
                expectation = .name
            }
        default:
            if expectation == .name, skipDepth == 0 { expectation = .nothing }
            isPlainStatement = false
        }
    }

    private mutating func openParenthesis() {
        parenDepth += 1
        if expectation == .name {
            // `func (receiver) name`, or the group `type (` … `)`.
            let isGroup =
                language == .go && previous.map { valueWords.contains($0.hash) || isTypeWord($0) } ?? false
            if isGroup {
                groupDepth = parenDepth
                expectation = .nothing
            } else {
                skipDepth += 1
            }
        } else if skipDepth > 0 {
            skipDepth += 1
        } else if language.definesByCallShape, isPlainStatement, statementNameCount >= 2, let name = previous,
            name.kind == .identifier, parenDepth == 1
        {
            define(name)
        }
        isPlainStatement = false
    }

    private static let wordType = hash("type")
    private func isTypeWord(_ token: SourceToken) -> Bool { token.hash == DefinitionScanner.wordType }

    private mutating func startStatement() {
        isPlainStatement = true
        statementNameCount = 0
        parenDepth = groupDepth >= 0 ? parenDepth : 0
        skipDepth = 0
        expectation = .nothing
    }

    /// A name whose meaning the next sign decides: Python's `NAME =` at the left margin, C's `struct NAME {`.
    private mutating func settlePendingName(_ byte: UInt8) {
        guard let name = pendingName else { return }
        pendingName = nil
        let isDefinition =
            language == .python
            ? byte == UInt8(ascii: "=") || byte == UInt8(ascii: ":")
            : byte == UInt8(ascii: "{") || byte == UInt8(ascii: ":") || byte == UInt8(ascii: "<")
        if isDefinition { define(name) }
    }

    /// Preprocessor lines define by `#define NAME` and are otherwise passed over.
    private mutating func isInDirective(_ token: SourceToken) -> Bool {
        if token.isPunctuation("#"), token.isFirstOnLine {
            directiveLine = token.line
            return true
        }
        guard token.line == directiveLine else { return false }
        if token.isPunctuation("\\") { directiveLine += 1 }
        if previous?.hash == DefinitionScanner.wordDefine, token.kind == .identifier { define(token) }
        return true
    }

    /// `@Name(…)` in Java and `[Name(…)]` in C# before a declaration.
    private mutating func isInAttribute(_ token: SourceToken) -> Bool {
        let isOpener = token.isPunctuation("(") || token.isPunctuation("[")
        let isCloser = token.isPunctuation(")") || token.isPunctuation("]")
        if attributeDepth > 0 {
            attributeDepth += isOpener ? 1 : isCloser ? -1 : 0
            return true
        }
        if language == .java {
            let isName = token.kind == .identifier && token.hash != DefinitionScanner.wordInterface
            let followsName = isAnnotationName
            isAnnotationName =
                token.isPunctuation("@") || (followsName && token.isPunctuation("."))
                || (isName && ((previous?.isPunctuation("@") ?? false) || (followsName && isMember)))
            if followsName, token.isPunctuation("(") { attributeDepth = 1 }
            return isAnnotationName || attributeDepth > 0
        }
        if language == .cSharp, token.isPunctuation("["), token.isFirstOnLine {
            attributeDepth = 1
            return true
        }
        return false
    }
}
