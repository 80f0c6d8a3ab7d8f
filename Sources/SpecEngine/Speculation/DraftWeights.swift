// The weights of a LongSpec draft layer in kernel layout. Optional tensors (biases of the queries, keys and values,
// head norms, the output norm) are read where they are, so that both our layer and the published ones run.

/// Immutable after loading; engine thread only.
final class DraftWeights {
    let selfNorm: UnsafePointer<Float>
    let selfQuery: PackedMatrix
    let selfQueryBias: UnsafePointer<Float>?
    let selfQueryNorm: UnsafePointer<Float>?
    let selfKeyValue: PackedMatrix  // keys and values stacked: [2G·D, hidden]
    let selfKeyValueBias: UnsafePointer<Float>?  // [2G·D]
    let selfKeyNorm: UnsafePointer<Float>?
    let selfOutput: PackedMatrix
    let crossNorm: UnsafePointer<Float>
    let crossQuery: PackedMatrix
    let crossQueryBias: UnsafePointer<Float>?
    let crossQueryNorm: UnsafePointer<Float>?
    let crossOutput: PackedMatrix
    let feedForwardNorm: UnsafePointer<Float>
    let gate: PackedMatrix
    let up: PackedMatrix
    let down: PackedMatrix
    let outputNorm: UnsafePointer<Float>?
    let byteCount: Int
    private let vectors: [AlignedBuffer]

    /// With `dequantizing` all matrices become f32, for the reference.
    init(
        _ file: GGUFFile, configuration: DraftConfiguration, target c: ModelConfiguration,
        dequantizing: Bool = false
    ) throws(EngineError) {
        var loader = DraftLoader(file: file, dequantizing: dequantizing)
        let (hidden, heads, kvSize) = (
            c.hiddenSize, c.headCount * c.headDimension, c.kvHeadCount * c.headDimension
        )
        let size = configuration.feedForwardSize
        selfNorm = try loader.vector("self_attn_norm.weight", hidden)
        selfQuery = try loader.matrix(["self_attn_q"], hidden, [heads])
        selfQueryBias = try loader.optionalVector(["self_attn_q.bias"], [heads])
        selfQueryNorm = try loader.optionalVector(["self_attn_q_norm.weight"], [c.headDimension])
        selfKeyValue = try loader.matrix(["self_attn_k", "self_attn_v"], hidden, [kvSize, kvSize])
        selfKeyValueBias = try loader.optionalVector(
            ["self_attn_k.bias", "self_attn_v.bias"], [kvSize, kvSize])
        selfKeyNorm = try loader.optionalVector(["self_attn_k_norm.weight"], [c.headDimension])
        selfOutput = try loader.matrix(["self_attn_output"], heads, [hidden])
        crossNorm = try loader.vector("cross_attn_norm.weight", hidden)
        crossQuery = try loader.matrix(["cross_attn_q"], hidden, [heads])
        crossQueryBias = try loader.optionalVector(["cross_attn_q.bias"], [heads])
        crossQueryNorm = try loader.optionalVector(["cross_attn_q_norm.weight"], [c.headDimension])
        crossOutput = try loader.matrix(["cross_attn_output"], heads, [hidden])
        feedForwardNorm = try loader.vector("ffn_norm.weight", hidden)
        // Gate and up read the same rows.
        let gatesAreFloat = ["ffn_gate", "ffn_up"].contains { loader.isFloat($0) }
        gate = try loader.matrix(["ffn_gate"], hidden, [size], asFloat: gatesAreFloat)
        up = try loader.matrix(["ffn_up"], hidden, [size], asFloat: gatesAreFloat)
        down = try loader.matrix(["ffn_down"], size, [hidden])
        outputNorm = try loader.optionalVector(["output_norm.weight"], [hidden])
        byteCount = loader.byteCount
        vectors = loader.vectors
    }
}

/// Reads the tensors `draft.…` by name and shape.
private struct DraftLoader {
    let file: GGUFFile
    let dequantizing: Bool
    private(set) var vectors: [AlignedBuffer] = []
    private(set) var byteCount = 0

    init(file: GGUFFile, dequantizing: Bool) {
        self.file = file
        self.dequantizing = dequantizing
    }

    private func tensor(_ name: String, _ dimensions: [Int]) throws(EngineError) -> GGUFTensor {
        do { return try file.requiredTensor("draft." + name, dimensions: dimensions) } catch {
            throw .model(error)
        }
    }

    func isFloat(_ name: String) -> Bool {
        file.tensors["draft." + name + ".weight"]?.type.isFloat ?? false
    }

    mutating func vector(_ name: String, _ count: Int) throws(EngineError) -> UnsafePointer<Float> {
        try joined([name], [count])
    }

    /// Nil when none of the tensors is there; all of them joined when all are.
    mutating func optionalVector(_ names: [String], _ counts: [Int]) throws(EngineError) -> UnsafePointer<
        Float
    >? {
        guard names.contains(where: { file.tensors["draft." + $0] != nil }) else { return nil }
        return try joined(names, counts)
    }

    private mutating func joined(_ names: [String], _ counts: [Int]) throws(EngineError) -> UnsafePointer<
        Float
    > {
        let buffer = AlignedBuffer(byteCount: counts.reduce(0, +) * 4)
        var place = buffer.pointer(to: Float.self)
        for (name, count) in zip(names, counts) {
            let tensor = try tensor(name, [count])
            guard tensor.type.isFloat else {
                throw .unsupportedTensorType(path: file.path, tensor: tensor.name, type: tensor.type)
            }
            file.dequantize(tensor, into: place)
            place += count
        }
        vectors.append(buffer)
        byteCount += buffer.byteCount
        return UnsafePointer(buffer.pointer(to: Float.self))
    }

    mutating func matrix(
        _ names: [String], _ inputs: Int, _ outputs: [Int], asFloat: Bool = false
    ) throws(EngineError) -> PackedMatrix {
        var tensors: [GGUFTensor] = []
        for (name, count) in zip(names, outputs) {
            tensors.append(try tensor(name + ".weight", [inputs, count]))
        }
        let matrix = PackedMatrix(stacking: tensors, of: file, asFloat: dequantizing || asFloat)
        byteCount += matrix.byteCount
        return matrix
    }
}
