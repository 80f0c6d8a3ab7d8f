// What a server is sent for a prompt, in the form that the user's settings name. Pure. In whatever form, text of a
// file must not be read as structure.

import CompletionEvaluation
import SpecEngine

/// Writes prompts for one server.
struct RemotePrompt {
    /// Text around the cursor for a server that lays out the prompt itself.
    static let prefixByteCount = 8_192
    static let suffixByteCount = 2_048

    let form: EndpointPrompt
    let tokenizer: Tokenizer

    /// - Throws: where a file's text spells the model's special tokens and the form cannot tell one from the other.
    func parts(
        of prompt: [Int32], document: [UInt8], cursor: Int
    ) throws(EvaluationError) -> (prompt: AnyJSON, suffix: String?) {
        switch form {
        case .tokens: (.array(prompt.map { .number(Double($0)) }), nil)
        case .text: (.string(try spelled(prompt.map { TokenID($0) })), nil)
        case .suffix: (.string(Self.before(cursor, in: document)), Self.behind(cursor, in: document))
        }
    }

    private func spelled(_ tokens: [TokenID]) throws(EvaluationError) -> String {
        let text = tokenizer.decode(tokens, renderingControlTokens: true)
        // As text, what a file spells would be read as structure: such a prompt stays here.
        let read = tokenizer.encode(text, parsingSpecialTokens: true)
        guard read.filter(tokenizer.isStructure) == tokens.filter(tokenizer.isStructure) else {
            throw EvaluationError(
                .data, "a file near the cursor spells the model's special tokens",
                fix: "set the engine's \"prompt\" to \"tokens\"")
        }
        // Servers begin each text with this token themselves.
        let start = tokenizer.specialTokens.beginOfText
        guard let start, tokens.first == start else { return String(decoding: text, as: UTF8.self) }
        return String(decoding: text.dropFirst(tokenizer.bytes(of: start).count), as: UTF8.self)
    }

    /// The text before a cursor, without half of a character at its beginning.
    static func before(_ cursor: Int, in document: [UInt8]) -> String {
        String(decoding: document[..<cursor].suffix(prefixByteCount).drop { $0 & 0xC0 == 0x80 }, as: UTF8.self)
    }

    /// The text behind a cursor, without half of a character at its end.
    static func behind(_ cursor: Int, in document: [UInt8]) -> String {
        var end = min(document.count, cursor + suffixByteCount)
        while end > cursor, end < document.count, document[end] & 0xC0 == 0x80 { end -= 1 }
        return String(decoding: document[cursor..<end], as: UTF8.self)
    }
}

extension Tokenizer {
    /// Whether a server that reads a text with special tokens takes the token for structure. User-defined tokens are
    /// marks such as `<tool_call>` in some models, runs of blanks and single letters, which are text, in others.
    fileprivate func isStructure(_ token: TokenID) -> Bool {
        if isControl(token) { return true }
        guard vocabulary.kind(of: token) == .userDefined else { return false }
        return bytes(of: token).contains { Self.markBytes.contains($0) }
    }

    private static let markBytes = Set("<>[]{}|".utf8)
}
