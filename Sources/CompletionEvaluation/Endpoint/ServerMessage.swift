// What a server says of an error, fit to be shown: short, on one line, without characters that a terminal obeys, and
// never with the key or a piece of the prompt in it: a careless server repeats what it was sent. Pure.

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// A server's own words.
enum ServerMessage {
    /// Of Unicode scalars: one character may hold any number of them.
    static let maximumCharacterCount = 200
    /// A message with as many successive characters of the key is not shown at all: it may be cut, or masked in part.
    static let keyRunLength = 6
    /// The same for the text that was sent, in bytes that are no blanks: servers quote with other blanks.
    static let sentRunLength = 16

    /// The message in the body of an answer that reports an error, as llama-server, vLLM and Ollama write it; nil where
    /// there is none. Pages of proxies and other bodies are not shown.
    static func shown(body: [UInt8], key: String?, sent: [String]) -> String? {
        guard let answer = try? JSONDecoder().decode(AnyJSON.self, from: Data(body)) else { return nil }
        let message =
            answer["error"]?["message"]?.string ?? answer["error"]?.string ?? answer["message"]?.string
            ?? answer["detail"]?.string
        return message.flatMap { shown($0, key: key, sent: sent) }
    }

    /// Nil where nothing of the text can be shown.
    ///
    /// - Parameter sent: prompt and suffix.
    static func shown(_ text: String, key: String?, sent: [String]) -> String? {
        let words = text.unicodeScalars.prefix(8 * maximumCharacterCount).split { !isPlain($0) }
        let line = words.map { String($0) }.joined(separator: " ").unicodeScalars
        let short = line.prefix(maximumCharacterCount)
        if let key, repeats(String(short), key) { return "its message is left out, as it repeats the key" }
        if sent.contains(where: { quotes(String(short), $0) }) {
            return "its message is left out, as it repeats what was sent"
        }
        return short.isEmpty ? nil : String(short) + (short.endIndex < line.endIndex ? "…" : "")
    }

    /// Whether a message holds a piece of what was sent.
    private static func quotes(_ text: String, _ sent: String) -> Bool {
        let runs = runs(of: text.utf8.filter(isInk), sentRunLength)
        let sent = sent.utf8.filter(isInk)
        guard !runs.isEmpty, sent.count >= sentRunLength else { return false }
        return (0...(sent.count - sentRunLength)).contains { start in
            runs.contains(Array(sent[start..<(start + sentRunLength)]))
        }
    }

    private static func isInk(_ byte: UInt8) -> Bool { byte > 0x20 }

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
