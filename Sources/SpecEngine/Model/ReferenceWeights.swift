// The model's weights dequantised to f32, row-major as in the file, for the float reference.

/// Four bytes a weight. Immutable after loading; engine thread only.
final class ReferenceWeights {
    /// [N, K], row-major.
    struct Matrix {
        let rows: UnsafePointer<Float>
        let outputCount: Int
        let inputCount: Int
    }

    struct Layer {
        let attentionNorm: UnsafePointer<Float>
        let query, key, value: Matrix
        let queryNorm, keyNorm: UnsafePointer<Float>
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
            Matrix(rows: try load(name, [inputs, outputs]), outputCount: outputs, inputCount: inputs)
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
                    query: try matrix(prefix + "attn_q.weight", hidden, heads),
                    key: try matrix(prefix + "attn_k.weight", hidden, kvSize),
                    value: try matrix(prefix + "attn_v.weight", hidden, kvSize),
                    queryNorm: try load(prefix + "attn_q_norm.weight", [c.headDimension]),
                    keyNorm: try load(prefix + "attn_k_norm.weight", [c.headDimension]),
                    attentionOutput: try matrix(prefix + "attn_output.weight", heads, hidden),
                    feedForwardNorm: try load(prefix + "ffn_norm.weight", [hidden]),
                    gate: try matrix(prefix + "ffn_gate.weight", hidden, c.feedForwardSize),
                    up: try matrix(prefix + "ffn_up.weight", hidden, c.feedForwardSize),
                    down: try matrix(prefix + "ffn_down.weight", c.feedForwardSize, hidden)))
        }
        outputNorm = try load("output_norm.weight", [hidden])
        embedding = try matrix("token_embd.weight", hidden, c.vocabularySize)
        head = c.hasTiedEmbeddings ? embedding : try matrix("output.weight", hidden, c.vocabularySize)
        self.layers = layers
        self.memory = memory
    }

    func embedding(of token: TokenID) -> UnsafePointer<Float> {
        embedding.rows + Int(token.rawValue) * embedding.inputCount
    }
}
