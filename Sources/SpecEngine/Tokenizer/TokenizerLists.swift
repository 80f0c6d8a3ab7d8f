// The tokenizer's part of GGUF metadata: which kind it is, and its lists with matching lengths.

/// The lists from which a tokenizer is built; they point into the model file.
struct TokenizerLists {
    /// What tells one kind of tokenizer from another.
    enum Kind {
        case byteLevel(PreTokenizerKind, merges: GGUFStringArray)
        /// As many scores as tokens.
        case sentencePiece(scores: GGUFNumberArray)
    }

    let kind: Kind
    let tokens: GGUFStringArray
    /// As many as tokens.
    let kinds: [TokenKind]

    init(_ file: GGUFFile) throws(TokenizerError) {
        let types: GGUFNumberArray?
        do {
            tokens = try file.metadata.requiredStringArray("tokenizer.ggml.tokens")
            types = try file.metadata.numberArray("tokenizer.ggml.token_type")
        } catch {
            throw .metadata(error)
        }
        kinds = try Self.kinds(types, tokenCount: tokens.count, path: file.path)
        switch try Self.model(file) {
        case .gpt2: kind = try Self.byteLevel(file)
        case .llama: kind = try Self.sentencePiece(file, tokenCount: tokens.count)
        }
    }

    /// How the tokens are written.
    var spelling: Vocabulary.Spelling {
        switch kind {
        case .byteLevel: .byteAlphabet
        case .sentencePiece: .sentencePiece
        }
    }

    /// Whether a text begins with a token of its own where the file does not say: Llama's do.
    var startsTextsByDefault: Bool {
        switch kind {
        case .byteLevel(let preTokenizer, _): preTokenizer == .llama3
        case .sentencePiece: true
        }
    }

    private static func model(_ file: GGUFFile) throws(TokenizerError) -> TokenizerModel {
        let name: String
        do { name = try file.metadata.requiredString("tokenizer.ggml.model") } catch {
            throw .metadata(error)
        }
        guard let model = TokenizerModel(rawValue: name) else {
            let supported = TokenizerModel.allCases.map(\.rawValue)
            throw .unsupportedModel(path: file.path, found: name, supported: supported)
        }
        return model
    }

    private static func byteLevel(_ file: GGUFFile) throws(TokenizerError) -> Kind {
        let name: String
        let merges: GGUFStringArray
        do {
            name = try file.metadata.string("tokenizer.ggml.pre") ?? "default"
            merges = try file.metadata.requiredStringArray("tokenizer.ggml.merges")
        } catch {
            throw .metadata(error)
        }
        guard let preTokenizer = PreTokenizerKind(name: name) else {
            throw .unsupportedPreTokenizer(path: file.path, found: name, supported: PreTokenizerKind.names)
        }
        return .byteLevel(preTokenizer, merges: merges)
    }

    private static func sentencePiece(_ file: GGUFFile, tokenCount: Int) throws(TokenizerError) -> Kind {
        let scores: GGUFNumberArray?
        do {
            scores = try file.metadata.numberArray("tokenizer.ggml.scores")
            // Both change the text before it is cut, so that other tokens come out.
            if try file.metadata.bool("tokenizer.ggml.remove_extra_whitespaces") ?? false {
                throw TokenizerError.unsupportedNormalizer(path: file.path, name: "remove_extra_whitespaces")
            }
            if let map = try file.metadata.numberArray("tokenizer.ggml.precompiled_charsmap"), map.count > 0 {
                throw TokenizerError.unsupportedNormalizer(path: file.path, name: "precompiled_charsmap")
            }
        } catch let error as GGUFError {
            throw .metadata(error)
        } catch let error as TokenizerError {
            throw error
        } catch {
            throw .inconsistent(path: file.path, reason: "\(error)")
        }
        guard let scores, scores.count == tokenCount else {
            throw .inconsistent(
                path: file.path, reason: "it has \(tokenCount) tokens and \(scores?.count ?? 0) scores")
        }
        return .sentencePiece(scores: scores)
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
