// The weights of a decoder in kernel layout, read from a GGUF file by the names that llama.cpp gave its tensors.
// Biases and head norms are read where they are. Shapes are checked here, once; the forward pass trusts them.

import CSpecKernels

#if canImport(Glibc)
    import Glibc
#endif

/// All weights of one model. Immutable after loading; engine thread only.
final class TransformerWeights {
    struct Layer {
        let attentionNorm: UnsafePointer<Float>
        let queryKeyValue: PackedMatrix  // queries, keys and values stacked: [(H + 2G)·D, hidden]
        let queryKeyValueBias: UnsafePointer<Float>?  // [(H + 2G)·D]
        let queryNorm: UnsafePointer<Float>?
        let keyNorm: UnsafePointer<Float>?
        let attentionOutput: PackedMatrix
        let attentionOutputBias: UnsafePointer<Float>?
        let feedForwardNorm: UnsafePointer<Float>
        let gate: PackedMatrix
        let gateBias: UnsafePointer<Float>?
        let up: PackedMatrix
        let upBias: UnsafePointer<Float>?
        let down: PackedMatrix
        let downBias: UnsafePointer<Float>?
    }

    let configuration: ModelConfiguration
    let layers: [Layer]
    let outputNorm: UnsafePointer<Float>
    let head: PackedMatrix
    /// Rows as stored in the file, copied: a model file may be replaced while it is served, and pages of a file that
    /// was cut short are gone.
    private let embeddingRows: AlignedBuffer
    private let embeddingType: TensorType
    private let vectors: [AlignedBuffer]

    /// Bytes of weights in memory.
    let byteCount: Int
    /// Bytes that a pass of one row reads: all but the rows of the embedding, of which it reads one.
    var byteCountPerPass: Int { byteCount - embeddingRows.byteCount }

    init(file: GGUFFile, configuration: ModelConfiguration) throws(EngineError) {
        var loader = Loader(file: file, configuration: configuration)
        layers = try loader.layers()
        outputNorm = try loader.vector("output_norm.weight", count: configuration.hiddenSize)
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
        vectors = loader.vectors
        embeddingType = embedding.type
        embeddingRows = AlignedBuffer(byteCount: embedding.byteCount)
        memcpy(embeddingRows.base, file.bytes(of: embedding).baseAddress!, embedding.byteCount)
        byteCount =
            loader.packedByteCount + head.byteCount + vectors.reduce(0) { $0 + $1.byteCount }
            + embeddingRows.byteCount
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
        private(set) var vectors: [AlignedBuffer] = []
        private(set) var packedByteCount = 0

        init(file: GGUFFile, configuration: ModelConfiguration) {
            self.file = file
            self.configuration = configuration
        }

        func tensor(_ name: String, _ dimensions: [Int]) throws(EngineError) -> GGUFTensor {
            do {
                return try file.requiredTensor(name, dimensions: dimensions)
            } catch {
                throw EngineError.model(error)
            }
        }

        /// A vector, copied so that it is aligned.
        mutating func vector(_ name: String, count: Int) throws(EngineError) -> UnsafePointer<Float> {
            try joined([(name, count)])
        }

        /// A head norm, which some architectures have.
        private mutating func headNorm(_ name: String) throws(EngineError) -> UnsafePointer<Float>? {
            guard configuration.architecture.normalizesHeads else { return nil }
            return try vector(name, count: configuration.headDimension)
        }

        /// The biases of matrices that are stacked, one behind the other, zero where one has none; nil where none has.
        private mutating func biases(
            _ parts: [(name: String, count: Int)]
        ) throws(EngineError) -> UnsafePointer<Float>? {
            guard parts.contains(where: { file.tensors[$0.name] != nil }) else { return nil }
            return try joined(parts, isOptional: true)
        }

        private mutating func joined(
            _ parts: [(name: String, count: Int)], isOptional: Bool = false
        ) throws(EngineError) -> UnsafePointer<Float> {
            var tensors: [GGUFTensor?] = []
            for part in parts {
                let isMissing = isOptional && file.tensors[part.name] == nil
                let found = isMissing ? nil : try tensor(part.name, [part.count])
                if let found, found.type != .f32 {
                    throw EngineError.unsupportedTensorType(
                        path: file.path, tensor: part.name, type: found.type)
                }
                tensors.append(found)
            }
            let buffer = AlignedBuffer(byteCount: parts.reduce(0) { $0 + $1.count } * 4)
            var offset = 0
            for (part, tensor) in zip(parts, tensors) {
                if let source = tensor.flatMap({ file.bytes(of: $0).baseAddress }) {
                    memcpy(buffer.base + offset, source, part.count * 4)
                }
                offset += part.count * 4
            }
            vectors.append(buffer)
            return UnsafePointer(buffer.pointer(to: Float.self))
        }

        private mutating func matrix(_ tensors: [GGUFTensor]) throws(EngineError) -> PackedMatrix {
            let matrix = try PackedMatrix(stacking: tensors, of: file)
            packedByteCount += matrix.byteCount
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
                attentionNorm: try vector(prefix + "attn_norm.weight", count: hidden),
                queryKeyValue: try matrix([
                    try tensor(prefix + "attn_q.weight", [hidden, queries]),
                    try tensor(prefix + "attn_k.weight", [hidden, keys]),
                    try tensor(prefix + "attn_v.weight", [hidden, keys]),
                ]),
                queryKeyValueBias: try biases([
                    (prefix + "attn_q.bias", queries), (prefix + "attn_k.bias", keys),
                    (prefix + "attn_v.bias", keys),
                ]),
                queryNorm: try headNorm(prefix + "attn_q_norm.weight"),
                keyNorm: try headNorm(prefix + "attn_k_norm.weight"),
                attentionOutput: try matrix([try tensor(prefix + "attn_output.weight", [queries, hidden])]),
                attentionOutputBias: try biases([(prefix + "attn_output.bias", hidden)]),
                feedForwardNorm: try vector(prefix + "ffn_norm.weight", count: hidden),
                gate: try matrix([try tensor(prefix + "ffn_gate.weight", [hidden, c.feedForwardSize])]),
                gateBias: try biases([(prefix + "ffn_gate.bias", c.feedForwardSize)]),
                up: try matrix([try tensor(prefix + "ffn_up.weight", [hidden, c.feedForwardSize])]),
                upBias: try biases([(prefix + "ffn_up.bias", c.feedForwardSize)]),
                down: try matrix([try tensor(prefix + "ffn_down.weight", [c.feedForwardSize, hidden])]),
                downBias: try biases([(prefix + "ffn_down.bias", hidden)]))
        }
    }
}
