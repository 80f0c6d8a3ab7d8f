// Text to tokens and back, for models of the `gpt2` family with Qwen2's pre-tokenizer. Works on bytes throughout:
// decoding the tokens of any byte string gives that byte string.

/// A model's tokenizer. Immutable; usable from any thread.
package struct Tokenizer: Sendable {
    private let vocabulary: Vocabulary
    private let encoding: BytePairEncoding
    /// Control tokens with their spelling, longest first, for parsing.
    private let controlTokens: [(spelling: [UInt8], token: TokenID)]
    private let controlFirstBytes: Set<UInt8>

    /// Every control token: a completion that reaches one has ended.
    package var allControlTokens: [TokenID] { controlTokens.map(\.token) }

    package let specialTokens: SpecialTokens

    package var vocabularySize: Int { vocabulary.count }

    /// Reads the tokenizer from a model file; kinds that are not supported are refused by name.
    package init(_ file: GGUFFile) throws(GGUFError) {
        let model = try file.metadata.requiredString("tokenizer.ggml.model")
        guard model == "gpt2" else {
            throw GGUFError(
                path: file.path, problem: .unsupportedFeature("the tokenizer \(model) (gpt2 is supported)"))
        }
        let preTokenizer = try file.metadata.string("tokenizer.ggml.pre") ?? "default"
        guard preTokenizer == "qwen2" else {
            throw GGUFError(
                path: file.path,
                problem: .unsupportedFeature("the pre-tokenizer \(preTokenizer) (qwen2 is supported)"))
        }
        vocabulary = try Vocabulary(file)
        encoding = try BytePairEncoding(file, vocabulary: vocabulary)
        specialTokens = try SpecialTokens(file, vocabularySize: vocabulary.count)
        let vocabulary = vocabulary
        controlTokens = (0..<vocabulary.count).map { TokenID(Int32($0)) }
            .filter { vocabulary.isControl($0) && !vocabulary.bytes(of: $0).isEmpty }
            .map { (spelling: Array(vocabulary.bytes(of: $0)), token: $0) }
            .sorted { $0.spelling.count > $1.spelling.count }
        controlFirstBytes = Set(controlTokens.map { $0.spelling[0] })
    }

    /// Tokens of a text. With `parsingSpecialTokens`, spellings of control tokens become those tokens; without it
    /// they are text like any other, so that no source file can change a prompt's structure.
    package func encode(_ text: [UInt8], parsingSpecialTokens: Bool) -> [TokenID] {
        var output: [TokenID] = []
        output.reserveCapacity(text.count / 3 + 1)
        var workspace = BytePairEncoding.Workspace()
        text.withUnsafeBufferPointer { text in
            var start = 0
            while start < text.count {
                let next = parsingSpecialTokens ? nextControlToken(in: text, from: start) : nil
                let end = next?.range.lowerBound ?? text.count
                encodeText(UnsafeBufferPointer(rebasing: text[start..<end]), &workspace, into: &output)
                if let next { output.append(next.token) }
                start = next?.range.upperBound ?? end
            }
        }
        return output
    }

    /// The bytes that a token stands for: nothing for a control token.
    package func bytes(of token: TokenID) -> ArraySlice<UInt8> {
        vocabulary.isControl(token) ? [] : vocabulary.bytes(of: token)
    }

    /// How a token is spelled, control tokens included, for people to read.
    package func spelling(of token: TokenID) -> ArraySlice<UInt8> { vocabulary.bytes(of: token) }

    /// The bytes of a token sequence, without control tokens.
    package func decode(_ tokens: some Sequence<TokenID>) -> [UInt8] {
        var output: [UInt8] = []
        for token in tokens { output.append(contentsOf: bytes(of: token)) }
        return output
    }

    private func encodeText(
        _ text: UnsafeBufferPointer<UInt8>, _ workspace: inout BytePairEncoding.Workspace,
        into output: inout [TokenID]
    ) {
        var pieces = PreTokenizer(text)
        while let piece = pieces.next() {
            encoding.encode(UnsafeBufferPointer(rebasing: text[piece]), workspace: &workspace, into: &output)
        }
    }

    private func nextControlToken(
        in text: UnsafeBufferPointer<UInt8>, from start: Int
    ) -> (range: Range<Int>, token: TokenID)? {
        for index in start..<text.count where controlFirstBytes.contains(text[index]) {
            for (spelling, token) in controlTokens
            where index + spelling.count <= text.count
                && text[index..<index + spelling.count].elementsEqual(spelling)
            {
                return (index..<index + spelling.count, token)
            }
        }
        return nil
    }
}
