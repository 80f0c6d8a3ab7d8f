// What can go wrong between a model file and a completion, each with what to do about it.

/// An error of the engine that a user can meet.
package enum EngineError: Error, CustomStringConvertible {
    /// The model file is missing, damaged or of a kind that is not supported.
    case model(GGUFError)
    /// The model file's tokenizer is damaged or of a kind that is not supported.
    case tokenizer(TokenizerError)
    /// A vector is stored in a quantised format, which converters use for matrices only.
    case unsupportedTensorType(path: String, tensor: String, type: TensorType)
    /// A shape that the kernels cannot compute with.
    case unsupportedShape(path: String, reason: String)
    /// A draft was made for another target model.
    case draftDoesNotFit(path: String, reason: String)
    /// There is no draft beside the model, and none was named.
    case noDraft(modelPath: String)
    case emptyPrompt
    case promptTooLong(tokenCount: Int, limit: Int)
    /// The completion that was asked for leaves no positions for a prompt.
    case noRoomForPrompt(maximumTokens: Int, limit: Int)
    case invalidToken(TokenID, vocabularySize: Int)
    case threadsUnavailable(count: Int)

    package var message: String {
        switch self {
        case .model(let error): error.message
        case .tokenizer(let error): error.message
        case .unsupportedTensorType(let path, let tensor, let type):
            "\(path): tensor \(tensor) is stored as \(type.name); norms and biases must be F32, F16 or BF16"
        case .unsupportedShape(let path, let reason): "\(path): \(reason)"
        case .draftDoesNotFit(let path, let reason): "\(path): the draft does not fit the model: \(reason)"
        case .noDraft(let path): "there is no draft model beside \(path)"
        case .emptyPrompt: "the prompt is empty"
        case .promptTooLong(let tokenCount, let limit):
            "the prompt has \(tokenCount) tokens; with this model at most \(limit) fit"
        case .noRoomForPrompt(let maximumTokens, let limit):
            "\(maximumTokens) tokens of completion leave no room for a prompt; the model has \(limit) positions"
        case .invalidToken(let token, let size): "token \(token) is outside the vocabulary of \(size)"
        case .threadsUnavailable(let count): "\(count) compute threads could not be started"
        }
    }

    /// What the user can do.
    package var fix: String {
        switch self {
        case .model(let error): error.fix
        case .tokenizer(let error): error.fix
        case .unsupportedTensorType: "convert the model again with a current GGUF converter"
        case .unsupportedShape: "use another model"
        case .draftDoesNotFit: "use the draft that was trained for this model, or --speculation lookup"
        case .noDraft: "name one with --draft, or use --speculation lookup"
        case .emptyPrompt: "give at least one character of text"
        case .promptTooLong: "shorten the prompt or lower --context-tokens"
        case .noRoomForPrompt: "lower --max-tokens"
        case .invalidToken: "use the tokenizer of the model that is loaded"
        case .threadsUnavailable:
            "choose --threads between \(EngineLimits.threadCounts.lowerBound) and "
                + "\(EngineLimits.threadCounts.upperBound), and check the limit on processes (ulimit -u)"
        }
    }

    package var description: String { "\(message); \(fix)" }
}
