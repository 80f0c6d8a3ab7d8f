// Both layers that exist run: ours (head norms, an output norm, no biases) and the published one (biases of queries,
// keys and values, no head norms, no output norm). The draft that serves against the float reference, on tiny models.

import TestSupport
import Testing

@testable import SpecEngine

@Suite("Layouts of draft layers", .serialized)
struct DraftLayoutTests {
    private struct Layout: CustomTestStringConvertible {
        var hasBiases = false
        var hasHeadNorms = false
        var hasOutputNorm = false
        var testDescription: String {
            "biases \(hasBiases), head norms \(hasHeadNorms), output norm \(hasOutputNorm)"
        }

        func file() throws -> TemporaryFile {
            var builder = GGUFBuilder()
            builder.add("general.architecture", string: "longspec")
            builder.add("longspec.feed_forward_length", uint32: 96)
            builder.add("longspec.attention.sliding_window", uint32: 24)
            builder.add("longspec.target_layer", uint32: 1)
            builder.add("longspec.rope.freq_base", float32: 5_000)
            builder.add("longspec.attention.layer_norm_rms_epsilon", float32: 1e-6)
            let (hidden, heads, kvSize) = (
                TinyModel.hiddenSize, TinyModel.headCount * 64, TinyModel.kvHeadCount * 64
            )
            var random = SeededRandom(seed: 3)
            func add(_ name: String, _ dimensions: [Int], around center: Float = 0) {
                let scale = dimensions.count == 2 ? 2 / Float(dimensions[0]).squareRoot() : 0.5
                let values = (0..<dimensions.reduce(1, *)).map { _ in
                    center + (random.unitFloat() - 0.5) * 2 * scale
                }
                builder.addTensor("draft." + name, dimensions: dimensions, floats: values)
            }
            for norm in ["self_attn_norm", "cross_attn_norm", "ffn_norm"]
                + (hasOutputNorm ? ["output_norm"] : [])
            {
                add(norm + ".weight", [hidden], around: 1)
            }
            for norm in hasHeadNorms ? ["self_attn_q_norm", "self_attn_k_norm", "cross_attn_q_norm"] : [] {
                add(norm + ".weight", [64], around: 1)
            }
            for (name, size) in [
                ("self_attn_q", heads), ("self_attn_k", kvSize), ("self_attn_v", kvSize),
                ("cross_attn_q", heads),
            ] {
                add(name + ".weight", [hidden, size])
                if hasBiases { add(name + ".bias", [size]) }
            }
            for name in ["self_attn_output", "cross_attn_output"] { add(name + ".weight", [heads, hidden]) }
            for name in ["ffn_gate", "ffn_up"] { add(name + ".weight", [hidden, 96]) }
            add("ffn_down.weight", [96, hidden])
            return try TemporaryFile(builder.bytes)
        }
    }

    @Test(
        "Logits along a path are those of the float reference",
        arguments: [
            Layout(hasHeadNorms: true, hasOutputNorm: true), Layout(hasBiases: true), Layout(),
            Layout(hasBiases: true, hasHeadNorms: true, hasOutputNorm: true),
        ])
    private func layouts(layout: Layout) throws {
        let draftFile = try layout.file()
        let targetFile = try TemporaryFile(TinyModel(isQuantized: false).builder().bytes)
        let file = try GGUFFile.open(targetFile.path)
        let configuration = try ModelConfiguration(file)
        let target = try TransformerModel(
            weights: try TransformerWeights(file: file, configuration: configuration),
            team: try ModelFixture.team(), positionLimit: 256, path: file.path)
        let reference = try ReferenceModel(
            file: file, configuration: configuration, team: try ModelFixture.team(), positionLimit: 256)
        let draft = try LongSpecDraft(
            file: try GGUFFile.open(draftFile.path), target: target, targetPath: file.path)
        let exact = try ReferenceDraft(
            file: try GGUFFile.open(draftFile.path), target: reference, targetPath: file.path)
        var random = SeededRandom(seed: 4)
        let text = target.randomTokens(150, &random)
        reference.live { reference.prefill(text) }
        var worst: Float = 0
        for (position, shift) in [(149, 1), (149, 3), (60, 2), (20, 4)] {
            let committed = position - shift + 1
            target.truncate(to: 0)
            target.live { target.prefill(Array(text[..<committed])) }
            var tree = TokenTree(root: text[committed])
            #expect(draft.evaluatePath(Array(text[committed + 1..<position + 1]), of: &tree))
            let expected = reference.live { exact.logits(at: position..<position + 1, shift: shift) }[0]
            for (found, wanted) in zip(draft.logits(row: 0), expected) {
                worst = max(worst, abs(found - wanted))
            }
        }
        // The cache is int8: a few parts in a thousand of logits that reach ten.
        #expect(worst < 0.15, "worst |Δlogit| \(worst)")
    }
}
