// The numbers that define a model, read from GGUF metadata and checked, so that everything after can compute
// sizes from them without fear of overflow. It reads no weights. Key names: ggml's docs/gguf.md.

/// The model families that GGUF files name in `general.architecture`.
package enum Architecture: String, Sendable, CaseIterable {
    case qwen3
    case qwen2
    case llama

    /// Queries and keys are RMS-normalised per head.
    var normalizesHeads: Bool { self == .qwen3 }

    /// The names of the families that can be run, for error messages.
    package static var supportedNames: [String] { allCases.map(\.rawValue) }
}

/// A decoder-only transformer's dimensions and constants. All counts are at least 1 and within `Limits`.
package struct ModelConfiguration: Sendable, Equatable {
    package let architecture: Architecture
    /// `general.name`, for logs.
    package let name: String
    package let layerCount: Int
    /// The width of the residual stream.
    package let hiddenSize: Int
    package let feedForwardSize: Int
    /// Query heads; a multiple of `kvHeadCount`.
    package let headCount: Int
    package let kvHeadCount: Int
    /// Width of one query, key and value head; even, because rotary embedding turns pairs.
    package let headDimension: Int
    package let vocabularySize: Int
    /// How many positions the model was trained for.
    package let contextLength: Int
    package let rotary: RotaryConfiguration
    package let rmsNormEpsilon: Float
    /// The output projection is the embedding matrix (the file has no `output.weight`).
    package let hasTiedEmbeddings: Bool
    /// Sliding windows by layer, 0 where a layer sees everything; empty when all do.
    private let layerWindows: [Int]

    /// Bounds far above any model that a CPU can serve, low enough that products of three fit in an `Int`.
    package enum Limits {
        package static let layerCount = 1_024
        package static let hiddenSize = 65_536
        package static let feedForwardSize = 1 << 20
        package static let headCount = 1_024
        package static let headDimension = 1_024
        package static let vocabularySize = 1 << 21
        package static let contextLength = 1 << 24
    }

    /// Reads and checks the configuration of `file`.
    package init(_ file: GGUFFile) throws(GGUFError) {
        let reader = try ConfigurationReader(file)
        architecture = reader.architecture
        name = try file.metadata.string("general.name") ?? "unnamed"
        try reader.refuseUnsupportedFeatures()
        layerCount = try reader.count("block_count", limit: Limits.layerCount)
        hiddenSize = try reader.count("embedding_length", limit: Limits.hiddenSize)
        feedForwardSize = try reader.count("feed_forward_length", limit: Limits.feedForwardSize)
        contextLength = try reader.count("context_length", limit: Limits.contextLength)
        headCount = try reader.count("attention.head_count", limit: Limits.headCount)
        kvHeadCount = try reader.kvHeadCount(headCount: headCount)
        headDimension = try reader.headDimension(hiddenSize: hiddenSize, headCount: headCount)
        vocabularySize = try reader.vocabularySize(hiddenSize: hiddenSize)
        rotary = try reader.rotary(headDimension: headDimension)
        rmsNormEpsilon = try reader.positiveFloat(
            "attention.layer_norm_rms_epsilon", below: 1, standard: nil)
        hasTiedEmbeddings = file.tensors["output.weight"] == nil
        try reader.refuseUnknownTensors(layerCount: layerCount)
        layerWindows = try reader.layerWindows(layerCount: layerCount, contextLength: contextLength)
    }

    /// How many positions a row of the layer sees, itself included; 0 means all of them.
    package func window(ofLayer index: Int) -> Int { layerWindows.isEmpty ? 0 : layerWindows[index] }
}

/// Reads the keys of one architecture, `qwen3.block_count` and so on.
struct ConfigurationReader {
    let architecture: Architecture
    let file: GGUFFile

    init(_ file: GGUFFile) throws(GGUFError) {
        let name = try file.metadata.requiredString("general.architecture")
        guard let architecture = Architecture(rawValue: name) else {
            throw GGUFError(
                path: file.path,
                problem: .unsupportedArchitecture(found: name, supported: Architecture.supportedNames))
        }
        self.architecture = architecture
        self.file = file
    }

    func key(_ name: String) -> String { "\(architecture.rawValue).\(name)" }

    func invalid(_ name: String, _ expected: String, _ found: String) -> GGUFError {
        GGUFError(path: file.path, problem: .invalidValue(key: key(name), expected: expected, found: found))
    }

    func unsupported(_ feature: String) -> GGUFError {
        GGUFError(path: file.path, problem: .unsupportedFeature(feature))
    }

    func count(_ name: String, limit: Int) throws(GGUFError) -> Int {
        let raw = try file.metadata.requiredUInt(key(name))
        guard raw >= 1, raw <= UInt64(limit) else { throw invalid(name, "from 1 to \(limit)", "\(raw)") }
        return Int(raw)
    }

    func positiveFloat(_ name: String, below limit: Double, standard: Float?) throws(GGUFError) -> Float {
        if let standard, file.metadata[key(name)] == nil { return standard }
        let raw = try file.metadata.requiredFloat(key(name))
        guard raw.isFinite, raw < limit, Float(raw) > 0 else {
            throw invalid(name, "a number above 0 and below \(limit)", "\(raw)")
        }
        return Float(raw)
    }

    func kvHeadCount(headCount: Int) throws(GGUFError) -> Int {
        let name = "attention.head_count_kv"
        guard file.metadata[key(name)] != nil else { return headCount }
        let count = try count(name, limit: headCount)
        guard headCount % count == 0 else {
            throw invalid(name, "a divisor of the \(headCount) query heads", "\(count)")
        }
        return count
    }

    func headDimension(hiddenSize: Int, headCount: Int) throws(GGUFError) -> Int {
        let name = "attention.key_length"
        let dimension: Int
        if file.metadata[key(name)] != nil {
            dimension = try count(name, limit: ModelConfiguration.Limits.headDimension)
        } else {
            guard hiddenSize % headCount == 0,
                hiddenSize / headCount <= ModelConfiguration.Limits.headDimension
            else { throw invalid("attention.head_count", "a divisor of \(hiddenSize)", "\(headCount)") }
            dimension = hiddenSize / headCount
        }
        guard dimension % 2 == 0 else { throw invalid(name, "even", "\(dimension)") }
        if let valueLength = try file.metadata.uint(key("attention.value_length")),
            valueLength != UInt64(dimension)
        {
            throw invalid(
                "attention.value_length", "\(dimension), the same as the key length", "\(valueLength)")
        }
        return dimension
    }

    /// From the embedding matrix, which must agree with the metadata where that names a size.
    func vocabularySize(hiddenSize: Int) throws(GGUFError) -> Int {
        let name = "token_embd.weight"
        guard let embedding = file.tensors[name] else {
            throw GGUFError(path: file.path, problem: .missingTensor(name))
        }
        guard embedding.dimensions.count == 2, embedding.dimensions[0] == hiddenSize else {
            let reason =
                "has the dimensions \(embedding.dimensions) instead of \(hiddenSize) × the vocabulary"
            throw GGUFError(path: file.path, problem: .badTensor(name: name, reason: reason))
        }
        let size = embedding.dimensions[1]
        guard size <= ModelConfiguration.Limits.vocabularySize else {
            throw GGUFError(path: file.path, problem: .badTensor(name: name, reason: "has \(size) rows"))
        }
        if let declared = try file.metadata.uint(key("vocab_size")), declared != UInt64(size) {
            throw invalid("vocab_size", "\(size), the rows of \(name)", "\(declared)")
        }
        return size
    }

    /// The window of `attention.sliding_window` where `attention.sliding_window_pattern` says so: an array has true for
    /// each layer with a window, a number n leaves every n-th layer without one; without a pattern all have it.
    func layerWindows(layerCount: Int, contextLength: Int) throws(GGUFError) -> [Int] {
        guard let raw = try file.metadata.uint(key("attention.sliding_window")), raw != 0,
            raw < UInt64(contextLength)
        else { return [] }
        let window = Int(raw)
        let name = "attention.sliding_window_pattern"
        switch file.metadata[key(name)] {
        case nil:
            return [Int](repeating: window, count: layerCount)
        case .numberArray(let pattern):
            guard pattern.count == layerCount else {
                throw invalid(
                    name, "one value for each of the \(layerCount) layers", "\(pattern.count) values")
            }
            return try (0..<layerCount).map { index throws(GGUFError) in
                guard let value = pattern.integer(at: index), value == 0 || value == 1 else {
                    throw invalid(name, "0 or 1 for each layer", "something else at layer \(index)")
                }
                return value == 1 ? window : 0
            }
        case .some:
            let period = try count(name, limit: ModelConfiguration.Limits.layerCount)
            return (0..<layerCount).map { ($0 + 1) % period == 0 ? 0 : window }
        }
    }

    /// Features that would change the arithmetic. Running such a model without them gives wrong completions.
    func refuseUnsupportedFeatures() throws(GGUFError) {
        if let experts = try file.metadata.uint(key("expert_count")), experts != 0 {
            throw unsupported("a mixture of experts")
        }
        for name in ["logit_scale", "embedding_scale", "residual_scale", "attention.scale"] {
            let scale = try file.metadata.float(key(name)) ?? 0
            // 0 and 1 both stand for none.
            if scale != 0, scale != 1 { throw unsupported("a model with \(key(name))") }
        }
    }

    /// A tensor that is not computed with would silently be missing from the result.
    func refuseUnknownTensors(layerCount: Int) throws(GGUFError) {
        let linear = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"]
        let norms =
            ["attn_norm", "ffn_norm"] + (architecture.normalizesHeads ? ["attn_q_norm", "attn_k_norm"] : [])
        var layerNames = Set((linear + norms).map { $0 + ".weight" } + linear.map { $0 + ".bias" })
        layerNames.insert("attn_rot_embd.weight")  // frequencies that old converters wrote and nothing reads
        let names: Set = ["token_embd.weight", "output.weight", "output_norm.weight", Self.frequencyTensor]
        for name in file.tensors.keys.sorted() where !names.contains(name) {
            let parts = name.split(separator: ".", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3, parts[0] == "blk", let layer = Int(parts[1]), layer < layerCount,
                layer >= 0, layerNames.contains(String(parts[2]))
            else {
                throw unsupported(
                    "a model of the architecture \(architecture.rawValue) with the tensor \(name)")
            }
        }
    }
}
