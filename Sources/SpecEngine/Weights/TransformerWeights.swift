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

    /// All memory of the weights, in the order of loading.
    let buffers: [AlignedBuffer]

    /// `team`, if given, shares the work; it must be live.
    init(file: GGUFFile, configuration: ModelConfiguration, team: ThreadTeam? = nil) throws(EngineError) {
        var loader = Loader(file: file, configuration: configuration, team: team)
        layers = try loader.layers()
        outputNorm = try loader.vector("output_norm.weight", count: configuration.hiddenSize)
        let embedding = try loader.tensor(
            "token_embd.weight", [configuration.hiddenSize, configuration.vocabularySize])
        let headTensor =
            configuration.hasTiedEmbeddings
            ? embedding
            : try loader.tensor("output.weight", [configuration.hiddenSize, configuration.vocabularySize])
        head = PackedMatrix(stacking: [headTensor], of: file, team: team)
        vectors = loader.vectors
        embeddingType = embedding.type
        embeddingRows = AlignedBuffer(byteCount: embedding.byteCount)
        memcpy(embeddingRows.base, file.bytes(of: embedding).baseAddress!, embedding.byteCount)
        byteCount =
            loader.packedByteCount + head.byteCount + vectors.reduce(0) { $0 + $1.byteCount }
            + embeddingRows.byteCount
        buffers = loader.buffers + [head.memory] + vectors + [embeddingRows]
        self.configuration = configuration
        file.adviseDontNeed(embedding)
    }

    /// The embedding of one token, dequantised to f32 [hidden]. The token must be one of the vocabulary.
    func embed(_ token: TokenID, into out: UnsafeMutablePointer<Float>) {
        precondition(token.rawValue >= 0 && token.rawValue < configuration.vocabularySize, "no such token")
        let row = embeddingRows.base + Int(token.rawValue) * embeddingRowByteCount
        spec_dequantize_row(
            embeddingType.kernelType, row.assumingMemoryBound(to: UInt8.self), out,
            Int32(configuration.hiddenSize))
    }

    private var embeddingRowByteCount: Int {
        configuration.hiddenSize / embeddingType.blockElementCount * embeddingType.blockByteCount
    }

    /// Bytes of one row of the LM head as the file stores it; nil where these rows are not kept, because the head is a
    /// tensor of its own.
    var headRowByteCount: Int? { configuration.hasTiedEmbeddings ? embeddingRowByteCount : nil }

    /// One token's row of the LM head, `headRowByteCount` bytes. The token must be one of the vocabulary.
    func copyHeadRow(of token: TokenID, to out: UnsafeMutableRawPointer) {
        precondition(token.rawValue >= 0 && token.rawValue < configuration.vocabularySize, "no such token")
        memcpy(
            out, embeddingRows.base + Int(token.rawValue) * embeddingRowByteCount, embeddingRowByteCount)
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
        private let team: ThreadTeam?
        private(set) var vectors: [AlignedBuffer] = []
        private(set) var packedByteCount = 0
        private(set) var buffers: [AlignedBuffer] = []

        init(file: GGUFFile, configuration: ModelConfiguration, team: ThreadTeam?) {
            self.file = file
            self.team = team
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
                if let found, !found.type.isFloat {
                    throw EngineError.unsupportedTensorType(
                        path: file.path, tensor: part.name, type: found.type)
                }
                tensors.append(found)
            }
            let buffer = AlignedBuffer(byteCount: parts.reduce(0) { $0 + $1.count } * 4)
            let floats = buffer.pointer(to: Float.self)
            var offset = 0
            for (part, tensor) in zip(parts, tensors) {
                if let tensor { file.dequantize(tensor, into: floats + offset) }
                offset += part.count
            }
            vectors.append(buffer)
            return UnsafePointer(floats)
        }

        private mutating func matrix(_ tensors: [GGUFTensor], asFloat: Bool = false) -> PackedMatrix {
            let matrix = PackedMatrix(stacking: tensors, of: file, asFloat: asFloat, team: team)
            packedByteCount += matrix.byteCount
            buffers.append(matrix.memory)
            for tensor in tensors { file.adviseDontNeed(tensor) }
            return matrix
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
            let gate = try tensor(prefix + "ffn_gate.weight", [hidden, c.feedForwardSize])
            let up = try tensor(prefix + "ffn_up.weight", [hidden, c.feedForwardSize])
            // Gate and up read the same rows.
            let gatesAreFloat = gate.type.isFloat || up.type.isFloat
            return Layer(
                attentionNorm: try vector(prefix + "attn_norm.weight", count: hidden),
                queryKeyValue: matrix([
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
                attentionOutput: matrix([try tensor(prefix + "attn_output.weight", [queries, hidden])]),
                attentionOutputBias: try biases([(prefix + "attn_output.bias", hidden)]),
                feedForwardNorm: try vector(prefix + "ffn_norm.weight", count: hidden),
                gate: matrix([gate], asFloat: gatesAreFloat),
                gateBias: try biases([(prefix + "ffn_gate.bias", c.feedForwardSize)]),
                up: matrix([up], asFloat: gatesAreFloat),
                upBias: try biases([(prefix + "ffn_up.bias", c.feedForwardSize)]),
                down: matrix([try tensor(prefix + "ffn_down.weight", [c.feedForwardSize, hidden])]),
                downBias: try biases([(prefix + "ffn_down.bias", hidden)]))
        }
    }
}
