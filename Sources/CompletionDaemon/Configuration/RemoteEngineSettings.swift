// The `engine` of a user's settings.json: an OpenAI-compatible server that completes instead of this program. Pure:
// what is wrong with it is said, nothing is connected and no key is read.

import CompletionEvaluation

/// Which server, and how it is asked.
struct RemoteEngineSettings: Equatable, Sendable {
    /// What is wrong with a value; holds no part of it.
    struct Problem: Error, Equatable {
        let text: String
    }

    static let timeoutRange = 1...120
    static let defaultTimeoutSeconds = 10

    var url: EndpointURL
    /// The model's name at the server.
    var model: String?
    var promptForm = EndpointPrompt.tokens
    /// Absolute path of a file with the key that its owner alone can read; without it the environment may have one.
    var keyFile: String?
    /// Absolute path of the server's model as GGUF, whose tokenizer cuts the prompt; nil: the model of this program.
    var tokenizerPath: String?
    var timeoutSeconds = RemoteEngineSettings.defaultTimeoutSeconds

    private enum Key: String, CaseIterable {
        case url, model, prompt, keyFile, tokenizer, timeoutSeconds
    }

    static func read(_ value: JSONValue) -> Result<RemoteEngineSettings, Problem> {
        guard case .object(let members) = value, case .string(let text)? = members["url"] else {
            return .failure(Problem(text: "must be an object with a \"url\", such as http://127.0.0.1:8080/v1"))
        }
        let url: EndpointURL
        do {
            url = try EndpointURL(text)
        } catch {
            return .failure(
                Problem(text: "needs a url that is https, or http on this machine, without user or password"))
        }
        var settings = RemoteEngineSettings(url: url)
        for name in members.keys.sorted() {
            guard let key = Key(rawValue: name), let member = members[name] else {
                return .failure(Problem(text: "has an unknown member '\(name.prefix(40))'"))
            }
            if let problem = settings.apply(key, member) { return .failure(Problem(text: problem)) }
        }
        return .success(settings)
    }

    private mutating func apply(_ key: Key, _ value: JSONValue) -> String? {
        switch (key, value) {
        case (.url, _):
            return nil
        case (.timeoutSeconds, .integer(let seconds)) where Self.timeoutRange.contains(Int(clamping: seconds)):
            timeoutSeconds = Int(seconds)
        case (.timeoutSeconds, _):
            return "needs a timeoutSeconds from \(Self.timeoutRange.lowerBound) to \(Self.timeoutRange.upperBound)"
        case (.model, .string(let name)) where !name.isEmpty:
            model = name
        case (.prompt, .string(let name)):
            guard let form = EndpointPrompt(rawValue: name) else { return "needs a prompt of tokens, text or suffix" }
            promptForm = form
        case (.keyFile, .string(let path)) where path.hasPrefix("/"):
            keyFile = path
        case (.tokenizer, .string(let path)) where path.hasPrefix("/"):
            tokenizerPath = path
        case (.keyFile, _), (.tokenizer, _):
            return "needs an absolute path as \(key.rawValue)"
        case (.model, _), (.prompt, _):
            return "needs a text as \(key.rawValue)"
        }
        return nil
    }
}
