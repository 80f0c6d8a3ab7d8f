// The model's weights dequantised to f32, row-major as in the file, for the float reference.

/// Four bytes a weight. Immutable after loading; engine thread only.
final class ReferenceWeights {
    /// [N, K], row-major.
    struct Matrix {
        let rows: UnsafePointer<Float>
        var bias: UnsafePointer<Float>?  // [N]
        let outputCount: Int
        let inputCount: Int
    }

    struct Layer {
        let attentionNorm: UnsafePointer<Float>
        let query, key, value: Matrix
        let queryNorm, keyNorm: UnsafePointer<Float>?
        let attentionOutput: Matrix
        let feedForwardNorm: UnsafePointer<Float>
        let gate, up, down: Matrix
    }

    let layers: [Layer]
    let outputNorm: UnsafePointer<Float>
    let head: Matrix
    private let embedding: Matrix
    private let memory: [AlignedBuffer]

    init(file: GGUFFile, configuration c: ModelConfiguration) throws(EngineError) {
        var memory: [AlignedBuffer] = []

        func load(_ name: String, _ dimensions: [Int]) throws(EngineError) -> UnsafePointer<Float> {
            let tensor: GGUFTensor
            do { tensor = try file.requiredTensor(name, dimensions: dimensions) } catch {
                throw .model(error)
            }
            let buffer = AlignedBuffer(byteCount: tensor.elementCount * 4)
            file.dequantize(tensor, into: buffer.pointer(to: Float.self))
            memory.append(buffer)
            return UnsafePointer(buffer.pointer(to: Float.self))
        }
        func matrix(_ name: String, _ inputs: Int, _ outputs: Int) throws(EngineError) -> Matrix {
            Matrix(
                rows: try load(name + ".weight", [inputs, outputs]),
                bias: file.tensors[name + ".bias"] == nil ? nil : try load(name + ".bias", [outputs]),
                outputCount: outputs, inputCount: inputs)
        }
        func headNorm(_ name: String) throws(EngineError) -> UnsafePointer<Float>? {
            c.architecture.normalizesHeads ? try load(name, [c.headDimension]) : nil
        }

        let (hidden, heads, kvSize) = (
            c.hiddenSize, c.headCount * c.headDimension, c.kvHeadCount * c.headDimension
        )
        var layers: [Layer] = []
        for index in 0..<c.layerCount {
            let prefix = "blk.\(index)."
            layers.append(
                Layer(
                    attentionNorm: try load(prefix + "attn_norm.weight", [hidden]),
                    query: try matrix(prefix + "attn_q", hidden, heads),
                    key: try matrix(prefix + "attn_k", hidden, kvSize),
                    value: try matrix(prefix + "attn_v", hidden, kvSize),
                    queryNorm: try headNorm(prefix + "attn_q_norm.weight"),
                    keyNorm: try headNorm(prefix + "attn_k_norm.weight"),
                    attentionOutput: try matrix(prefix + "attn_output", heads, hidden),
                    feedForwardNorm: try load(prefix + "ffn_norm.weight", [hidden]),
                    gate: try matrix(prefix + "ffn_gate", hidden, c.feedForwardSize),
                    up: try matrix(prefix + "ffn_up", hidden, c.feedForwardSize),
                    down: try matrix(prefix + "ffn_down", c.feedForwardSize, hidden)))
        }
        outputNorm = try load("output_norm.weight", [hidden])
        embedding = try matrix("token_embd", hidden, c.vocabularySize)
        head = c.hasTiedEmbeddings ? embedding : try matrix("output", hidden, c.vocabularySize)
        self.layers = layers
        self.memory = memory
    }

    func embedding(of token: TokenID) -> UnsafePointer<Float> {
        embedding.rows + Int(token.rawValue) * embedding.inputCount
    }
}
