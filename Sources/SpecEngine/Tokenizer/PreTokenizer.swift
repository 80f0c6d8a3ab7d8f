// Cuts text into the words that byte-pair encoding works on, as GPT-2 and its descendants do. Their expressions, tried
// in order at each position, are
//   qwen2    (?i:'s|'t|'re|'ve|'m|'ll|'d) | [^\r\n\p{L}\p{N}]?\p{L}+ | \p{N} | ␣?[^\s\p{L}\p{N}]+[\r\n]*
//            | \s*[\r\n]+ | \s+(?!\S) | \s+
//   llama3   the same with \p{N}{1,3}
//   gpt2     's|'t|'re|'ve|'m|'ll|'d | ␣?\p{L}+ | ␣?\p{N}+ | ␣?[^\s\p{L}\p{N}]+ | \s+(?!\S) | \s+
//   starcoder  the same after every \p{N} was cut out, so that text ends before a number
// It is a scanner over UTF-8 bytes that looks at most one character ahead, except in white space, where a run
// is looked at as a whole. A byte that is not part of well-formed UTF-8 counts as a character that is neither
// letter, number nor white space. Every byte belongs to exactly one word, so nothing is lost.

/// Gives the words of a text one after the other, as byte ranges.
struct PreTokenizer {
    /// Which of the expressions.
    enum Rules {
        case qwen2
        case llama3
        case gpt2
        case starcoder
    }

    private let text: UnsafeBufferPointer<UInt8>
    private let rules: Rules
    private var position = 0

    /// `text` must outlive the scanner.
    init(_ text: UnsafeBufferPointer<UInt8>, rules: Rules) {
        self.text = text
        self.rules = rules
    }

    enum CharacterClass {
        case letter
        case number
        /// Carriage return or line feed.
        case lineBreak
        /// Any other white space.
        case space
        case other
        case end
    }

    /// The next word; nil at the end of the text.
    mutating func next() -> Range<Int>? {
        guard position < text.count else { return nil }
        let start = position
        switch rules {
        case .qwen2: position = endOfWord(from: start, longestNumber: 1)
        case .llama3: position = endOfWord(from: start, longestNumber: 3)
        case .gpt2, .starcoder: position = endOfGPT2Word(from: start)
        }
        return start..<position
    }

    private func endOfWord(from start: Int, longestNumber: Int) -> Int {
        let (first, second) = character(at: start)
        switch first {
        case .letter:
            return endOfRun(of: .letter, from: second)
        case .number:
            var end = second
            for _ in 1..<longestNumber {
                let (kind, next) = character(at: end)
                guard kind == .number else { break }
                end = next
            }
            return end
        case .other:
            if let end = endOfContraction(from: start) { return end }
            if character(at: second).kind == .letter { return endOfRun(of: .letter, from: second) }
            return endOfOthersAndLineBreaks(from: second)
        case .space:
            let next = character(at: second).kind
            if next == .letter { return endOfRun(of: .letter, from: second) }
            if next == .other && text[start] == UInt8(ascii: " ") {
                return endOfOthersAndLineBreaks(from: second)
            }
            return endOfWhiteSpace(from: start)
        case .lineBreak:
            return endOfWhiteSpace(from: start)
        case .end:
            return start
        }
    }

    private func endOfGPT2Word(from start: Int) -> Int {
        let (first, second) = character(at: start)
        if first == .number && rules == .starcoder { return second }
        switch first {
        case .letter, .number, .other:
            if first == .other, let end = endOfContraction(from: start) { return end }
            return endOfRun(of: first, from: second)
        case .space, .lineBreak:
            let next = character(at: second).kind
            let isJoined =
                next == .letter || next == .other || next == .number && rules != .starcoder
            if isJoined && text[start] == UInt8(ascii: " ") { return endOfRun(of: next, from: second) }
            return endOfPlainWhiteSpace(from: start)
        case .end:
            return start
        }
    }

    // MARK: Runs

    private func endOfRun(of kind: CharacterClass, from start: Int) -> Int {
        var end = start
        while true {
            let (found, next) = character(at: end)
            guard found == kind else { return end }
            end = next
        }
    }

    private func endOfOthersAndLineBreaks(from start: Int) -> Int {
        var end = start
        var (kind, next) = character(at: end)
        while kind == .other {
            end = next
            (kind, next) = character(at: end)
        }
        while kind == .lineBreak {
            end = next
            (kind, next) = character(at: end)
        }
        return end
    }

    /// A run with a line break ends after its last one. Without, it ends before its last character, so that
    /// this one can begin the next word; unless the text ends there or it is the only one.
    private func endOfWhiteSpace(from start: Int) -> Int {
        var end = start
        var lastStart = start
        var lineBreakEnd: Int?
        var (kind, next) = character(at: end)
        while kind == .space || kind == .lineBreak {
            lastStart = end
            end = next
            if kind == .lineBreak { lineBreakEnd = end }
            (kind, next) = character(at: end)
        }
        if let lineBreakEnd { return lineBreakEnd }
        return kind == .end || lastStart == start ? end : lastStart
    }

    /// Line breaks count like other white space: a run ends before its last character, unless the text (or, for
    /// starcoder, the part before a number) ends there or it is the only one.
    private func endOfPlainWhiteSpace(from start: Int) -> Int {
        var end = start
        var lastStart = start
        var (kind, next) = character(at: end)
        while kind == .space || kind == .lineBreak {
            lastStart = end
            end = next
            (kind, next) = character(at: end)
        }
        let isEnd = kind == .end || kind == .number && rules == .starcoder
        return isEnd || lastStart == start ? end : lastStart
    }

    /// `'s`, `'t`, `'re`, `'ve`, `'m`, `'ll`, `'d`; in any case for qwen2 and llama3, where U+017F, the long s, folds
    /// to s.
    private func endOfContraction(from start: Int) -> Int? {
        guard text[start] == UInt8(ascii: "'"), start + 1 < text.count else { return nil }
        let first = text[start + 1]
        let second = start + 2 < text.count ? text[start + 2] : 0
        let ignoresCase = rules == .qwen2 || rules == .llama3
        if ignoresCase && first == 0xC5 && second == 0xBF { return start + 3 }
        let toLower: UInt8 = ignoresCase ? 0x20 : 0
        switch (first | toLower, second | toLower) {
        case (UInt8(ascii: "s"), _), (UInt8(ascii: "t"), _), (UInt8(ascii: "m"), _), (UInt8(ascii: "d"), _):
            return start + 2
        case (UInt8(ascii: "r"), UInt8(ascii: "e")), (UInt8(ascii: "v"), UInt8(ascii: "e")),
            (UInt8(ascii: "l"), UInt8(ascii: "l")):
            return start + 3
        default:
            return nil
        }
    }

    // MARK: Characters

    /// The class of the character at `index` and where the next one starts.
    @inline(__always)
    private func character(at index: Int) -> (kind: CharacterClass, next: Int) {
        guard index < text.count else { return (.end, index) }
        let byte = text[index]
        if byte < 0x80 { return (Self.classOfASCII(byte), index + 1) }
        return wideCharacter(at: index)
    }

    @inline(__always)
    static func classOfASCII(_ byte: UInt8) -> CharacterClass {
        // Setting bit 5 makes capitals small; nothing else becomes a letter by it.
        if byte | 0x20 >= UInt8(ascii: "a") && byte | 0x20 <= UInt8(ascii: "z") { return .letter }
        if byte > 0x20 { return byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") ? .number : .other }
        if byte == 0x20 || byte == 0x09 || byte == 0x0B || byte == 0x0C { return .space }
        return byte == 0x0A || byte == 0x0D ? .lineBreak : .other
    }

    @inline(never)
    private func wideCharacter(at index: Int) -> (kind: CharacterClass, next: Int) {
        guard let (scalar, next) = UTF8Decoder.scalar(in: text, at: index) else { return (.other, index + 1) }
        return (Self.classOf(scalar), next)
    }

    static func classOf(_ scalar: Unicode.Scalar) -> CharacterClass {
        let properties = scalar.properties
        switch properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter:
            return .letter
        case .decimalNumber, .letterNumber, .otherNumber:
            return .number
        case .nonspacingMark, .spacingMark, .enclosingMark, .connectorPunctuation, .dashPunctuation,
            .openPunctuation, .closePunctuation, .initialPunctuation, .finalPunctuation, .otherPunctuation,
            .mathSymbol, .currencySymbol, .modifierSymbol, .otherSymbol, .surrogate, .privateUse, .unassigned:
            return .other
        case .spaceSeparator, .lineSeparator, .paragraphSeparator, .control, .format:
            return properties.isWhitespace ? .space : .other
        @unknown default:
            return .other
        }
    }
}
