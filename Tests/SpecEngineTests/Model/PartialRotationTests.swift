// Models whose heads turn only in part (rope.dimension_count below the head dimension), in both pairings. transformers
// has none in these architectures, so the C step and the Swift reference check each other.

import TestSupport
import Testing

@testable import SpecEngine

@Suite("Partial rotation", .serialized)
struct PartialRotationTests {
    private func logits(_ tokens: [TokenID], kind: TinyModel) throws -> (served: [Float], reference: [Float])
    {
        let model = try kind.make()
        let reference = try kind.makeReference()
        #expect(model.live { model.append(tokens[...], logitRowCount: 1) })
        #expect(reference.live { reference.append(tokens[...], logitRowCount: 1) })
        return (Array(model.logits(row: 0)), Array(reference.logits(row: 0)))
    }

    @Test(
        "Kernels and float reference agree, and how much of a head turns makes a difference",
        arguments: [Architecture.qwen2, .llama])
    func agree(architecture: Architecture) throws {
        var random = SeededRandom(seed: 41)
        let tokens = (0..<60).map { _ in TokenID(Int32.random(in: 0..<256, using: &random)) }
        var kind = TinyModel(architecture: architecture, isQuantized: false)
        let whole = try logits(tokens, kind: kind)
        kind.rotatedDimension = 24
        let part = try logits(tokens, kind: kind)
        func distance(_ a: [Float], _ b: [Float]) -> Float { zip(a, b).map { abs($0 - $1) }.max() ?? 0 }
        let (same, other) = (distance(part.served, part.reference), distance(part.reference, whole.reference))
        // Keys and values are int8 on one side.
        #expect(same < 0.05 && distance(whole.served, whole.reference) < 0.05, "\(same)")
        #expect(other > 4 * same, "\(other) against \(same)")
    }
}
