// DeepSeek-Coder's pre-tokenizer: five cuts, one after the other, each applied to the pieces that the ones before left.
//   [\r\n] | \s?\p{L}+ | \s?\p{P}+ | [一-龥ࠀ-一가-퟿]+ | \p{N}
// A cut makes a piece of every match, and of what lies between two matches.

/// Cuts one text.
struct DeepSeekCuts {
    private let text: UnsafeBufferPointer<UInt8>

    /// `text` must outlive this value.
    init(_ text: UnsafeBufferPointer<UInt8>) { self.text = text }

    private enum Cut: Int, CaseIterable {
        case lineBreak
        case letters
        case punctuation
        case wideScripts
        case number
    }

    /// Calls `body` with the words in order.
    func forEachWord(_ body: (Range<Int>) -> Void) {
        guard !text.isEmpty else { return }
        cut(0..<text.count, .lineBreak, body)
    }

    private func cut(_ piece: Range<Int>, _ cut: Cut, _ body: (Range<Int>) -> Void) {
        func pass(_ range: Range<Int>) {
            guard !range.isEmpty else { return }
            if let next = Cut(rawValue: cut.rawValue + 1) { self.cut(range, next, body) } else { body(range) }
        }
        var restStart = piece.lowerBound
        var index = piece.lowerBound
        while index < piece.upperBound {
            if let end = match(cut, at: index, in: piece) {
                pass(restStart..<index)
                pass(index..<end)
                (index, restStart) = (end, end)
            } else {
                index = character(at: index, in: piece).next
            }
        }
        pass(restStart..<piece.upperBound)
    }

    /// Where a match of `cut` that begins at `start` ends.
    private func match(_ cut: Cut, at start: Int, in piece: Range<Int>) -> Int? {
        var (scalar, next) = character(at: start, in: piece)
        switch cut {
        case .lineBreak, .number:
            return Self.isMember(scalar, of: cut) ? next : nil
        case .letters, .punctuation:
            if !Self.isMember(scalar, of: cut) {
                guard let space = scalar, space.properties.isWhitespace, next < piece.upperBound else {
                    return nil
                }
                (scalar, next) = character(at: next, in: piece)
            }
        case .wideScripts:
            break
        }
        guard Self.isMember(scalar, of: cut) else { return nil }
        while next < piece.upperBound {
            let (scalar, after) = character(at: next, in: piece)
            guard Self.isMember(scalar, of: cut) else { break }
            next = after
        }
        return next
    }

    private func character(at index: Int, in piece: Range<Int>) -> (scalar: Unicode.Scalar?, next: Int) {
        guard let (scalar, next) = UTF8Decoder.scalar(in: text, at: index) else { return (nil, index + 1) }
        return (scalar, next)
    }

    private static func isMember(_ scalar: Unicode.Scalar?, of cut: Cut) -> Bool {
        guard let scalar else { return false }
        switch cut {
        case .lineBreak:
            return scalar == "\n" || scalar == "\r"
        case .letters:
            return PreTokenizer.classOf(scalar) == .letter
        case .number:
            return PreTokenizer.classOf(scalar) == .number
        case .wideScripts:
            return (0x0800...0x9FA5).contains(scalar.value) || (0xAC00...0xD7FF).contains(scalar.value)
        case .punctuation:
            switch scalar.properties.generalCategory {
            case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation,
                .initialPunctuation, .finalPunctuation, .otherPunctuation:
                return true
            default:
                return false
            }
        }
    }
}
