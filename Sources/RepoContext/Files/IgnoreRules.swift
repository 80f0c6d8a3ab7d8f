// The patterns of gitignore(5). A `.foretokenignore` at the root keeps files out of prompts that a user keeps in the
// repository: it holds for tracked files too, which git's own rules do not, and in plain folders, where FolderRules
// asks it about each .gitignore as well. Matching is bounded: a pattern of stars cannot make it slow. Rules that cannot
// be followed, a whole file or one pattern, ignore whatever they could name.

import Glibc

/// Steps of matching that one listing may still take, so that many files and many rules cannot hold the index thread
/// either.
struct MatchAllowance: Sendable {
    /// A rule that differs in its first character takes one step, one like `*.js` about twice as many as the name has
    /// bytes: 100 such rules and 100,000 files stay within it.
    static let maximumStepCount = 400_000_000

    fileprivate(set) var stepCount: Int
    /// The first pattern that one match could not decide: what it was asked about counts as ignored.
    fileprivate(set) var undecidedPattern: [UInt8]?
    /// Whether nothing is decided any more, and so all counts as ignored.
    var isUsedUp: Bool { stepCount <= 0 }
    /// Why files are left out that no rule names for certain; nil when all was decided.
    var defect: RulesDefect? { isUsedUp ? .tooMuchMatching : undecidedPattern.map { .undecidedPattern($0) } }

    init(stepCount: Int = MatchAllowance.maximumStepCount) { self.stepCount = stepCount }
}

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
    /// Why the file cannot be followed; everything counts as ignored then.
    package private(set) var defect: RulesDefect?

    /// No rules.
    package init() {}

    /// Rules that cannot be read.
    package init(_ defect: RulesDefect) { self.defect = defect }

    package init(_ text: [UInt8]) {
        let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]
        let lines = text.starts(with: byteOrderMark) ? text[byteOrderMark.count...] : text[...]
        for line in lines.split(separator: 0x0A) {
            guard let rule = IgnoreRules.rule(line) else { continue }
            guard rules.count < IgnoreRules.maximumRuleCount else {
                (rules, defect) = ([], .tooManyRules)
                return
            }
            rules.append(rule)
        }
    }

    /// The rules in a file; none where there is no such file.
    init(_ bytes: Result<[UInt8], FileSkip>) {
        switch bytes {
        case .success(let bytes): self.init(bytes)
        case .failure(let skip) where skip.reason == .missing: self.init()
        case .failure(let skip): self.init(RulesDefect(skip.reason))
        }
    }

    var isEmpty: Bool { rules.isEmpty && defect == nil }

    /// The `.foretokenignore` of a folder; no rules where it has none.
    package static func inFolder(_ path: String) -> IgnoreRules {
        guard let root = RootDirectory.open(path) else { return IgnoreRules(.unreadable) }
        return IgnoreRules(beneath: root)
    }

    init(beneath root: borrowing RootDirectory) {
        let path = RelativePath(IgnoreRules.fileName)!
        self.init(root.bytes(of: path, maximumByteCount: IgnoreRules.maximumByteCount))
    }

    /// The line that says that the `.foretokenignore` of a root cannot be followed; nil where it can.
    package func degradation(rootPath: String) -> String? {
        defect?.line(file: rootPath + "/" + IgnoreRules.fileName, leavesOut: "every file of the folder")
    }

    private static func rule(_ line: ArraySlice<UInt8>) -> Rule? {
        var line = line
        while let last = line.last, last == 0x20 || last == 0x0D || last == 0x09 {
            if last == 0x20, line.dropLast().last == UInt8(ascii: "\\") { break }
            line.removeLast()
        }
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

    /// Whether the last rule that matches this very file or folder ignores it; nil when none matches.
    func verdict(on path: ArraySlice<UInt8>, isFolder: Bool, _ allowance: inout MatchAllowance) -> Bool? {
        if defect != nil { return true }
        let slash = UInt8(ascii: "/")
        let name = path.lastIndex(of: slash).map { path[($0 + 1)...] } ?? path
        for rule in rules.reversed() where isFolder || !rule.isFolderOnly {
            let given = min(IgnoreRules.maximumStepCount, allowance.stepCount)
            var steps = given
            let isMatch = IgnoreRules.matches(rule.pattern[...], rule.isAnchored ? path : name, &steps)
            allowance.stepCount -= given - steps
            // Not decided: what the rule may keep out must not come in.
            if steps <= 0 {
                allowance.undecidedPattern = allowance.undecidedPattern ?? rule.pattern
                return true
            }
            if isMatch { return !rule.isNegated }
        }
        return nil
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
                let rest = pattern.drop { $0 == sign }
                steps -= pattern.count - rest.count
                // `**/` matches no folder too.
                if isDeep, rest.first == slash, matches(rest.dropFirst(), text, &steps) { return true }
                while true {
                    steps -= 1
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
                guard let (isMember, rest) = setMatch(pattern, byte) else {
                    steps -= pattern.count
                    return false
                }
                steps -= pattern.count - rest.count
                guard steps > 0, isMember, byte != slash else { return false }
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
        while var low = rest.first {
            rest = rest.dropFirst()
            if low == UInt8(ascii: "]"), !isFirst { return (isMember != isNegated, rest) }
            isFirst = false
            if low == UInt8(ascii: "["), let (isInClass, end) = classMatch(rest, byte) {
                isMember = isMember || isInClass
                rest = end
                continue
            }
            if low == UInt8(ascii: "\\"), let escaped = rest.first {
                low = escaped
                rest = rest.dropFirst()
            }
            var high = low
            if rest.first == UInt8(ascii: "-"), let end = rest.dropFirst().first, end != UInt8(ascii: "]") {
                high = end
                rest = rest.dropFirst(2)
            }
            if low <= byte, byte <= high { isMember = true }
        }
        return nil
    }

    /// Whether `:name:]`, what follows the bracket of a character class, holds the byte, and what follows the class;
    /// nil when there is none.
    private static func classMatch(_ pattern: ArraySlice<UInt8>, _ byte: UInt8) -> (Bool, ArraySlice<UInt8>)? {
        let colon = UInt8(ascii: ":")
        guard pattern.first == colon, let end = pattern.dropFirst().firstIndex(of: colon),
            pattern[end...].dropFirst().first == UInt8(ascii: "]")
        else { return nil }
        let name = String(decoding: pattern[..<end].dropFirst(), as: UTF8.self)
        let holds = characterClasses[name].map { $0(Int32(byte)) != 0 } ?? false
        return (byte < 0x80 && holds, pattern[end...].dropFirst(2))
    }

    private static let characterClasses: [String: @Sendable (Int32) -> Int32] = [
        "alnum": { isalnum($0) }, "alpha": { isalpha($0) }, "blank": { isblank($0) }, "cntrl": { iscntrl($0) },
        "digit": { isdigit($0) }, "graph": { isgraph($0) }, "lower": { islower($0) }, "print": { isprint($0) },
        "punct": { ispunct($0) }, "space": { isspace($0) }, "upper": { isupper($0) },
        "xdigit": { isxdigit($0) },
    ]
}
