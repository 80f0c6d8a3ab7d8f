// A random model whose tensors may have any format: wide enough for blocks of 256, two layers, 256 tokens.

import TestSupport

@testable import SpecEngine

struct TensorTypeModel: Sendable {
    /// The format of matrices that are no exception.
    let type: TensorType
    /// By the tensor's name without prefix and suffix, such as `ffn_down`.
    var exceptions: [String: TensorType] = [:]
    var isTied = true
    var seed: UInt64 = 3

    static let hiddenSize = 256
    static let feedForwardSize = 512
    static let vocabularySize = 256
    private static let heads = (query: 4, keyValue: 2, dimension: 64)

    /// The file, which must outlive what reads it.
    func file() throws -> TemporaryFile { try TemporaryFile(builder().bytes) }

    func builder() -> GGUFBuilder {
        var builder = GGUFBuilder()
        builder.add("general.architecture", string: "qwen3")
        let counts: [(String, Int)] = [
            ("block_count", 2), ("embedding_length", Self.hiddenSize),
            ("feed_forward_length", Self.feedForwardSize), ("context_length", 1_024),
            ("attention.head_count", Self.heads.query), ("attention.head_count_kv", Self.heads.keyValue),
            ("attention.key_length", Self.heads.dimension), ("attention.value_length", Self.heads.dimension),
        ]
        for (key, value) in counts { builder.add("qwen3.\(key)", uint32: UInt32(value)) }
        builder.add("qwen3.attention.layer_norm_rms_epsilon", float32: 1e-6)
        var random = SeededRandom(seed: seed)
        let (hidden, inner) = (Self.hiddenSize, Self.feedForwardSize)
        let (queries, keys) = (
            Self.heads.query * Self.heads.dimension, Self.heads.keyValue * Self.heads.dimension
        )
        matrix(&builder, "", "token_embd", hidden, Self.vocabularySize, &random)
        if !isTied { matrix(&builder, "", "output", hidden, Self.vocabularySize, &random) }
        vector(&builder, "output_norm.weight", hidden, &random)
        for layer in 0..<2 {
            let prefix = "blk.\(layer)."
            for name in ["attn_norm", "ffn_norm"] {
                vector(&builder, prefix + name + ".weight", hidden, &random)
            }
            for name in ["attn_q_norm", "attn_k_norm"] {
                vector(&builder, prefix + name + ".weight", Self.heads.dimension, &random)
            }
            matrix(&builder, prefix, "attn_q", hidden, queries, &random)
            matrix(&builder, prefix, "attn_k", hidden, keys, &random)
            matrix(&builder, prefix, "attn_v", hidden, keys, &random)
            matrix(&builder, prefix, "attn_output", queries, hidden, &random)
            matrix(&builder, prefix, "ffn_gate", hidden, inner, &random)
            matrix(&builder, prefix, "ffn_up", hidden, inner, &random)
            matrix(&builder, prefix, "ffn_down", inner, hidden, &random)
        }
        return builder
    }

    private func vector(
        _ builder: inout GGUFBuilder, _ name: String, _ count: Int, _ random: inout SeededRandom
    ) {
        builder.addTensor(
            name, dimensions: [count], floats: (0..<count).map { _ in 0.5 + random.unitFloat() })
    }

    private func matrix(
        _ builder: inout GGUFBuilder, _ prefix: String, _ name: String, _ inputs: Int, _ outputs: Int,
        _ random: inout SeededRandom
    ) {
        let type = exceptions[name] ?? type
        let rows = random.ggufRows(type, n: outputs, k: inputs, scale: 2 / Float(inputs).squareRoot())
        builder.addTensor(
            prefix + name + ".weight", type: type.rawValue, dimensions: [UInt64(inputs), UInt64(outputs)],
            data: rows)
    }
}
