// The names that the code around the cursor uses: what the next line is likely to be about. The name that is
// just being typed is left out, so that a keystroke inside a word changes nothing.

/// A name used near a cursor.
package struct UsedName: Hashable, Sendable {
    /// `identifierTerm` of the name.
    package var term: UInt32
    /// 1 on the cursor's line, falling with the distance in lines.
    package var strength: Double
    /// Whether the current file defines it.
    package var isOwn: Bool
}

/// Names used near a cursor.
struct CursorNames: Equatable {
    /// Text scanned around the cursor.
    static let maximumByteCountBefore = 6_000
    static let maximumByteCountAfter = 1_500
    /// Names taken over, the strongest first.
    static let maximumCount = 96
    /// The distance in lines at which a name counts half.
    static let halfDistance = 8.0
    /// Lines below the cursor count as if they were further away: they are what follows, not what is being written.
    static let distanceFactorAfter = 2.0

    /// Each name once, the strongest first; among equals by term.
    let names: [UsedName]
    let pairs: CursorPairs

    /// Collects from a window of whole lines.
    ///
    /// - Parameter own: hashes of the names that the current file defines.
    init(text: [UInt8], cursor: Int, language: SourceLanguage, own: Set<UInt64>) {
        let start = CursorNames.lineStart(
            in: text, atOrAfter: max(0, cursor - CursorNames.maximumByteCountBefore))
        let latest = min(text.count, cursor + CursorNames.maximumByteCountAfter)
        let window = Array(text[min(start, cursor)..<latest])
        let localCursor = cursor - min(start, cursor)
        let cursorLine = window[..<localCursor].count { $0 == 0x0A }
        var best: [UInt32: UsedName] = [:]
        var words: [(hash: UInt64, distance: Double)?] = []
        for token in SourceLexer.tokens(window, language: language) where token.kind == .identifier {
            let isBeingTyped = token.start <= localCursor && localCursor <= token.end
            let lines = Double(abs(token.line - cursorLine))
            let distance = token.line > cursorLine ? lines * CursorNames.distanceFactorAfter : lines
            words.append(isBeingTyped ? nil : (token.hash, distance))
            guard !isBeingTyped, token.end - token.start >= 2,
                !SourceLanguage.reservedWords.contains(token.hash)
            else { continue }
            let strength = CursorNames.halfDistance / (CursorNames.halfDistance + distance)
            let term = identifierTerm(token.hash)
            if (best[term]?.strength ?? 0) < strength {
                best[term] = UsedName(term: term, strength: strength, isOwn: own.contains(token.hash))
            }
        }
        pairs = CursorPairs(words: words)
        names = Array(
            best.values.sorted { ($1.strength, $0.term) < ($0.strength, $1.term) }.prefix(
                CursorNames.maximumCount))
    }

    private static func lineStart(in text: [UInt8], atOrAfter position: Int) -> Int {
        guard position > 0 else { return 0 }
        guard let lineFeed = text[(position - 1)...].firstIndex(of: 0x0A) else { return text.count }
        return lineFeed + 1
    }
}
