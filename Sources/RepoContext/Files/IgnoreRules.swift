// The patterns of gitignore(5). A `.foretokenignore` at the root keeps files out of prompts that a user keeps in the
// repository: it holds for tracked files too, which git's own rules do not, and in plain folders, where FolderRules
// asks it about each .gitignore as well. Matching is bounded: a pattern of stars cannot make it slow.

/// Parsed rules; later ones win.
package struct IgnoreRules: Sendable, Equatable {
    package static let fileName = ".foretokenignore"
    /// Largest rules file, and rules taken from it.
    package static let maximumByteCount = 64 << 10
    static let maximumRuleCount = 1_000
    /// Steps of one match: far more than any sensible pattern needs.
    private static let maximumStepCount = 10_000

    private struct Rule: Sendable, Equatable {
        /// Without `!`, a leading and a trailing slash.
        var pattern: [UInt8]
        var isNegated: Bool
        var isFolderOnly: Bool
        /// Holds for the whole path; otherwise for a name at any depth.
        var isAnchored: Bool
    }

    private var rules: [Rule] = []

    /// No rules.
    package init() {}

    package init(_ text: [UInt8]) {
        for line in text.split(separator: 0x0A).prefix(IgnoreRules.maximumRuleCount) {
            if let rule = IgnoreRules.rule(line) { rules.append(rule) }
        }
    }

    var isEmpty: Bool { rules.isEmpty }

    /// The rules in a folder; none where it has no such file.
    package static func inFolder(_ path: String) -> IgnoreRules {
        guard let root = RootDirectory.open(path) else { return IgnoreRules() }
        return IgnoreRules(beneath: root)
    }

    init(beneath root: borrowing RootDirectory) {
        let bytes = RelativePath(IgnoreRules.fileName).flatMap {
            root.readBytes($0, maximumByteCount: IgnoreRules.maximumByteCount)
        }
        self = bytes.map { IgnoreRules($0) } ?? IgnoreRules()
    }

    private static func rule(_ line: ArraySlice<UInt8>) -> Rule? {
        var line = line
        while let last = line.last, last == 0x20 || last == 0x0D || last == 0x09 { line.removeLast() }
        guard let first = line.first, first != UInt8(ascii: "#") else { return nil }
        let isNegated = first == UInt8(ascii: "!")
        if isNegated { line.removeFirst() }
        let isFolderOnly = line.last == UInt8(ascii: "/")
        if isFolderOnly { line.removeLast() }
        let isAnchored = line.contains(UInt8(ascii: "/"))
        if line.first == UInt8(ascii: "/") { line.removeFirst() }
        guard !line.isEmpty else { return nil }
        return Rule(
            pattern: Array(line), isNegated: isNegated, isFolderOnly: isFolderOnly, isAnchored: isAnchored)
    }

    /// Whether the file or a folder above it is ignored. As in git, nothing brings back a file of an ignored folder.
    package func ignores(_ path: RelativePath) -> Bool {
        guard !rules.isEmpty else { return false }
        let bytes = Array(path.string.utf8)
        let slash = UInt8(ascii: "/")
        for end in bytes.indices where bytes[end] == slash {
            if verdict(on: bytes[..<end], isFolder: true) ?? false { return true }
        }
        return verdict(on: bytes[...], isFolder: false) ?? false
    }

    /// Whether the last rule that matches this very file or folder ignores it; nil when none matches.
    func verdict(on path: ArraySlice<UInt8>, isFolder: Bool) -> Bool? {
        let slash = UInt8(ascii: "/")
        let name = path.lastIndex(of: slash).map { path[($0 + 1)...] } ?? path
        let last = rules.last { rule in
            guard isFolder || !rule.isFolderOnly else { return false }
            var steps = IgnoreRules.maximumStepCount
            return IgnoreRules.matches(rule.pattern[...], rule.isAnchored ? path : name, &steps)
        }
        return last.map { !$0.isNegated }
    }

    /// Whether a pattern matches a whole text: `*` and `?` within a component, `**` across, `[a-z]`, `\x`.
    private static func matches(_ pattern: ArraySlice<UInt8>, _ text: ArraySlice<UInt8>, _ steps: inout Int)
        -> Bool
    {
        var (pattern, text) = (pattern, text)
        let slash = UInt8(ascii: "/")
        while let sign = pattern.first {
            steps -= 1
            guard steps > 0 else { return false }
            if sign == UInt8(ascii: "*") {
                let isDeep = pattern.dropFirst().first == sign
                var rest = pattern.drop { $0 == sign }
                // `**/` matches no folder too.
                if isDeep, rest.first == slash {
                    rest = rest.dropFirst()
                    if matches(rest, text, &steps) { return true }
                    rest = pattern.drop { $0 == sign }
                }
                while true {
                    if matches(rest, text, &steps) { return true }
                    guard let next = text.first, isDeep || next != slash, steps > 0 else { return false }
                    text = text.dropFirst()
                }
            }
            guard let byte = text.first else { return false }
            switch sign {
            case UInt8(ascii: "?"):
                guard byte != slash else { return false }
                pattern = pattern.dropFirst()
            case UInt8(ascii: "["):
                guard let (isMember, rest) = setMatch(pattern, byte), isMember, byte != slash else {
                    return false
                }
                pattern = rest
            default:
                if sign == UInt8(ascii: "\\"), pattern.count > 1 { pattern = pattern.dropFirst() }
                guard pattern.first == byte else { return false }
                pattern = pattern.dropFirst()
            }
            text = text.dropFirst()
        }
        return text.isEmpty
    }

    /// Whether `[…]` at the pattern's start holds the byte, and what follows it; nil when it is not closed.
    private static func setMatch(_ pattern: ArraySlice<UInt8>, _ byte: UInt8) -> (Bool, ArraySlice<UInt8>)? {
        var rest = pattern.dropFirst()
        let isNegated = rest.first == UInt8(ascii: "!") || rest.first == UInt8(ascii: "^")
        if isNegated { rest = rest.dropFirst() }
        var isMember = false
        var isFirst = true
        while let low = rest.first {
            rest = rest.dropFirst()
            if low == UInt8(ascii: "]"), !isFirst { return (isMember != isNegated, rest) }
            isFirst = false
            var high = low
            if rest.first == UInt8(ascii: "-"), let end = rest.dropFirst().first, end != UInt8(ascii: "]") {
                high = end
                rest = rest.dropFirst(2)
            }
            if low <= byte, byte <= high { isMember = true }
        }
        return nil
    }
}
