// Characters that can make a text look like another one: control characters, which a terminal obeys, and Unicode's
// directional overrides, which reorder what is around them. Names and messages are shown with them spelled out;
// suggestions lose them, because nobody can see what they would accept.

enum TerminalText {
    /// Whether a character must not reach a screen as it is. Line feeds and tabs are layout, not control.
    static func isUnsafe(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x09, 0x0A, 0x0D: false
        case 0..<0x20, 0x7F..<0xA0: true
        // Arabic letter mark, left-to-right and right-to-left marks, embeddings and overrides, isolates.
        case 0x061C, 0x200E, 0x200F, 0x202A...0x202E, 0x2066...0x2069: true
        // Line and paragraph separators, which some terminals and editors take for line breaks.
        case 0x2028, 0x2029: true
        default: false
        }
    }

    /// The text with unsafe characters spelled as `\u{…}`, and line breaks too: one message is one line.
    static func escaped(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: { isUnsafe($0) || $0 == "\n" || $0 == "\r" }) else { return text }
        var result = ""
        for scalar in text.unicodeScalars {
            if isUnsafe(scalar) || scalar == "\n" || scalar == "\r" {
                result += "\\u{\(String(scalar.value, radix: 16))}"
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// The text without unsafe characters.
    static func withoutUnsafe(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: isUnsafe) else { return text }
        var result = String.UnicodeScalarView()
        result.append(contentsOf: text.unicodeScalars.filter { !isUnsafe($0) })
        return String(result)
    }
}
