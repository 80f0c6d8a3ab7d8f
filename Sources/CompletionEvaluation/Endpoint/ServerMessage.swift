// What a server says of an error, fit to be shown: short, on one line, without characters that a terminal obeys, and
// never with the key in it, of which a careless server repeats what it was sent. Pure.

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// A server's own words.
enum ServerMessage {
    static let maximumCharacterCount = 200
    /// A message with as many successive characters of the key is not shown at all: it may be cut, or masked in part.
    static let keyRunLength = 6

    /// The message in the body of an answer that reports an error, as llama-server, vLLM and Ollama write it; nil where
    /// there is none. Pages of proxies and other bodies are not shown.
    static func shown(body: [UInt8], key: String?) -> String? {
        guard let answer = try? JSONDecoder().decode(AnyJSON.self, from: Data(body)) else { return nil }
        let message =
            answer["error"]?["message"]?.string ?? answer["error"]?.string ?? answer["message"]?.string
            ?? answer["detail"]?.string
        return message.flatMap { shown($0, key: key) }
    }

    /// Nil where nothing of the text can be shown.
    static func shown(_ text: String, key: String?) -> String? {
        let words = text.prefix(8 * maximumCharacterCount).unicodeScalars.split { !isPlain($0) }
        let line = words.map { String($0) }.joined(separator: " ")
        let short = line.count > maximumCharacterCount ? line.prefix(maximumCharacterCount) + "…" : line[...]
        if let key, repeats(short, key) { return "its message is left out, as it repeats the key" }
        return short.isEmpty ? nil : String(short)
    }

    private static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .spaceSeparator, .surrogate, .privateUse,
            .unassigned:
            false
        default: true
        }
    }

    private static func repeats(_ text: some StringProtocol, _ key: String) -> Bool {
        let length = min(keyRunLength, key.utf8.count)
        let runs = runs(of: Array(key.lowercased().utf8), length)
        return !runs.isDisjoint(with: self.runs(of: Array(text.lowercased().utf8), length))
    }

    private static func runs(of bytes: [UInt8], _ length: Int) -> Set<[UInt8]> {
        guard length > 0, bytes.count >= length else { return [] }
        return Set((0...(bytes.count - length)).map { Array(bytes[$0..<($0 + length)]) })
    }
}
