// Takes the texts out of a message for a recording that is to be shown to others. What is kept is what positions need:
// line breaks, blanks, and as many UTF-16 units and UTF-8 bytes as before; and brackets, by which completions end.

/// Blots out texts.
enum RecordedText {
    /// Members that hold text of documents, suggestions or menus.
    private static let names: Set<String> = [
        "text", "insertText", "newText", "filterText", "label", "value", "message", "documentation", "detail",
    ]
    private static let kept = Set(" \t\r\n()[]{}".unicodeScalars)

    /// The message without its texts; a message that cannot be read is left out as a whole.
    static func blottedOut(_ body: [UInt8]) -> [UInt8] {
        guard let message = try? WireCoding.decode(JSONValue.self, from: body),
            let bytes = try? WireCoding.encode(blottedOut(message))
        else { return Array("null".utf8) }
        return bytes
    }

    private static func blottedOut(_ value: JSONValue) -> JSONValue {
        switch value {
        case .object(let members):
            return .object(
                Dictionary(
                    uniqueKeysWithValues: members.map { name, member in
                        (name, names.contains(name) ? withoutText(member) : blottedOut(member))
                    }))
        case .array(let values):
            return .array(values.map(blottedOut))
        case .null, .boolean, .integer, .number, .string:
            return value
        }
    }

    /// What a member with text holds: a text, texts, or what has texts in members of its own.
    private static func withoutText(_ value: JSONValue) -> JSONValue {
        switch value {
        case .string(let text): .string(blottedOut(text))
        case .array(let values): .array(values.map(withoutText))
        case .object, .null, .boolean, .integer, .number: blottedOut(value)
        }
    }

    /// Each scalar becomes one of the same length in UTF-8 and in UTF-16.
    private static func blottedOut(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            if kept.contains(scalar) {
                result.append(scalar)
            } else {
                switch UTF8.width(scalar) {
                case 1: result.append("x")
                case 2: result.append("\u{E9}")
                case 3: result.append("\u{4E00}")
                default: result.append("\u{1F600}")
                }
            }
        }
        return String(result)
    }
}
