// The weights of a decoder of the Qwen3 family in kernel layout, read from a GGUF file by the names that
// llama.cpp gave its tensors. Shapes are checked here, once; the forward pass trusts them.

import CSpecKernels

#if canImport(Glibc)
    import Glibc
#endif

/// All weights of one model. Immutable after loading; engine thread only.
final class TransformerWeights {
    struct Layer {
        let attentionNorm: UnsafePointer<Float>
        let queryKeyValue: PackedMatrix  // queries, keys and values stacked: [(H + 2G)·D, hidden]
        let queryNorm: UnsafePointer<Float>
        let keyNorm: UnsafePointer<Float>
        let attentionOutput: PackedMatrix
        let feedForwardNorm: UnsafePointer<Float>
        let gate: PackedMatrix
        let up: PackedMatrix
        let down: PackedMatrix
    }

    let configuration: ModelConfiguration
    let layers: [Layer]
    let outputNorm: UnsafePointer<Float>
    let head: PackedMatrix
    /// Rows as stored in the file, copied: a model file may be replaced while it is served, and pages of a file that
    /// was cut short are gone.
    private let embeddingRows: AlignedBuffer
    private let embeddingType: TensorType
    private let norms: AlignedBuffer

    /// Bytes of weights in memory.
    let byteCount: Int

    /// All memory of the weights, in the order of loading.
    let buffers: [AlignedBuffer]

    init(file: GGUFFile, configuration: ModelConfiguration) throws(EngineError) {
        var loader = Loader(file: file, configuration: configuration)
        layers = try loader.layers()
        outputNorm = try loader.norm("output_norm.weight", count: configuration.hiddenSize)
        let embedding = try loader.tensor(
            "token_embd.weight", [configuration.hiddenSize, configuration.vocabularySize])
        guard embedding.type == .q4_0 || embedding.type == .f32 else {
            throw EngineError.unsupportedTensorType(
                path: file.path, tensor: embedding.name, type: embedding.type)
        }
        let headTensor =
            configuration.hasTiedEmbeddings
            ? embedding
            : try loader.tensor("output.weight", [configuration.hiddenSize, configuration.vocabularySize])
        head = try PackedMatrix(stacking: [headTensor], of: file)
        norms = loader.norms
        embeddingType = embedding.type
        embeddingRows = AlignedBuffer(byteCount: embedding.byteCount)
        memcpy(embeddingRows.base, file.bytes(of: embedding).baseAddress!, embedding.byteCount)
        byteCount = loader.packedByteCount + head.byteCount + norms.byteCount + embeddingRows.byteCount
        buffers = loader.buffers + [head.memory, norms, embeddingRows]
        self.configuration = configuration
        file.adviseDontNeed(embedding)
    }

    /// The embedding of one token, dequantised to f32 [hidden].
    func embed(_ token: TokenID, into out: UnsafeMutablePointer<Float>) {
        let hiddenSize = configuration.hiddenSize
        let rowByteCount = hiddenSize / embeddingType.blockElementCount * embeddingType.blockByteCount
        let row = embeddingRows.base + Int(token.rawValue) * rowByteCount
        if embeddingType == .q4_0 {
            spec_q4_dequantize_row(row.assumingMemoryBound(to: UInt8.self), out, Int32(hiddenSize))
        } else {
            memcpy(out, row, rowByteCount)
        }
    }
}

extension ModelConfiguration {
    /// Refuses shapes that the kernels cannot compute with, quantised or float.
    func checkKernelShapes(path: String) throws(EngineError) {
        let sizes = [
            ("the hidden size", hiddenSize, 32), ("the feed-forward size", feedForwardSize, 32),
            ("the head dimension", headDimension, 16),
            ("the size of all query heads", headCount * headDimension, 32),
        ]
        for (name, value, multiple) in sizes where value % multiple != 0 {
            throw .unsupportedShape(
                path: path, reason: "\(name) is \(value), which is not a multiple of \(multiple)")
        }
        guard contextLength >= EngineLimits.minimumPositions else {
            throw .unsupportedShape(
                path: path, reason: "the context of \(contextLength) tokens is too short for prompts")
        }
        guard headDimension <= 256, headCount / kvHeadCount <= 64 else {
            throw .unsupportedShape(
                path: path,
                reason:
                    "heads of \(headDimension) dimensions in groups of \(headCount / kvHeadCount) are more than "
                    + "the kernels hold (256 and 64)")
        }
    }
}

extension TransformerWeights {
    /// Reads tensors by name and keeps what the weights are made of.
    private struct Loader {
        let file: GGUFFile
        let configuration: ModelConfiguration
        let norms: AlignedBuffer
        private var usedNormFloats = 0
        private(set) var packedByteCount = 0
        private(set) var buffers: [AlignedBuffer] = []

        init(file: GGUFFile, configuration: ModelConfiguration) {
            self.file = file
            self.configuration = configuration
            let perLayer = 2 * configuration.hiddenSize + 2 * configuration.headDimension
            // What the header claims and the file cannot hold is found when the tensors are asked for.
            let claimed = configuration.layerCount * perLayer + configuration.hiddenSize
            let floats = min(claimed, file.byteCount / 4 + 1)
            norms = AlignedBuffer(byteCount: floats * 4)
        }

        func tensor(_ name: String, _ dimensions: [Int]) throws(EngineError) -> GGUFTensor {
            do {
                return try file.requiredTensor(name, dimensions: dimensions)
            } catch {
                throw EngineError.model(error)
            }
        }

        /// A vector of norm weights, copied so that it is aligned.
        mutating func norm(_ name: String, count: Int) throws(EngineError) -> UnsafePointer<Float> {
            let tensor = try tensor(name, [count])
            guard tensor.type == .f32 else {
                throw EngineError.unsupportedTensorType(path: file.path, tensor: name, type: tensor.type)
            }
            let destination = norms.pointer(to: Float.self) + usedNormFloats
            memcpy(destination, file.bytes(of: tensor).baseAddress!, count * 4)
            usedNormFloats += count
            return UnsafePointer(destination)
        }

        private mutating func matrix(_ tensors: [GGUFTensor]) throws(EngineError) -> PackedMatrix {
            let matrix = try PackedMatrix(stacking: tensors, of: file)
            packedByteCount += matrix.byteCount
            buffers.append(matrix.memory)
            for tensor in tensors { file.adviseDontNeed(tensor) }
            return matrix
        }

        /// The gated network is one kernel: its three matrices are all quantised or all float.
        private func requireOneType(_ names: [String]) throws(EngineError) {
            let types = Set(names.compactMap { file.tensors[$0]?.type })
            guard types.count <= 1 else {
                throw EngineError.unsupportedShape(
                    path: file.path,
                    reason: "\(names.joined(separator: ", ")) are stored in different formats")
            }
        }

        mutating func layers() throws(EngineError) -> [Layer] {
            var layers: [Layer] = []
            for index in 0..<configuration.layerCount { layers.append(try layer(index)) }
            return layers
        }

        private mutating func layer(_ index: Int) throws(EngineError) -> Layer {
            let c = configuration
            let (hidden, queries, keys) = (
                c.hiddenSize, c.headCount * c.headDimension, c.kvHeadCount * c.headDimension
            )
            let prefix = "blk.\(index)."
            try requireOneType(["ffn_gate", "ffn_up", "ffn_down"].map { prefix + $0 + ".weight" })
            return Layer(
                attentionNorm: try norm(prefix + "attn_norm.weight", count: hidden),
                queryKeyValue: try matrix([
                    try tensor(prefix + "attn_q.weight", [hidden, queries]),
                    try tensor(prefix + "attn_k.weight", [hidden, keys]),
                    try tensor(prefix + "attn_v.weight", [hidden, keys]),
                ]),
                queryNorm: try norm(prefix + "attn_q_norm.weight", count: c.headDimension),
                keyNorm: try norm(prefix + "attn_k_norm.weight", count: c.headDimension),
                attentionOutput: try matrix([try tensor(prefix + "attn_output.weight", [queries, hidden])]),
                feedForwardNorm: try norm(prefix + "ffn_norm.weight", count: hidden),
                gate: try matrix([try tensor(prefix + "ffn_gate.weight", [hidden, c.feedForwardSize])]),
                up: try matrix([try tensor(prefix + "ffn_up.weight", [hidden, c.feedForwardSize])]),
                down: try matrix([try tensor(prefix + "ffn_down.weight", [c.feedForwardSize, hidden])]))
        }
    }
}
