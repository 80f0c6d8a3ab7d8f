// Why ignore rules cannot be followed, and the line of the log that says so. What that closes is IgnoreRules' and
// FolderRules' business.

/// Why a rules file cannot be followed.
package enum RulesDefect: Equatable, Sendable {
    case tooLarge, tooManyRules, notRegular, unreadable, tooManyFiles
    /// All matching of one listing took more steps than it may: what is not matched by then counts as ignored.
    case tooMuchMatching
    /// One match of this pattern took more steps than it may: what it was asked about counts as ignored.
    case undecidedPattern([UInt8])

    /// Characters of a pattern that a line shows.
    private static let maximumShownCount = 40

    init(_ reason: FileSkipReason) {
        switch reason {
        case .tooLarge: self = .tooLarge
        case .notRegular: self = .notRegular
        case .missing, .binary, .notUTF8, .secret, .unreadable: self = .unreadable
        }
    }

    /// One line for the log: what is wrong, what it costs and what to do.
    package func line(file: String, leavesOut place: String) -> String {
        let (fault, remedy) =
            switch self {
            case .tooLarge: ("is larger than \(IgnoreRules.maximumByteCount >> 10) KiB", "shorten it")
            case .tooManyRules: ("has more than \(IgnoreRules.maximumRuleCount) rules", "shorten it")
            case .notRegular: ("is a link or no regular file", "put a regular file in its place")
            case .unreadable: ("cannot be read", "make it readable or remove it")
            case .tooManyFiles:
                (
                    "is one rules file too many (\(FolderRules.maximumFileCount) files, "
                        + "\(FolderRules.maximumByteCount >> 20) MiB)", "open a folder with fewer of them"
                )
            case .tooMuchMatching: ("takes too long to match", "use fewer stars and fewer rules")
            case .undecidedPattern(let pattern):
                ("has a pattern that takes too long to match, '\(RulesDefect.shown(pattern))'", "shorten the pattern")
            }
        return "\(file) \(fault), so \(place) is left out of context; \(remedy)"
    }

    private static func shown(_ pattern: [UInt8]) -> String {
        let text = String(decoding: pattern.prefix(4 * maximumShownCount), as: UTF8.self)
        return text.count > maximumShownCount ? text.prefix(maximumShownCount) + "…" : text
    }
}
