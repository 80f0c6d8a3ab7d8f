// The tokens that structure a prompt, as the model file names them: fill-in-the-middle markers, repository and file
// separators, end of text.

/// Ids of structural tokens; nil where the model has none.
package struct SpecialTokens: Sendable, Equatable {
    package let endOfText: TokenID?
    package let fimPrefix: TokenID?
    package let fimSuffix: TokenID?
    package let fimMiddle: TokenID?
    package let fimPad: TokenID?
    package let repositoryName: TokenID?
    package let fileSeparator: TokenID?

    /// Whether the model was made to fill holes.
    package var supportsFillInTheMiddle: Bool { fimPrefix != nil && fimSuffix != nil && fimMiddle != nil }

    init(_ file: GGUFFile, vocabularySize: Int) throws(GGUFError) {
        func token(_ key: String) throws(GGUFError) -> TokenID? {
            let key = "tokenizer.ggml.\(key)_token_id"
            guard let value = try file.metadata.uint(key) else { return nil }
            guard value < UInt64(vocabularySize) else {
                throw GGUFError(
                    path: file.path,
                    problem: .invalidValue(
                        key: key, expected: "less than \(vocabularySize)", found: "\(value)"))
            }
            return TokenID(Int32(value))
        }
        endOfText = try token("eos")
        fimPrefix = try token("fim_pre")
        fimSuffix = try token("fim_suf")
        fimMiddle = try token("fim_mid")
        fimPad = try token("fim_pad")
        repositoryName = try token("fim_rep")
        fileSeparator = try token("fim_sep")
    }
}
