// What PromptBuilder needs of a tokenizer. The daemon adapts the engine's; tests bring their own. This module
// does not know the engine.

/// The tokens that give a prompt its structure. Source text that happens to spell one is never read as one:
/// the builder asks for their ids and encodes all text with special parsing off.
package enum StructuralToken: Hashable, Sendable, CaseIterable {
    case repoName
    case fileSeparator
    case fimPrefix
    case fimSuffix
    case fimMiddle
    /// Comes first in every prompt of a model that was trained with it.
    case beginOfText
}

/// Text to token ids.
package protocol PromptTokenizer: Sendable {
    /// Encodes bytes as plain text: no special tokens, nothing added in front or behind.
    func encode(_ text: [UInt8]) -> [Int32]
    /// The id of a structural token; nil when the model's vocabulary has none.
    func structuralToken(_ token: StructuralToken) -> Int32?
    /// How the model wants the parts around the cursor.
    var order: FillInMiddleOrder { get }
}

extension PromptTokenizer {
    /// The default model's.
    package var order: FillInMiddleOrder { .suffixFirst }
}
