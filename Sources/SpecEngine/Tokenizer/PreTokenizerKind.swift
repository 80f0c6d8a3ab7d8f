// Which pre-tokenizer a model file names, and how each is run: by the scanner of GPT-2's descendants, or as the series
// of cuts that DeepSeek-Coder makes.

/// The pre-tokenizers that can be run, under the name that GGUF's converter gives them first.
enum PreTokenizerKind: String, CaseIterable {
    case qwen2
    case llama3 = "llama-bpe"
    case gpt2 = "gpt-2"
    case starcoder
    case deepSeekCoder = "deepseek-coder"

    /// Other names of `tokenizer.ggml.pre` for the same rules.
    private static let aliases: [String: PreTokenizerKind] = [
        "llama3": .llama3, "llama-v3": .llama3, "refact": .starcoder, "codeshell": .starcoder,
    ]

    init?(name: String) {
        guard let kind = PreTokenizerKind(rawValue: name) ?? Self.aliases[name] else { return nil }
        self = kind
    }

    /// All names, for error messages.
    static var names: [String] { allCases.map(\.rawValue) + aliases.keys.sorted() }

    /// Calls `body` with the words of `text` in order, as byte ranges that cover it.
    func forEachWord(in text: UnsafeBufferPointer<UInt8>, _ body: (Range<Int>) -> Void) {
        let rules: PreTokenizer.Rules
        switch self {
        case .qwen2: rules = .qwen2
        case .llama3: rules = .llama3
        case .gpt2: rules = .gpt2
        case .starcoder: rules = .starcoder
        case .deepSeekCoder:
            DeepSeekCuts(text).forEachWord(body)
            return
        }
        var words = PreTokenizer(text, rules: rules)
        while let word = words.next() { body(word) }
    }
}
