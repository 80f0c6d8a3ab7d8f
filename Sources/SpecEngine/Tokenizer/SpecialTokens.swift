// The tokens that give a prompt its structure: fill-in-the-middle, repository and file marks, the end of a
// text. GGUF names them by id; where a file does not, they are found by the names that published models give
// them.

/// How the text before and behind the cursor is laid out. Where the model knows both, the suffix comes first: then
/// typing only appends to the prompt.
package enum FillInMiddleOrder: Sendable, Equatable {
    /// `<prefix>` before `<suffix>` behind `<middle>`; all models with these tokens know it.
    case prefixSuffixMiddle
    /// `<suffix>` behind `<prefix>` before `<middle>`: Foretoken, Mellum.
    case suffixPrefixMiddle
    /// `<prefix>` `<suffix>` behind `<middle>` before: CodeLlama.
    case suffixMiddlePrefix
}

/// The ids of structural tokens; nil where the model has none.
package struct SpecialTokens: Sendable, Equatable {
    package var fimPrefix: TokenID?
    package var fimSuffix: TokenID?
    package var fimMiddle: TokenID?
    package var fimPad: TokenID?
    /// Comes before the name of a repository.
    package var repositoryName: TokenID?
    /// Comes before the path of each file of a repository.
    package var fileSeparator: TokenID?
    /// Put at the start of every prompt; nil unless the model was trained with it.
    package var beginOfText: TokenID?
    /// The order of a prompt's parts around the cursor that the model was trained with.
    package var fillInMiddleOrder = FillInMiddleOrder.prefixSuffixMiddle
    /// The tokens with which a model says that it is done: end of text, of a turn, of a message.
    package var endOfText: [TokenID] = []

    /// Whether the model was made to fill holes.
    package var supportsFillInTheMiddle: Bool { fimPrefix != nil && fimSuffix != nil && fimMiddle != nil }

    /// Whether a completion ends here: at the end of text, or where the model begins another part of a
    /// prompt.
    package func endsGeneration(_ token: TokenID) -> Bool {
        endOfText.contains(token) || token == fimPad || token == repositoryName || token == fileSeparator
            || token == fimPrefix || token == fimSuffix || token == fimMiddle
    }
}

extension SpecialTokens {
    /// Reads the ids from the metadata, and looks for known names where there are none.
    init(
        _ file: GGUFFile, vocabulary: Vocabulary, matcher: SpecialTokenMatcher, lists: TokenizerLists
    ) throws(TokenizerError) {
        let reader = Reader(file: file, vocabulary: vocabulary, matcher: matcher)
        fimPrefix = try reader.token(
            "fim_pre",
            names: ["<|fim_prefix|>", "<fim_prefix>", "<fim-prefix>", "<｜fim▁begin｜>", "<PRE>", "▁<PRE>"])
        fimSuffix = try reader.token(
            "fim_suf",
            names: ["<|fim_suffix|>", "<fim_suffix>", "<fim-suffix>", "<｜fim▁hole｜>", "<SUF>", "▁<SUF>"])
        fimMiddle = try reader.token(
            "fim_mid",
            names: ["<|fim_middle|>", "<fim_middle>", "<fim-middle>", "<｜fim▁end｜>", "<MID>", "▁<MID>"])
        fimPad = try reader.token("fim_pad", names: ["<|fim_pad|>", "<fim_pad>", "<fim-pad>"])
        repositoryName = try reader.token("fim_rep", names: ["<|repo_name|>", "<repo_name>", "<reponame>"])
        fileSeparator = try reader.token("fim_sep", names: ["<|file_sep|>", "<file_sep>"])
        if try reader.bool("add_bos_token", standard: lists.startsTextsByDefault) {
            beginOfText = try reader.token("bos", names: [])
        }
        fillInMiddleOrder = try reader.fillInMiddleOrder(prefix: fimPrefix)
        let ends = [
            try reader.token("eos", names: ["<|endoftext|>", "<|end_of_text|>", "</s>"]),
            try reader.token("eot", names: ["<|im_end|>", "<|eot_id|>", "<EOT>", "▁<EOT>"]),
            try reader.token("eom", names: ["<|eom_id|>"]),
            matcher.token(named: "<|endoftext|>"),
        ]
        for case let token? in ends where !endOfText.contains(token) { endOfText.append(token) }
    }

    private struct Reader {
        let file: GGUFFile
        let vocabulary: Vocabulary
        let matcher: SpecialTokenMatcher

        func token(_ name: String, names: [String]) throws(TokenizerError) -> TokenID? {
            let key = "tokenizer.ggml.\(name)_token_id"
            let raw: UInt64?
            do {
                raw = try file.metadata.uint(key)
            } catch {
                throw .metadata(error)
            }
            guard let raw else { return names.lazy.compactMap(token(named:)).first }
            guard raw < UInt64(vocabulary.count) else {
                throw .inconsistent(
                    path: file.path, reason: "\(key) is \(raw), beyond its \(vocabulary.count) tokens")
            }
            return TokenID(Int32(raw))
        }

        /// A special token, or a token that some converters left among the ordinary ones.
        private func token(named name: String) -> TokenID? {
            if let token = matcher.token(named: name) { return token }
            // SentencePiece's mark for a space is stored as the space.
            let text = String(name.map { $0 == "▁" ? " " : $0 })
            return Array(text.utf8).withUnsafeBytes(vocabulary.token(for:))
        }

        func bool(_ name: String, standard: Bool) throws(TokenizerError) -> Bool {
            do {
                return try file.metadata.bool("tokenizer.ggml.\(name)") ?? standard
            } catch {
                throw .metadata(error)
            }
        }

        /// No key of GGUF says it: known by the model's own name, or by CodeLlama's tokens.
        func fillInMiddleOrder(prefix: TokenID?) throws(TokenizerError) -> FillInMiddleOrder {
            let name: String
            do { name = try file.metadata.string("general.name") ?? "" } catch { throw .metadata(error) }
            if ["Foretoken", "Mellum"].contains(where: name.hasPrefix) { return .suffixPrefixMiddle }
            let text = prefix.map { String(decoding: vocabulary.bytes(of: $0), as: UTF8.self) }
            return text == " <PRE>" || text == "▁<PRE>" ? .suffixMiddlePrefix : .prefixSuffixMiddle
        }
    }
}
