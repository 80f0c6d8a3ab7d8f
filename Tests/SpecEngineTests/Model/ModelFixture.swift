// The default model and small models of other architectures for tests, loaded in the way each test asks for.

import TestSupport

@testable import SpecEngine

enum ModelFixture {
    static func file(_ path: String = FixturePaths.defaultModel) throws -> GGUFFile {
        try GGUFFile.open(path)
    }

    /// The small random model of that name.
    static func architecturePath(_ name: String) -> String {
        FixturePaths.engineGoldenDirectory + "/architectures/\(name).gguf"
    }

    static func team(threadCount: Int = 2, instructionSet: InstructionSet = .best) throws -> ThreadTeam {
        guard let team = ThreadTeam(threadCount: threadCount, instructionSet: instructionSet) else {
            throw EngineError.threadsUnavailable(count: threadCount)
        }
        return team
    }

    static func quantized(
        _ path: String = FixturePaths.defaultModel, threadCount: Int = 2,
        instructionSet: InstructionSet = .best,
        positionLimit: Int = 8_192
    ) throws -> TransformerModel {
        let file = try file(path)
        let weights = try TransformerWeights(file: file, configuration: ModelConfiguration(file))
        return try TransformerModel(
            weights: weights, team: try team(threadCount: threadCount, instructionSet: instructionSet),
            positionLimit: positionLimit, path: file.path)
    }

    static func reference(
        _ path: String = FixturePaths.defaultModel, positionLimit: Int = 8_192
    ) throws -> ReferenceModel {
        let file = try file(path)
        return try ReferenceModel(
            file: file, configuration: ModelConfiguration(file), team: team(), positionLimit: positionLimit)
    }
}

extension LanguageModel {
    /// Runs `body` with all threads of the model awake.
    func live<Result>(_ body: () throws -> Result) rethrows -> Result {
        try team.withLiveRequest(cancellation: nil, body)
    }

    /// Prefills a prompt in passes of the greatest size; logits of the last `logitRowCount` rows.
    func prefill(_ prompt: [TokenID], logitRowCount: Int = 1) {
        var start = tokens.count
        // The last pass must hold every row whose logits are wanted.
        while prompt.count - start > EngineLimits.rowsPerPass {
            let end = min(start + EngineLimits.rowsPerPass, prompt.count - logitRowCount)
            precondition(append(prompt[start..<end], logitRowCount: 0))
            start = end
        }
        precondition(append(prompt[start...], logitRowCount: logitRowCount))
    }

    /// The greedy choice after the last pass.
    func greedyToken(row: Int = 0) -> TokenID {
        let logits = logits(row: row)
        return TokenID(
            Int32(logits.indices.max { logits[$0] < logits[$1] || logits[$0] == logits[$1] && $0 > $1 }!))
    }
}
