// What can be varied in an evaluation, and the registry that names it. A setting that is not in the registry is refused
// by name; a new one is one entry here.

package import RepoContext

/// How one of a run's configurations completes.
package struct RunConfiguration: Codable, Sendable, Equatable {
    /// Model file; nil takes the usual one.
    package var model: String?
    package var contextTokens = 2_048
    /// Tokens of one completion at most.
    package var maximumTokens = 128
    /// Whether other files are in the prompt.
    package var usesContext = true
    /// Names of `ContextSignal`s that count for nothing, sorted.
    package var disabledSignals: [String] = []
    /// Suffix, prefix, middle; else prefix, suffix, middle; nil leaves it to the model.
    package var isSuffixFirst: Bool?
    package var speculation = "off"
    package var temperature: Float = 0
    /// Compute in 32-bit floats.
    package var usesReference = false
    /// Absent where nothing else was said, as in runs from before there was a choice.
    private var healing: Bool?

    package init() {}

    /// Words that the cursor stands in are written again from their beginning.
    package var healsTokens: Bool {
        get { healing ?? true }
        set { healing = newValue }
    }
    /// Nil leaves it to the model.
    package var order: FillInMiddleOrder? { isSuffixFirst.map { $0 ? .suffixFirst : .prefixFirst } }
    package var signals: Set<ContextSignal> { Set(disabledSignals.compactMap(ContextSignal.init(rawValue:))) }
}

/// One thing that can be set.
package struct Setting: Sendable {
    package let name: String
    /// What values mean, for help.
    package let values: String
    let apply: @Sendable (inout RunConfiguration, String) -> Bool

    /// All of them, in the order of help.
    package static let all: [Setting] = general + signals

    private static let general: [Setting] = [
        Setting(name: "model", values: "a GGUF file") { configuration, value in
            configuration.model = value
            return !value.isEmpty
        },
        Setting(name: "context-tokens", values: "tokens of a prompt, 128 to 1048576") {
            configuration, value in
            guard let count = Int(value), (PromptBudget.minimumTotalTokenCount...(1 << 20)).contains(count)
            else {
                return false
            }
            configuration.contextTokens = count
            return true
        },
        Setting(name: "max-tokens", values: "tokens of a completion, 1 to 32768") { configuration, value in
            guard let count = Int(value), (1...32_768).contains(count) else { return false }
            configuration.maximumTokens = count
            return true
        },
        Setting(name: "context", values: "on or off: other files in the prompt") { configuration, value in
            flag(value) { configuration.usesContext = $0 }
        },
        Setting(name: "order", values: "spm (suffix first) or psm; without it the model's own") {
            configuration, value in
            configuration.isSuffixFirst = value == "spm"
            return value == "spm" || value == "psm"
        },
        Setting(name: "healing", values: "on or off: the word before the cursor is written again") {
            configuration, value in
            flag(value) { configuration.healsTokens = $0 }
        },
        Setting(name: "speculation", values: "off, auto, longspec or lookup") { configuration, value in
            configuration.speculation = value
            return ["off", "auto", "longspec", "lookup"].contains(value)
        },
        Setting(name: "temperature", values: "0 to 100") { configuration, value in
            guard let temperature = Float(value), (0...100).contains(temperature) else { return false }
            configuration.temperature = temperature
            return true
        },
        Setting(name: "reference", values: "on or off: 32-bit floats") { configuration, value in
            flag(value) { configuration.usesReference = $0 }
        },
    ]

    private static let signals: [Setting] = ContextSignal.allCases.map { signal in
        Setting(name: "signal.\(signal.rawValue)", values: "on or off: this reason to take a file") {
            configuration, value in
            flag(value) { isOn in
                var names = Set(configuration.disabledSignals)
                if isOn { names.remove(signal.rawValue) } else { names.insert(signal.rawValue) }
                configuration.disabledSignals = names.sorted()
            }
        }
    }

    private static func flag(_ value: String, _ set: (Bool) -> Void) -> Bool {
        guard value == "on" || value == "off" else { return false }
        set(value == "on")
        return true
    }
}

/// The configurations of a run: every combination of the swept values.
package struct Sweep: Sendable {
    /// One configuration with the name that tells it apart.
    package struct Entry: Codable, Sendable, Equatable {
        package let name: String
        package let configuration: RunConfiguration
    }

    /// More combinations are more than one run.
    package static let maximumCount = 32

    package let entries: [Entry]

    /// - Parameters:
    ///   - settings: `name=value` for all configurations.
    ///   - sweeps: `name=value,value…`; the first combination is the one that others are compared with.
    package init(base: RunConfiguration, settings: [String], sweeps: [String]) throws {
        var base = base
        for text in settings {
            let (setting, value) = try Self.parse(text)
            try Self.apply(setting, value, to: &base)
        }
        var entries = [(parts: [String](), configuration: base)]
        var names = Set<String>()
        for text in sweeps {
            let (setting, list) = try Self.parse(text)
            guard names.insert(setting.name).inserted else {
                throw EvaluationError(
                    .usage, "\(setting.name) is swept twice", fix: "give its values in one --sweep")
            }
            let values = list.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
            guard Set(values).count == values.count else {
                throw EvaluationError(
                    .usage, "--sweep \(text) has a value twice", fix: "give each value once")
            }
            var next: [(parts: [String], configuration: RunConfiguration)] = []
            for entry in entries {
                for value in values {
                    var configuration = entry.configuration
                    try Self.apply(setting, value, to: &configuration)
                    next.append((entry.parts + ["\(setting.name)=\(value)"], configuration))
                }
            }
            entries = next
            guard entries.count <= Self.maximumCount else {
                throw EvaluationError(
                    .usage, "the sweep has more than \(Self.maximumCount) combinations",
                    fix: "sweep less at once")
            }
        }
        self.entries = entries.map {
            Entry(
                name: $0.parts.isEmpty ? "default" : $0.parts.joined(separator: " "),
                configuration: $0.configuration)
        }
    }

    private static func parse(_ text: String) throws -> (Setting, String) {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(
            String.init)
        guard parts.count == 2 else {
            throw EvaluationError(
                .usage, "'\(text)' is not NAME=VALUE", fix: "write for example context-tokens=1024")
        }
        guard let setting = Setting.all.first(where: { $0.name == parts[0] }) else {
            throw EvaluationError(
                .usage, "there is no setting '\(parts[0])'",
                fix: "choose one of " + Setting.all.map(\.name).joined(separator: ", "))
        }
        return (setting, parts[1])
    }

    private static func apply(
        _ setting: Setting, _ value: String, to configuration: inout RunConfiguration
    ) throws {
        guard setting.apply(&configuration, value) else {
            throw EvaluationError(
                .usage, "\(setting.name) cannot be '\(value)'", fix: "it takes \(setting.values)")
        }
    }
}

extension Sweep {
    /// The same with model files named without their folders: what is written down.
    package func withoutFolders() -> Sweep {
        Sweep(
            entries: entries.map { entry in
                var configuration = entry.configuration
                configuration.model = configuration.model.map { path in
                    path.split(separator: "/").last.map(String.init) ?? path
                }
                return Entry(name: entry.name, configuration: configuration)
            })
    }

    private init(entries: [Entry]) { self.entries = entries }
}
