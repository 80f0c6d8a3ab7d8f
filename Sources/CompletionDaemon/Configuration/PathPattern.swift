// Patterns for paths, as settings use them: `*` and `?` within one folder's name, `**` across folders. A pattern
// without a slash is compared with the file's name alone. It is not .gitignore: no negation, no order.

/// One pattern. Matching takes time in proportion to pattern times path, whatever the pattern: repositories hold them.
struct PathPattern: Equatable, Sendable {
    /// Longer patterns are refused.
    static let maximumByteCount = 256

    private enum Part: Equatable, Sendable {
        case byte(UInt8)
        /// `?`: one byte of a name.
        case one
        /// `*`: any bytes of a name.
        case many
        /// `**`: any bytes.
        case anything
        /// `**/`: any number of whole folders.
        case folders
    }

    private let parts: [Part]
    private let comparesNameAlone: Bool

    /// Nil for an empty or too long pattern.
    init?(_ text: String) {
        var bytes = Array(text.utf8)
        guard !bytes.isEmpty, bytes.count <= Self.maximumByteCount else { return nil }
        comparesNameAlone = !bytes.contains(UInt8(ascii: "/"))
        if bytes.first == UInt8(ascii: "/") { bytes.removeFirst() }
        // A folder stands for what is in it.
        if bytes.last == UInt8(ascii: "/") { bytes += Array("**".utf8) }
        var parts: [Part] = []
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "*") where parts.last == .many: parts[parts.count - 1] = .anything
            case UInt8(ascii: "*") where parts.last == .anything: break
            case UInt8(ascii: "*"): parts.append(.many)
            case UInt8(ascii: "?"): parts.append(.one)
            case UInt8(ascii: "/") where parts.last == .anything && Self.isNameStart(parts.dropLast()):
                parts[parts.count - 1] = .folders
            default: parts.append(.byte(byte))
            }
        }
        self.parts = parts
    }

    /// - Parameter path: relative, with `/`.
    func matches(_ path: String) -> Bool {
        let bytes = Array(path.utf8)
        let start = comparesNameAlone ? (bytes.lastIndex(of: UInt8(ascii: "/")) ?? -1) + 1 : 0
        return matches(bytes[start...])
    }

    /// All positions in the pattern at once, one byte after the other.
    private func matches(_ bytes: ArraySlice<UInt8>) -> Bool {
        var reached = [Bool](repeating: false, count: parts.count + 1)
        reached[0] = true
        skipStars(&reached, isNameStart: true)
        for byte in bytes {
            var next = [Bool](repeating: false, count: parts.count + 1)
            for (index, part) in parts.enumerated() where reached[index] {
                switch part {
                case .byte(let wanted): if byte == wanted { next[index + 1] = true }
                case .one: if byte != UInt8(ascii: "/") { next[index + 1] = true }
                case .many: if byte != UInt8(ascii: "/") { next[index] = true }
                case .anything, .folders: next[index] = true
                }
            }
            skipStars(&next, isNameStart: byte == UInt8(ascii: "/"))
            reached = next
        }
        return reached[parts.count]
    }

    /// Stars may stand for nothing more, folders only where a name begins.
    private func skipStars(_ reached: inout [Bool], isNameStart: Bool) {
        for (index, part) in parts.enumerated() where reached[index] {
            if part == .many || part == .anything || (part == .folders && isNameStart) {
                reached[index + 1] = true
            }
        }
    }

    private static func isNameStart(_ parts: ArraySlice<Part>) -> Bool {
        parts.isEmpty || parts.last == .byte(UInt8(ascii: "/")) || parts.last == .folders
    }
}
