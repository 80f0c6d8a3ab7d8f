// Target and draft behind 15,360 tokens against PyTorch in float32 (training/foretoken_training/golden.py): that
// positions, windows and the attention's reach are right far beyond the short cases. The float reference takes minutes,
// so `make test-long` runs it and `make test` does not.

import Foundation
import TestSupport
import Testing

@testable import SpecEngine

@Suite("Golden outputs at 15,360 tokens", .serialized)
struct LongGoldenTests {
    private static let isWanted = ProcessInfo.processInfo.environment["FORETOKEN_LONG_TESTS"] == "1"

    private struct Case: Decodable {
        let promptTokens: [Int32]
        /// Of the target, and of the draft by shift.
        let topLogits: [String: [[[Double]]]]

        private struct Key: CodingKey {
            let stringValue: String
            var intValue: Int? { nil }
            init(stringValue: String) { self.stringValue = stringValue }
            init?(intValue: Int) { nil }
        }

        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: Key.self)
            promptTokens = try container.decode([Int32].self, forKey: Key(stringValue: "prompt_tokens"))
            var logits: [String: [[[Double]]]] = [:]
            for key in container.allKeys where key.stringValue.hasSuffix("last8_top10") {
                logits[key.stringValue] = try container.decode([[[Double]]].self, forKey: key)
            }
            topLogits = logits
        }
    }

    private struct File: Decodable { let cases: [String: Case] }

    private static func golden() throws -> Case {
        let bytes = try FixturePaths.bytes(FixturePaths.engineGoldenDirectory + "/long.json")
        return try #require(try JSONDecoder().decode(File.self, from: Data(bytes)).cases["spm-repo-15k"])
    }

    /// The greatest difference, and at how many rows the likeliest token is the same or within 1e-3 of it.
    private static func compare(
        _ rows: [[Float]], _ expected: [[[Double]]]
    ) -> (worst: Double, mean: Double, agreed: Int) {
        var (worst, sum, count, agreed) = (0.0, 0.0, 0, 0)
        for (row, pairs) in zip(rows, expected) {
            for pair in pairs {
                let difference = abs(Double(row[Int(pair[0])]) - pair[1])
                worst = max(worst, difference)
                sum += difference
                count += 1
            }
            let best = row.indices.max { row[$0] < row[$1] } ?? 0
            if pairs.contains(where: { Int($0[0]) == best && pairs[0][1] - $0[1] < 1e-3 }) { agreed += 1 }
        }
        return (worst, sum / Double(max(1, count)), agreed)
    }

    @Test(
        "The float reference reproduces target and draft at the end of 15,360 tokens", .enabled(if: isWanted))
    func reference() throws {
        let golden = try Self.golden()
        let prompt = golden.promptTokens.map { TokenID($0) }
        let model = try ModelFixture.reference(positionLimit: prompt.count + 1)
        let draft = try ReferenceDraft(
            file: try GGUFFile.open(FixturePaths.modelsDirectory + "/foretoken-78m-longspec-q4_0.gguf"),
            target: model, targetPath: FixturePaths.defaultModel)
        try model.live {
            model.prefill(prompt, logitRowCount: 8)
            let rows = (0..<8).map { Array(model.logits(row: $0)) }
            let target = Self.compare(rows, try #require(golden.topLogits["last8_top10"]))
            print("golden at 15k: target, worst |Δlogit| \(target.worst), argmax at \(target.agreed)/8")
            #expect(target.worst < 2e-3 && target.agreed == 8)
            for shift in 1...4 {
                let expected = try #require(golden.topLogits["shift\(shift)_last8_top10"])
                let found = Self.compare(
                    draft.logits(at: prompt.count - 8..<prompt.count, shift: shift), expected)
                print(
                    "golden at 15k: draft shift \(shift), worst |Δlogit| \(found.worst), argmax \(found.agreed)/8"
                )
                #expect(found.worst < 2e-3 && found.agreed == 8)
            }
        }
    }

    @Test("The arithmetic that serves stays close at the end of 15,360 tokens", .enabled(if: isWanted))
    func serving() throws {
        let golden = try Self.golden()
        let prompt = golden.promptTokens.map { TokenID($0) }
        let model = try ModelFixture.quantized(positionLimit: prompt.count + 1)
        try model.live {
            model.prefill(prompt, logitRowCount: 8)
            let rows = (0..<8).map { Array(model.logits(row: $0)) }
            let found = Self.compare(rows, try #require(golden.topLogits["last8_top10"]))
            print(
                "golden at 15k: default arithmetic, mean |Δlogit| \(found.mean), argmax at \(found.agreed)/8")
            #expect(found.mean < 0.15 && found.agreed >= 7)
        }
    }
}
