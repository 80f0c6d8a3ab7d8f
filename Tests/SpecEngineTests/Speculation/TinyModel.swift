// Random models small enough for exhaustive tests: two layers, 64-wide, quantised or float, with heads of 64 (the
// hand-written attention kernel) or 16 dimensions (the portable one); all but qwen3 with biases, llama in its network
// too.

import CSpecKernels
import Synchronization
import TestSupport

@testable import SpecEngine

struct TinyModel {
    var architecture = Architecture.qwen3
    var isQuantized = true
    var headDimension = 64
    /// Positions that layer 0 sees; layer 1 sees all. 0: both see all.
    var window = 0
    /// Of each head; nil for all of it.
    var rotatedDimension: Int?
    var vocabularySize = 256
    var seed: UInt64 = 1

    static let hiddenSize = 64
    static let feedForwardSize = 96
    static let headCount = 4
    static let kvHeadCount = 2
    static let layerCount = 2

    /// The model on a team of its own; `threadCount` threads.
    func make(threadCount: Int = 2, positionLimit: Int = 640) throws -> TransformerModel {
        let file = try GGUFFile.open(try path())
        return try TransformerModel(
            weights: try TransformerWeights(file: file, configuration: ModelConfiguration(file)),
            team: try ModelFixture.team(threadCount: threadCount), positionLimit: positionLimit,
            path: file.path)
    }

    /// The model's shape alone.
    func configuration() throws -> ModelConfiguration { try ModelConfiguration(GGUFFile.open(try path())) }

    /// The float reference of the same model.
    func makeReference(positionLimit: Int = 640) throws -> ReferenceModel {
        let file = try GGUFFile.open(try path())
        return try ReferenceModel(
            file: file, configuration: ModelConfiguration(file), team: try ModelFixture.team(),
            positionLimit: positionLimit)
    }

    func path() throws -> String {
        let file = try TemporaryFile(builder().bytes)
        Self.lock.withLock { _ in Self.files.append(file) }
        return file.path
    }

    private static let lock = Mutex(())
    nonisolated(unsafe) private static var files: [TemporaryFile] = []  // under `lock`

    func builder() -> GGUFBuilder {
        var builder = GGUFBuilder()
        builder.add("general.architecture", string: architecture.rawValue)
        builder.add("general.name", string: "tiny")
        let counts: [(String, Int)] = [
            ("block_count", Self.layerCount), ("embedding_length", Self.hiddenSize),
            ("feed_forward_length", Self.feedForwardSize), ("context_length", 4_096),
            ("attention.head_count", Self.headCount), ("attention.head_count_kv", Self.kvHeadCount),
            ("attention.key_length", headDimension), ("attention.value_length", headDimension),
        ]
        for (key, value) in counts { builder.add("\(architecture).\(key)", uint32: UInt32(value)) }
        builder.add("\(architecture).rope.freq_base", float32: 10_000)
        builder.add("\(architecture).attention.layer_norm_rms_epsilon", float32: 1e-6)
        if window > 0 {
            builder.add("\(architecture).attention.sliding_window", uint32: UInt32(window))
            builder.add("\(architecture).attention.sliding_window_pattern", uint32: 2)
        }
        if let rotatedDimension {
            builder.add("\(architecture).rope.dimension_count", uint32: UInt32(rotatedDimension))
        }
        var random = SeededRandom(seed: seed)
        let (heads, kvSize) = (Self.headCount * headDimension, Self.kvHeadCount * headDimension)
        addMatrix(&builder, "token_embd.weight", Self.hiddenSize, vocabularySize, &random)
        addVector(&builder, "output_norm.weight", Self.hiddenSize, &random)
        for layer in 0..<Self.layerCount {
            let prefix = "blk.\(layer)."
            addVector(&builder, prefix + "attn_norm.weight", Self.hiddenSize, &random)
            addVector(&builder, prefix + "ffn_norm.weight", Self.hiddenSize, &random)
            if architecture == .qwen3 {
                addVector(&builder, prefix + "attn_q_norm.weight", headDimension, &random)
                addVector(&builder, prefix + "attn_k_norm.weight", headDimension, &random)
            } else {
                addVector(&builder, prefix + "attn_q.bias", heads, &random)
                addVector(&builder, prefix + "attn_v.bias", kvSize, &random)
            }
            if architecture == .llama {
                addVector(&builder, prefix + "attn_output.bias", Self.hiddenSize, &random)
                addVector(&builder, prefix + "ffn_gate.bias", Self.feedForwardSize, &random)
                addVector(&builder, prefix + "ffn_down.bias", Self.hiddenSize, &random)
            }
            addMatrix(&builder, prefix + "attn_q.weight", Self.hiddenSize, heads, &random)
            addMatrix(&builder, prefix + "attn_k.weight", Self.hiddenSize, kvSize, &random)
            addMatrix(&builder, prefix + "attn_v.weight", Self.hiddenSize, kvSize, &random)
            addMatrix(&builder, prefix + "attn_output.weight", heads, Self.hiddenSize, &random)
            addMatrix(&builder, prefix + "ffn_gate.weight", Self.hiddenSize, Self.feedForwardSize, &random)
            addMatrix(&builder, prefix + "ffn_up.weight", Self.hiddenSize, Self.feedForwardSize, &random)
            addMatrix(&builder, prefix + "ffn_down.weight", Self.feedForwardSize, Self.hiddenSize, &random)
        }
        return builder
    }

    private func addVector(
        _ builder: inout GGUFBuilder, _ name: String, _ count: Int, _ random: inout SeededRandom
    ) {
        builder.addTensor(
            name, dimensions: [count], floats: (0..<count).map { _ in 0.5 + random.unitFloat() })
    }

    private func addMatrix(
        _ builder: inout GGUFBuilder, _ name: String, _ inputs: Int, _ outputs: Int,
        _ random: inout SeededRandom
    ) {
        let scale = 2 / Float(inputs).squareRoot()
        guard isQuantized else {
            let values = (0..<inputs * outputs).map { _ in (random.unitFloat() - 0.5) * 2 * scale }
            builder.addTensor(name, dimensions: [inputs, outputs], floats: values)
            return
        }
        var data: [UInt8] = []
        for _ in 0..<inputs * outputs / 32 {
            let half = Float16(scale * (0.5 + random.unitFloat()) / 8).bitPattern
            data += [UInt8(half & 0xFF), UInt8(half >> 8)] + random.bytes(count: 16)
        }
        builder.addTensor(name, type: 2, dimensions: [UInt64(inputs), UInt64(outputs)], data: data)
    }
}

extension TransformerModel {
    /// Keys and values of all committed positions, byte by byte, in an order that tests can compare.
    func committedRows(from first: Int = 0) -> [UInt8] {
        let (d, kvHeads) = (configuration.headDimension, configuration.kvHeadCount)
        let groupBytes = spec_kv_group_bytes(Int32(d))
        var result: [UInt8] = []
        result.reserveCapacity(
            (tokens.count - first) * configuration.layerCount * kvHeads * 2 * spec_head_bytes(Int32(d)))
        for position in first..<tokens.count {
            let (group, lane) = (position % 128 / 16, position % 16)
            for head in 0..<configuration.layerCount * kvHeads {
                let chunk = UnsafePointer(cache.blockTable[position / 128]) + head * 16 * groupBytes
                let (keys, values) = (chunk + group * groupBytes, chunk + (8 + group) * groupBytes)
                for i in 0..<d {
                    result.append(keys[(i / 4 * 16 + lane) * 4 + i % 4])
                    result.append(values[(lane / 4 * d + i) * 4 + lane % 4])
                }
                for i in 0..<4 {
                    result.append(keys[16 * d + lane * 4 + i])
                    result.append(values[16 * d + lane * 4 + i])
                }
            }
        }
        return result
    }

    func logitArray(row: Int) -> [Float] { Array(logits(row: row)) }

    /// Random tokens below the vocabulary's size.
    func randomTokens(_ count: Int, _ random: inout SeededRandom) -> [TokenID] {
        (0..<count).map { _ in
            TokenID(Int32.random(in: 0..<Int32(configuration.vocabularySize), using: &random))
        }
    }
}

/// A random tree with `count` nodes; siblings have different tokens, depths stay below `TokenTree.depthLimit`.
func randomTree(root: TokenID, count: Int, vocabularySize: Int, _ random: inout SeededRandom) -> TokenTree {
    var tree = TokenTree(root: root)
    // Some trees are bushes, some are nearly chains.
    let reach = Int.random(in: 1...4, using: &random)
    while tree.count < count {
        let parent = max(0, tree.count - Int.random(in: 1...reach, using: &random))
        let token = TokenID(Int32.random(in: 0..<Int32(vocabularySize), using: &random))
        _ = tree.add(token, under: parent, source: .given)
        if tree.depths[tree.count - 1] == TokenTree.depthLimit - 1 { break }
    }
    return tree
}
