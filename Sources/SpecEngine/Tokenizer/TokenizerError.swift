// What can be wrong with the tokenizer that a model file carries, and what to do about it.

/// A tokenizer that cannot be built from its model file.
package enum TokenizerError: Error, Equatable, CustomStringConvertible {
    /// A metadata key is missing or of the wrong type.
    case metadata(GGUFError)
    case unsupportedModel(path: String, found: String, supported: [String])
    case unsupportedPreTokenizer(path: String, found: String, supported: [String])
    /// The tokenizer rewrites text before cutting it, in a way that is not supported.
    case unsupportedNormalizer(path: String, name: String)
    /// The token list and another list or number do not fit together.
    case inconsistent(path: String, reason: String)

    /// What is wrong, in one sentence without a final full stop.
    package var message: String {
        switch self {
        case .metadata(let error):
            error.message
        case .unsupportedModel(let path, let found, let supported):
            "\(path): \(Self.notSupported("tokenizer model", found, supported))"
        case .unsupportedPreTokenizer(let path, let found, let supported):
            "\(path): \(Self.notSupported("pre-tokenizer", found, supported))"
        case .unsupportedNormalizer(let path, let name):
            "\(path): the text normalisation \(name) of its tokenizer is not supported"
        case .inconsistent(let path, let reason):
            "\(path): the tokenizer is damaged: \(reason)"
        }
    }

    /// What the user can do about it.
    package var fix: String {
        switch self {
        case .metadata(let error): error.fix
        case .unsupportedModel, .unsupportedPreTokenizer, .unsupportedNormalizer:
            "choose a model with a supported tokenizer, or leave --model out to use the default model"
        case .inconsistent:
            "fetch the model file again and compare its checksum, or convert it again"
        }
    }

    private static func notSupported(_ what: String, _ found: String, _ supported: [String]) -> String {
        "the \(what) \(found) is not supported (supported: \(supported.joined(separator: ", ")))"
    }

    package var description: String { "\(message); \(fix)" }
}
