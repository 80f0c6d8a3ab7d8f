// Models of every tensor format, and of several at once as quantisers make them: close to the float reference on the
// same weights, and row-independent.

import TestSupport
import Testing

@testable import SpecEngine

@Suite("Models of every tensor format")
struct TensorTypeTests {
    private static let mixtures: [String: TensorTypeModel] = [
        "Q4_K_M": .init(
            type: .q4_K, exceptions: ["attn_v": .q6_K, "ffn_down": .q6_K, "token_embd": .q6_K]),
        "Q5_K_M": .init(
            type: .q5_K, exceptions: ["attn_v": .q6_K, "ffn_down": .q6_K, "output": .q6_K], isTied: false),
        "Q4_0 with a Q6_K head": .init(type: .q4_0, exceptions: ["output": .q6_K], isTied: false),
        "Q8_0 with F16 embeddings": .init(type: .q8_0, exceptions: ["token_embd": .f16]),
        "float among quantised": .init(
            type: .q8_0,
            exceptions: ["attn_v": .f16, "ffn_gate": .bf16, "ffn_down": .q4_K, "output": .f32], isTied: false),
        "quantised among float": .init(type: .bf16, exceptions: ["attn_k": .q5_K, "ffn_up": .q8_0]),
        "float down": .init(type: .q4_0, exceptions: ["ffn_down": .f32]),
    ]

    @Test("One format throughout", arguments: TensorType.allCases)
    func uniform(type: TensorType) throws {
        // Int8 activations are off by two per cent and a half; float models only by what int8 keys and values cost.
        try check(TensorTypeModel(type: type), type.name, tolerance: type.isFloat ? 0.025 : 0.04)
    }

    @Test("Formats mixed in one file", arguments: mixtures.keys.sorted())
    func mixed(name: String) throws {
        try check(try #require(Self.mixtures[name]), name, tolerance: 0.04)
    }

    /// `tolerance`: root mean square of the difference from the reference's logits, relative to theirs.
    private func check(_ kind: TensorTypeModel, _ name: String, tolerance: Double) throws {
        let temporary = try kind.file()
        let file = try GGUFFile.open(temporary.path)
        let configuration = try ModelConfiguration(file)
        let team = try ModelFixture.team()
        let model = try TransformerModel(
            weights: try TransformerWeights(file: file, configuration: configuration), team: team,
            positionLimit: 256, path: file.path)
        let reference = try ReferenceModel(
            file: file, configuration: configuration, team: team, positionLimit: 256)
        var random = SeededRandom(seed: 8)
        let tokens = model.randomTokens(20, &random)
        let rows = 0..<tokens.count
        #expect(model.live { model.append(tokens[...], logitRowCount: tokens.count) })
        #expect(reference.live { reference.append(tokens[...], logitRowCount: tokens.count) })
        let together = rows.map { Array(model.logits(row: $0)) }
        let difference = Self.difference(together, rows.map { Array(reference.logits(row: $0)) })
        print("tensor formats: \(name), relative difference of logits from the float reference \(difference)")
        #expect(difference < tolerance)

        model.truncate(to: 0)
        for row in rows {
            #expect(model.live { model.append([tokens[row]], logitRowCount: 1) })
            let isSame = Array(model.logits(row: 0)) == together[row]
            #expect(isSame, "\(name): row \(row) alone")
        }
    }

    private static func difference(_ found: [[Float]], _ expected: [[Float]]) -> Double {
        var (error, size) = (0.0, 0.0)
        for (a, b) in zip(found.joined(), expected.joined()) {
            error += Double((a - b) * (a - b))
            size += Double(b * b)
        }
        return (error / size).squareRoot()
    }

    @Test("Repacking on two threads gives the same model")
    func repackedByTeam() throws {
        let temporary = try #require(Self.mixtures["Q4_K_M"]).file()
        let file = try GGUFFile.open(temporary.path)
        let configuration = try ModelConfiguration(file)
        let team = try ModelFixture.team()
        let logits = try [nil, team].map { helpers -> [Float] in
            let weights = try team.withLiveRequest(cancellation: nil) {
                try TransformerWeights(file: file, configuration: configuration, team: helpers)
            }
            let model = try TransformerModel(
                weights: weights, team: team, positionLimit: 256, path: file.path)
            #expect(model.live { model.append([TokenID(1), TokenID(2)], logitRowCount: 1) })
            return Array(model.logits(row: 0))
        }
        #expect(logits[0] == logits[1])
    }
}
