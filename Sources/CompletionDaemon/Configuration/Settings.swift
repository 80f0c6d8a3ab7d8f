// What a user can set, and how settings from several places come together: the user's own file, then the editor's
// settings, then the repository's `.foretoken.json`, which is not trusted and may only narrow. Pure: JSON in,
// settings and complaints out. docs/settings.schema.json says the same for editors.

/// Settings of one place, or of all together.
struct Settings: Equatable, Sendable {
    /// Whether there are completions at all.
    var isEnabled = true
    /// Whether they come while typing, or only when asked for.
    var isAutomatic = true
    /// By the editor's name for the language; one that is not named is on.
    var languages: [String: Bool] = [:]
    /// Files in which nothing is completed.
    var excluded: [PathPattern] = []
    /// Upper bounds; nil leaves the choice to the program.
    var contextTokens: Int?
    var maximumTokens: Int?
    /// Whether `foretoken stats` gets its numbers.
    var countsUsage = true
    /// What the model must be sure of at least (`Generation.confidence`) for a completion to come while typing.
    var minimumConfidence = Settings.defaultMinimumConfidence
    /// Whether completions also come as items of the completion menu, for editors without ghost text.
    var offersMenuCompletions = false
    /// Another engine than this program's; nil computes here.
    var remoteEngine: RemoteEngineSettings?

    /// Chosen by `foretoken eval` (docs/EVALUATION.md, "The confidence gate").
    static let defaultMinimumConfidence = 0.45

    /// Patterns of one place; more are refused.
    static let maximumPatternCount = 64
    static let contextTokenRange = 128...1_000_000
    static let maximumTokenRange = 1...1_024

    /// Who says it.
    enum Source: Equatable, Sendable {
        /// The user's own file.
        case user
        /// The user's editor. Editors also hand on what a folder's settings say.
        case editor
        /// A file that came with the code.
        case repository
    }

    private enum Key: String, CaseIterable {
        case enabled, automatic, languages, exclude, contextTokens, maximumTokens, statistics, minimumConfidence
        case menuCompletions, engine

        /// Whether it may be said there; in a repository always only to narrow.
        func isAllowed(from source: Source) -> Bool {
            switch self {
            case .enabled, .automatic, .languages, .exclude, .contextTokens, .maximumTokens, .minimumConfidence:
                true
            case .statistics, .menuCompletions: source != .repository
            case .engine: source == .user
            }
        }
    }

    /// What Copilot's clients send among their options.
    private static let introductions: Set<String> = ["editorInfo", "editorPluginInfo", "editorConfiguration"]

    /// These settings with those of another place on top.
    ///
    /// - Parameters:
    ///   - value: an object; nil and null say nothing.
    ///   - problems: one line for each thing that was ignored, with its reason. Holds no values.
    func applying(_ value: JSONValue?, from source: Source, problems: inout [String]) -> Settings {
        guard let value, value != .null else { return self }
        guard case .object(let members) = value else {
            problems.append("settings must be an object")
            return self
        }
        var result = self
        for name in members.keys.sorted() {
            // Editors validate files by it, or say who they are.
            if name == "$schema" || (source == .editor && Self.introductions.contains(name)) { continue }
            guard let key = Key(rawValue: name), let member = members[name] else {
                problems.append("unknown setting '\(name.prefix(40))'")
                continue
            }
            guard key.isAllowed(from: source) else {
                let place = source == .repository ? "in a repository" : "from the editor"
                problems.append("'\(name)' is for the user's own settings and is ignored \(place)")
                continue
            }
            if let problem = result.apply(key, member, from: source) { problems.append("'\(name)' \(problem)") }
        }
        return result
    }

    /// What is wrong with the value, nil when it was taken.
    private mutating func apply(_ key: Key, _ value: JSONValue, from source: Source) -> String? {
        let narrows = source == .repository
        switch key {
        case .enabled: return Self.set(&isEnabled, value, narrows: narrows)
        case .automatic: return Self.set(&isAutomatic, value, narrows: narrows)
        case .statistics: return Self.set(&countsUsage, value, narrows: narrows)
        case .contextTokens: return Self.set(&contextTokens, value, Self.contextTokenRange, narrows: narrows)
        case .maximumTokens: return Self.set(&maximumTokens, value, Self.maximumTokenRange, narrows: narrows)
        case .minimumConfidence: return setConfidence(value, narrows: narrows)
        case .menuCompletions: return Self.set(&offersMenuCompletions, value, narrows: narrows)
        case .engine: return setEngine(value)
        case .languages: return setLanguages(value, narrows: narrows)
        case .exclude: return addPatterns(value)
        }
    }

    private static func set(_ flag: inout Bool, _ value: JSONValue, narrows: Bool) -> String? {
        guard case .boolean(let isOn) = value else { return "must be true or false" }
        flag = narrows ? flag && isOn : isOn
        return nil
    }

    private static func set(
        _ bound: inout Int?, _ value: JSONValue, _ range: ClosedRange<Int>, narrows: Bool
    ) -> String? {
        guard case .integer(let number) = value, range.contains(Int(number)) else {
            return "must be a whole number from \(range.lowerBound) to \(range.upperBound)"
        }
        bound = narrows ? min(bound ?? Int(number), Int(number)) : Int(number)
        return nil
    }

    private mutating func setConfidence(_ value: JSONValue, narrows: Bool) -> String? {
        let number: Double
        switch value {
        case .integer(let whole): number = Double(whole)
        case .number(let found): number = found
        default: return "must be a number from 0 to 1"
        }
        guard (0...1).contains(number) else { return "must be a number from 0 to 1" }
        minimumConfidence = narrows ? max(minimumConfidence, number) : number
        return nil
    }

    private mutating func setEngine(_ value: JSONValue) -> String? {
        if value == .null {
            remoteEngine = nil
            return nil
        }
        switch RemoteEngineSettings.read(value) {
        case .success(let engine):
            remoteEngine = engine
            return nil
        case .failure(let problem):
            return problem.text
        }
    }

    private mutating func setLanguages(_ value: JSONValue, narrows: Bool) -> String? {
        guard case .object(let members) = value else { return "must be an object of true and false" }
        for (name, member) in members {
            guard case .boolean(let isOn) = member else { return "must be an object of true and false" }
            languages[name] = narrows ? (languages[name] ?? true) && isOn : isOn
        }
        return nil
    }

    private mutating func addPatterns(_ value: JSONValue) -> String? {
        guard case .array(let items) = value, items.count <= Self.maximumPatternCount else {
            return "must be an array of at most \(Self.maximumPatternCount) patterns"
        }
        for item in items {
            guard case .string(let text) = item, let pattern = PathPattern(text) else {
                return "must hold patterns of 1 to \(PathPattern.maximumByteCount) bytes"
            }
            excluded.append(pattern)
        }
        return nil
    }

    /// Whether one of the patterns matches a path relative to the folder whose settings these are.
    func excludes(_ path: String) -> Bool {
        excluded.contains { $0.matches(path) }
    }
}
