// The names that the code around the cursor uses: what the next line is likely to be about. The name that is
// just being typed is left out, so that a keystroke inside a word changes nothing.

/// A name used near a cursor.
package struct UsedName: Hashable, Sendable {
    /// `identifierHash` of the name.
    package var name: UInt64
    /// 1 within about a dozen lines before the cursor, else 0.5.
    package var strength: Double
}

/// Names used near a cursor.
struct CursorNames: Equatable {
    /// Text scanned around the cursor.
    static let maximumByteCountBefore = 6_000
    static let maximumByteCountAfter = 1_500
    /// Names taken over, nearest first.
    static let maximumCount = 150

    /// Each name once, nearest first.
    let names: [UsedName]

    /// Collects from a window of whole lines; names in `own` are the current file's and are left out.
    init(text: [UInt8], cursor: Int, language: SourceLanguage, own: Set<UInt64>) {
        let start = CursorNames.lineStart(
            in: text, atOrAfter: max(0, cursor - CursorNames.maximumByteCountBefore))
        let latest = min(text.count, cursor + CursorNames.maximumByteCountAfter)
        let window = Array(text[min(start, cursor)..<latest])
        let localCursor = cursor - min(start, cursor)
        let tokens = SourceLexer.tokens(window, language: language)
        let cursorLine = window[..<localCursor].count { $0 == 0x0A }
        // On a grid of 8 lines, so that moving down a line does not change every strength.
        let nearLine = max(0, cursorLine / 8 * 8 - 8)
        var best: [UInt64: (strength: Double, distance: Int)] = [:]
        for token in tokens where token.kind == .identifier {
            let isBeingTyped = token.start <= localCursor && localCursor <= token.end
            guard !isBeingTyped, token.end - token.start >= 3, !own.contains(token.hash),
                !SourceLanguage.reservedWords.contains(token.hash)
            else { continue }
            let isNear = token.line >= nearLine && token.line <= cursorLine
            let distance = abs(token.line - cursorLine)
            let strength = isNear ? 1.0 : 0.5
            if let known = best[token.hash], known.strength >= strength, known.distance <= distance {
                continue
            }
            best[token.hash] = (max(strength, best[token.hash]?.strength ?? 0), distance)
        }
        names = best.sorted { ($0.value.distance, $0.key) < ($1.value.distance, $1.key) }
            .prefix(CursorNames.maximumCount)
            .map { UsedName(name: $0.key, strength: $0.value.strength) }
    }

    private static func lineStart(in text: [UInt8], atOrAfter position: Int) -> Int {
        guard position > 0 else { return 0 }
        guard let lineFeed = text[(position - 1)...].firstIndex(of: 0x0A) else { return text.count }
        return lineFeed + 1
    }
}
