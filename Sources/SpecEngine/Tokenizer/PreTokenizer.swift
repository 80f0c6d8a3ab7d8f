// Cuts text into the pieces that byte-pair encoding then works on, exactly as Qwen2's pre-tokenizer does by the
// regular expression
//
//     (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
//
// written out as a scanner over UTF-8 bytes. A byte that is not part of valid UTF-8 counts as one character that is
// neither letter, number nor white space, so any input is cut without loss.

/// A scanner over one text. Every call of `next` returns the end of the next piece.
struct PreTokenizer {
    private enum Class { case letter, number, newline, space, other }

    private let text: UnsafeBufferPointer<UInt8>
    private var position = 0

    init(_ text: UnsafeBufferPointer<UInt8>) { self.text = text }

    /// The next piece's range, nil at the end.
    mutating func next() -> Range<Int>? {
        guard position < text.count else { return nil }
        let start = position
        position =
            contraction(at: start) ?? word(at: start) ?? number(at: start) ?? symbols(at: start)
            ?? whiteSpace(at: start)
        return start..<position
    }

    // MARK: The alternatives, in order

    private func contraction(at start: Int) -> Int? {
        guard text[start] == UInt8(ascii: "'"), start + 1 < text.count else { return nil }
        let first = text[start + 1] | 0x20  // lower case, for ASCII letters
        switch first {
        case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"):
            return isASCIILetter(start + 1) ? start + 2 : nil
        case UInt8(ascii: "r"), UInt8(ascii: "v"), UInt8(ascii: "l"):
            let second = first == UInt8(ascii: "l") ? first : UInt8(ascii: "e")
            guard start + 2 < text.count, isASCIILetter(start + 1), isASCIILetter(start + 2),
                text[start + 2] | 0x20 == second
            else { return nil }
            return start + 3
        default:
            // U+017F, the long s, is a case variant of s.
            let isLongS = start + 2 < text.count && text[start + 1] == 0xC5 && text[start + 2] == 0xBF
            return isLongS ? start + 3 : nil
        }
    }

    private func word(at start: Int) -> Int? {
        let (first, afterFirst) = character(at: start)
        var end = afterFirst
        switch first {
        case .letter: break
        case .number, .newline: return nil
        case .space, .other:
            guard end < text.count, character(at: end).0 == .letter else { return nil }
        }
        while end < text.count {
            let (kind, next) = character(at: end)
            guard kind == .letter else { break }
            end = next
        }
        return end
    }

    private func number(at start: Int) -> Int? {
        let (kind, end) = character(at: start)
        return kind == .number ? end : nil
    }

    private func symbols(at start: Int) -> Int? {
        var end = text[start] == UInt8(ascii: " ") ? start + 1 : start
        let firstSymbol = end
        while end < text.count {
            let (kind, next) = character(at: end)
            guard kind == .other else { break }
            end = next
        }
        guard end > firstSymbol else { return nil }
        while end < text.count, text[end] == 0x0A || text[end] == 0x0D { end += 1 }
        return end
    }

    /// The three white-space alternatives: up to the last line break; else all but the last character when text
    /// follows; else all.
    private func whiteSpace(at start: Int) -> Int {
        var end = start
        var lastStart = start
        var afterLineBreak: Int?
        while end < text.count {
            let (kind, next) = character(at: end)
            guard kind == .space || kind == .newline else { break }
            if kind == .newline { afterLineBreak = next }
            lastStart = end
            end = next
        }
        if let afterLineBreak { return afterLineBreak }
        return end < text.count && lastStart > start ? lastStart : end
    }

    // MARK: Characters

    private func isASCIILetter(_ index: Int) -> Bool {
        let lower = text[index] | 0x20
        return text[index] < 0x80 && lower >= UInt8(ascii: "a") && lower <= UInt8(ascii: "z")
    }

    /// The class of the character at `index` and where it ends.
    private func character(at index: Int) -> (Class, Int) {
        let byte = text[index]
        if byte < 0x80 { return (Self.asciiClasses[Int(byte)], index + 1) }
        guard let (scalar, length) = UTF8Sequence.decode(text, at: index) else { return (.other, index + 1) }
        return (Self.classify(scalar), index + length)
    }

    private static let asciiClasses: [Class] = (0..<128).map { byte in
        switch UInt8(byte) {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): .letter
        case UInt8(ascii: "0")...UInt8(ascii: "9"): .number
        case 0x0A, 0x0D: .newline
        case 0x09, 0x0B, 0x0C, 0x20: .space
        default: .other
        }
    }

    private static func classify(_ scalar: Unicode.Scalar) -> Class {
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: .letter
        case .decimalNumber, .letterNumber, .otherNumber: .number
        default: scalar.properties.isWhitespace ? .space : .other
        }
    }
}
