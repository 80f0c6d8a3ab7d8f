// The numbers of a LongSpec draft layer (GGUF architecture `longspec`), checked against the target that it was trained
// for: a draft borrows the target's embedding, LM head and one layer's keys and values, so their shapes must agree.

/// One draft layer's dimensions.
struct DraftConfiguration: Equatable {
    let feedForwardSize: Int
    /// Keys that a query of the self-attention sees, its own included.
    let window: Int
    /// The target's layer, counted from 0, whose keys and values the cross-attention reads. The paper reads the last;
    /// a middle layer agrees better with small targets (docs/TRAINING.md).
    let targetLayer: Int
    let ropeFrequencyBase: Float
    let rmsNormEpsilon: Float

    static let architectureName = "longspec"
    /// Positions: far above any draft, low enough for the ring to stay small.
    static let windowLimit = 8_192

    /// Reads the keys of `file` and refuses a draft for another target. `targetPath` is hashed where the draft names
    /// the file that it was trained for.
    init(
        _ file: GGUFFile, target: ModelConfiguration, targetPath: String,
        checksum: FileChecksum.Source = FileChecksum.sha256
    ) throws(EngineError) {
        do throws(GGUFError) {
            let metadata = file.metadata
            let architecture = try metadata.requiredString("general.architecture")
            guard architecture == Self.architectureName else {
                throw GGUFError(
                    path: file.path,
                    problem: .unsupportedArchitecture(found: architecture, supported: [Self.architectureName])
                )
            }
            func number(_ key: String, _ range: ClosedRange<Int>) throws(GGUFError) -> Int {
                let raw = try metadata.requiredUInt("longspec.\(key)")
                guard let value = Int(exactly: raw), range.contains(value) else {
                    throw GGUFError(
                        path: file.path,
                        problem: .invalidValue(
                            key: "longspec.\(key)",
                            expected: "from \(range.lowerBound) to \(range.upperBound)",
                            found: "\(raw)"))
                }
                return value
            }
            feedForwardSize = try number(
                "feed_forward_length", 32...ModelConfiguration.Limits.feedForwardSize)
            window = try number("attention.sliding_window", 1...Self.windowLimit)
            targetLayer = try number("target_layer", 0...target.layerCount - 1)
            ropeFrequencyBase = Float(try metadata.float("longspec.rope.freq_base") ?? 10_000)
            rmsNormEpsilon = Float(try metadata.requiredFloat("longspec.attention.layer_norm_rms_epsilon"))
        } catch {
            throw .model(error)
        }
        try Self.refuseOtherTargets(file, target: target, targetPath: targetPath, checksum: checksum)
        guard feedForwardSize % 32 == 0 else {
            throw .unsupportedShape(
                path: file.path, reason: "the feed-forward size is \(feedForwardSize), not a multiple of 32")
        }
        guard ropeFrequencyBase.isFinite, ropeFrequencyBase > 0, rmsNormEpsilon > 0, rmsNormEpsilon < 1 else {
            throw .unsupportedShape(
                path: file.path, reason: "the rotation base or the norm's epsilon is no such number")
        }
    }

    private static func refuseOtherTargets(
        _ file: GGUFFile, target: ModelConfiguration, targetPath: String, checksum: FileChecksum.Source
    ) throws(EngineError) {
        func expect(_ key: String, _ name: String, _ value: Int) throws(EngineError) {
            let raw: UInt64?
            do { raw = try file.metadata.uint("longspec.\(key)") } catch { throw .model(error) }
            if let raw, raw != UInt64(value) {
                throw .draftDoesNotFit(path: file.path, reason: "\(name) is \(raw) instead of \(value)")
            }
        }
        try expect("embedding_length", "the hidden size", target.hiddenSize)
        try expect("attention.head_count", "the number of query heads", target.headCount)
        try expect("attention.head_count_kv", "the number of key heads", target.kvHeadCount)
        try expect("attention.key_length", "the head dimension", target.headDimension)
        try expect("target_vocabulary_size", "the vocabulary", target.vocabularySize)
        let wanted: String?
        do { wanted = try file.metadata.string("longspec.target_sha256") } catch { throw .model(error) }
        if let wanted {
            let found = try checksum(targetPath)
            guard found == wanted else {
                throw .draftDoesNotFit(
                    path: file.path,
                    reason: "it was trained for the model with SHA-256 \(wanted), this one has \(found)")
            }
        }
    }
}
