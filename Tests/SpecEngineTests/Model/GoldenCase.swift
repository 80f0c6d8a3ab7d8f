// Reference outputs made with transformers in float32: prompts, the ten greatest logits of the last eight prompt
// positions, and a greedy continuation with its ten greatest logits at each step. Those of the default model, and those
// of small random models of the other architectures (training/foretoken_training/checkpoints.py).

import Foundation
import TestSupport

@testable import SpecEngine

struct GoldenCase: Decodable {
    let prompt: String
    let promptTokens: [Int32]
    /// [8][10] pairs of token and logit.
    let lastTopLogits: [[[Double]]]
    let greedyTokens: [Int32]
    let greedyTopLogits: [[[Double]]]

    enum CodingKeys: String, CodingKey {
        case prompt
        case promptTokens = "prompt_tokens"
        case lastTopLogits = "last8_top10"
        case greedyTokens = "greedy_tokens"
        case greedyTopLogits = "greedy_top10"
    }

    private struct File: Decodable { let cases: [String: GoldenCase] }

    /// All cases by name.
    static let all = load("/target.json")

    static let names = all.keys.sorted()

    /// One case for each small model.
    static let architectures = load("/architectures/architectures.json")

    static let architectureNames = architectures.keys.sorted()

    private static func load(_ name: String) -> [String: GoldenCase] {
        do {
            let bytes = try FixturePaths.bytes(FixturePaths.engineGoldenDirectory + name)
            return try JSONDecoder().decode(File.self, from: Data(bytes)).cases
        } catch {
            preconditionFailure("the golden file does not load: \(error)")
        }
    }
}
