// Which brackets are open in a piece of code. It knows strings and comments as far as one line shows them, and no
// grammar: a rare miscount leaves a bracket too many or too few, which the user sees.

/// Numbers of brackets by their kind.
struct BracketCounts: Equatable, Sendable {
    var round = 0
    var square = 0
    var curly = 0

    /// By the closing bracket; 0 for any other byte.
    subscript(_ closer: UInt8) -> Int {
        get {
            switch closer {
            case UInt8(ascii: ")"): round
            case UInt8(ascii: "]"): square
            case UInt8(ascii: "}"): curly
            default: 0
            }
        }
        set {
            switch closer {
            case UInt8(ascii: ")"): round = newValue
            case UInt8(ascii: "]"): square = newValue
            case UInt8(ascii: "}"): curly = newValue
            default: break
            }
        }
    }

    var total: Int { round + square + curly }

    /// Never below zero.
    func subtracting(_ other: BracketCounts) -> BracketCounts {
        BracketCounts(
            round: max(0, round - other.round), square: max(0, square - other.square),
            curly: max(0, curly - other.curly))
    }

    /// Takes one away; false where there is none.
    mutating func take(_ closer: UInt8) -> Bool {
        guard self[closer] > 0 else { return false }
        self[closer] -= 1
        return true
    }
}

/// Reads code byte by byte.
struct BracketScan: Sendable {
    /// Deeper nesting is not told apart.
    private static let maximumDepth = 256

    /// Opening brackets without their closing ones, the innermost last.
    private var open: [UInt8] = []
    /// Opening brackets less closing ones, matched or not.
    private(set) var balance = 0
    private var quote: UInt8?
    private var isEscaped = false
    private var isComment = false
    private var previous: UInt8 = 0
    private let commentsBeginWithHash: Bool
    private let usesApostrophes: Bool

    init(languageID: String) {
        commentsBeginWithHash = Self.hashLanguages.contains(languageID)
        usesApostrophes = !Self.apostropheLanguages.contains(languageID)
    }

    // By the editors' names for languages, and by file extensions where nobody says the name.

    /// Apostrophes there are lifetimes, type variables or quotations.
    private static let apostropheLanguages: Set<String> = [
        "rust", "rs", "ocaml", "ml", "fsharp", "fs", "haskell", "hs", "lisp", "el", "scheme", "scm", "clojure", "clj",
    ]

    private static let hashLanguages: Set<String> = [
        "python", "ruby", "perl", "r", "julia", "elixir", "shellscript", "sh", "bash", "zsh", "fish", "yaml",
        "toml", "makefile", "make", "dockerfile", "nim", "cmake", "awk", "tcl", "py", "pyi", "rb", "pl", "jl", "ex",
        "exs", "yml", "mk",
    ]

    /// Takes one byte; a closing bracket that closes nothing read so far.
    @discardableResult
    mutating func advance(over byte: UInt8) -> UInt8? {
        defer { previous = byte }
        if TextLines.isLineBreak(byte) {
            (quote, isEscaped, isComment) = (nil, false, false)
            return nil
        }
        if isComment { return nil }
        if let quote {
            if isEscaped {
                isEscaped = false
            } else if byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else if byte == quote {
                self.quote = nil
            }
            return nil
        }
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "`"):
            quote = byte
        case UInt8(ascii: "'"):
            if usesApostrophes, !TextLines.isWordByte(previous) { quote = byte }
        case UInt8(ascii: "#"):
            isComment = commentsBeginWithHash
        case UInt8(ascii: "/"):
            isComment = !commentsBeginWithHash && previous == byte
        case UInt8(ascii: "("), UInt8(ascii: "["), UInt8(ascii: "{"):
            balance += 1
            if open.count < Self.maximumDepth { open.append(byte) }
        case UInt8(ascii: ")"), UInt8(ascii: "]"), UInt8(ascii: "}"):
            balance -= 1
            guard open.last == Self.opener(of: byte) else { return byte }
            open.removeLast()
        default:
            break
        }
        return nil
    }

    /// ")" follows "(" at once in ASCII; the other two pairs have one character between.
    private static func opener(of closer: UInt8) -> UInt8 {
        closer == UInt8(ascii: ")") ? closer - 1 : closer - 2
    }

    /// What is open.
    var openCounts: BracketCounts {
        var counts = BracketCounts()
        for opener in open { counts[opener == UInt8(ascii: "(") ? opener + 1 : opener + 2] += 1 }
        return counts
    }

    /// This scan behind a text.
    func after(_ text: ArraySlice<UInt8>) -> BracketScan {
        var scan = self
        for byte in text { scan.advance(over: byte) }
        return scan
    }

    /// Closing brackets of a text that close nothing in it.
    func unmatched(in text: ArraySlice<UInt8>) -> BracketCounts {
        var scan = self
        var counts = BracketCounts()
        for byte in text {
            if let closer = scan.advance(over: byte) { counts[closer] += 1 }
        }
        return counts
    }

    /// A scan that goes on in the string or comment that this one is in, with no bracket open.
    func ofNextText() -> BracketScan {
        var scan = self
        scan.open = []
        scan.balance = 0
        return scan
    }
}
