// What editors tell about suggestions: `workspace/executeCommand` (LSP 3.18) for the command that each item carries,
// and the notifications that Copilot's language server documents (`didShowCompletion`,
// `didPartiallyAcceptCompletion`), so that plugins written for it can be pointed here.

/// The command that an editor runs after it has inserted an item.
struct AcceptCommand: Encodable, Sendable {
    static let name = "foretoken.didAccept"

    let title = "Suggestion accepted"
    let command = Self.name
    /// The suggestion's id alone.
    let arguments: [String]

    init(suggestion id: String) {
        arguments = [id]
    }
}

/// Silences completions while typing: the first argument is a number of minutes, 10 without one, 0 to end it.
enum SnoozeCommand {
    static let name = "foretoken.snooze"
    static let defaultMinutes = 10
    static let maximumMinutes: Int64 = 24 * 60
}

/// `workspace/didChangeConfiguration`: the settings that the client pushes.
struct DidChangeConfigurationParams: Decodable, Sendable {
    let settings: JSONValue?
}

/// `workspace/executeCommand`.
struct ExecuteCommandParams: Decodable, Sendable {
    let command: String
    let arguments: [JSONValue]?

    /// The first argument where it is a number of minutes.
    var snoozeMinutes: Int? {
        guard let first = arguments?.first else { return SnoozeCommand.defaultMinutes }
        guard case .integer(let minutes) = first, (0...SnoozeCommand.maximumMinutes).contains(minutes) else {
            return nil
        }
        return Int(minutes)
    }

    /// The first argument where it is a string.
    var suggestionID: String? {
        guard case .string(let id)? = arguments?.first else { return nil }
        return id
    }
}

/// An item as the editor received it; only its command says which suggestion it is.
struct ReportedItem: Decodable, Sendable {
    let command: ExecuteCommandParams?

    var suggestionID: String? { command?.suggestionID }
}

/// `textDocument/didShowCompletion`: the item is on the screen.
struct DidShowCompletionParams: Decodable, Sendable {
    let item: ReportedItem
}

/// `textDocument/didPartiallyAcceptCompletion`: the user took the beginning of the item.
struct DidPartiallyAcceptCompletionParams: Decodable, Sendable {
    let item: ReportedItem
    /// UTF-16 units from the start of `insertText`, all that was taken so far.
    let acceptedLength: Int
}
