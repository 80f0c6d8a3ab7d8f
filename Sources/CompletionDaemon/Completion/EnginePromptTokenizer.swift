// The engine's tokenizer as RepoContext wants it: the two modules do not know each other.

import RepoContext
import SpecEngine

/// Adapts SpecEngine's tokenizer to prompt building.
struct EnginePromptTokenizer: PromptTokenizer {
    let tokenizer: Tokenizer
    /// Instead of the model's own order.
    var chosenOrder: RepoContext.FillInMiddleOrder?

    func encode(_ text: [UInt8]) -> [Int32] {
        tokenizer.encode(text, parsingSpecialTokens: false, isPart: true).map(\.rawValue)
    }

    func structuralToken(_ token: StructuralToken) -> Int32? {
        let special = tokenizer.specialTokens
        let id: TokenID? =
            switch token {
            case .repoName: special.repositoryName
            case .fileSeparator: special.fileSeparator
            case .fimPrefix: special.fimPrefix
            case .fimSuffix: special.fimSuffix
            case .fimMiddle: special.fimMiddle
            case .beginOfText: special.beginOfText
            }
        return id?.rawValue
    }

    var order: RepoContext.FillInMiddleOrder {
        if let chosenOrder { return chosenOrder }
        return switch tokenizer.specialTokens.fillInMiddleOrder {
        case .prefixSuffixMiddle: .prefixFirst
        case .suffixPrefixMiddle: .suffixFirst
        case .suffixMiddlePrefix: .suffixInside
        }
    }
}
