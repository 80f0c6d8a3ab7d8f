// Which model, on which arithmetic: what every command that computes has in common.

import SpecEngine

/// Settings of the engine, before anything is loaded.
struct EngineConfiguration: Sendable {
    /// Where to read the model; nil looks in the usual places.
    var modelPath: String?
    var threadCount: Int?
    var instructionSet: InstructionSet = .best
    var usesReference = false
    /// Bytes of keys and values; nil chooses by the machine.
    var cacheByteLimit: Int?
    /// Where checksums are remembered; nil remembers none.
    var cacheDirectory = UserDirectories.cache
    var speculation = SpeculationOptions.off
    /// Further ways to speculate that requests may choose, for measuring.
    var speculationAlternatives: [SpeculationOptions] = []

    /// Finds and loads the model; refuses one that cannot fill holes when `fillsHoles` is wanted.
    func load(fillsHoles: Bool = true) throws -> InferenceEngine {
        let path = try ModelLocator.locate(explicitPath: modelPath).path
        var options = EngineOptions(
            threadCount: threadCount, instructionSet: instructionSet, usesReference: usesReference,
            cacheByteLimit: cacheByteLimit,
            speculation: try speculation.locatingDraft(forModel: path),
            speculationAlternatives: try speculationAlternatives.map {
                try $0.locatingDraft(forModel: path)
            })
        let checksums = ChecksumCache(directory: cacheDirectory)
        options.checksum = { path throws(EngineError) in try checksums.sha256(path) }
        let engine = try InferenceEngine(modelPath: path, options: options)
        if fillsHoles && !engine.tokenizer.specialTokens.supportsFillInTheMiddle {
            throw ModelLocator.Failure.cannotFillHoles(path: path)
        }
        return engine
    }
}
