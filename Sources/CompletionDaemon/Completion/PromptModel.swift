// What of a model file an engine elsewhere needs here: the tokenizer that cuts prompts, and how long they may be.

import SpecEngine

/// Reads no weights.
enum PromptModel {
    /// The tokenizer and the positions of a model.
    static func load(explicitPath: String?) throws -> (tokenizer: Tokenizer, positionLimit: Int) {
        let path = try ModelLocator.locate(explicitPath: explicitPath).path
        do {
            let file = try GGUFFile.open(path)
            let limit = try ModelConfiguration(file).contextLength
            return (try Tokenizer(file), min(limit, EngineLimits.positions))
        } catch let error as GGUFError {
            throw EngineError.model(error)
        } catch let error as TokenizerError {
            throw EngineError.tokenizer(error)
        }
    }
}
