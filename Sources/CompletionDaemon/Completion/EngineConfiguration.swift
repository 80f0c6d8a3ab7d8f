// Which model, on which arithmetic: what every command that computes has in common.

import SpecEngine

/// Settings of the engine, before anything is loaded.
struct EngineConfiguration: Sendable {
    /// Where to read the model; nil looks in the usual places.
    var modelPath: String?
    var threadCount: Int?
    var instructionSet: InstructionSet = .best
    var usesReference = false

    /// Finds and loads the model; refuses one that cannot fill holes when `fillsHoles` is wanted.
    func load(fillsHoles: Bool = true) throws -> InferenceEngine {
        let path = try ModelLocator.locate(explicitPath: modelPath)
        let engine = try InferenceEngine(
            modelPath: path,
            options: EngineOptions(
                threadCount: threadCount, instructionSet: instructionSet, usesReference: usesReference))
        if fillsHoles && !engine.tokenizer.specialTokens.supportsFillInTheMiddle {
            throw ModelLocator.Failure.cannotFillHoles(path: path)
        }
        return engine
    }
}
