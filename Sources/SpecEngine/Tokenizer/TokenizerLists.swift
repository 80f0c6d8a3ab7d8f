// The tokenizer's part of GGUF metadata: which kind it is, and its three lists with matching lengths.

/// The lists from which a tokenizer is built; they point into the model file.
struct TokenizerLists {
    let tokens: GGUFStringArray
    /// As many as tokens.
    let kinds: [TokenKind]
    let merges: GGUFStringArray

    init(_ file: GGUFFile) throws(TokenizerError) {
        try Self.refuseUnsupported(file)
        let types: GGUFNumberArray?
        do {
            tokens = try file.metadata.requiredStringArray("tokenizer.ggml.tokens")
            merges = try file.metadata.requiredStringArray("tokenizer.ggml.merges")
            types = try file.metadata.numberArray("tokenizer.ggml.token_type")
        } catch {
            throw .metadata(error)
        }
        kinds = try Self.kinds(types, tokenCount: tokens.count, path: file.path)
    }

    private static func refuseUnsupported(_ file: GGUFFile) throws(TokenizerError) {
        let model: String
        let preTokenizer: String
        do {
            model = try file.metadata.requiredString("tokenizer.ggml.model")
            preTokenizer = try file.metadata.string("tokenizer.ggml.pre") ?? "default"
        } catch {
            throw .metadata(error)
        }
        guard TokenizerModel(rawValue: model) != nil else {
            let supported = TokenizerModel.allCases.map(\.rawValue)
            throw .unsupportedModel(path: file.path, found: model, supported: supported)
        }
        guard PreTokenizerKind(rawValue: preTokenizer) != nil else {
            let supported = PreTokenizerKind.allCases.map(\.rawValue)
            throw .unsupportedPreTokenizer(path: file.path, found: preTokenizer, supported: supported)
        }
    }

    private static func kinds(
        _ types: GGUFNumberArray?, tokenCount: Int, path: String
    ) throws(TokenizerError) -> [TokenKind] {
        // Without types every token is text.
        guard let types else { return [TokenKind](repeating: .normal, count: tokenCount) }
        guard types.count == tokenCount else {
            throw .inconsistent(
                path: path, reason: "it has \(tokenCount) tokens and \(types.count) token types")
        }
        var kinds: [TokenKind] = []
        kinds.reserveCapacity(tokenCount)
        for index in 0..<tokenCount {
            guard let raw = types.integer(at: index), let byte = UInt8(exactly: raw),
                let kind = TokenKind(rawValue: byte)
            else { throw .inconsistent(path: path, reason: "the type of token \(index) is unknown") }
            kinds.append(kind)
        }
        return kinds
    }
}
