// Every activation of a forward pass, allocated once: nothing is allocated between the first and the last token.

import CSpecKernels

/// The buffers of one model, sized for `EngineLimits.rowsPerPass` rows (M below). Engine thread only.
final class TransformerScratch {
    let residual: UnsafeMutablePointer<Float>  // [M, hidden]
    let queryKeyValue: UnsafeMutablePointer<Float>  // [M, (H + 2G)·D]
    let attended: UnsafeMutablePointer<Float>  // [M, H·D]
    let attentionOutput: UnsafeMutablePointer<Float>  // [M, hidden]
    let feedForwardOutput: UnsafeMutablePointer<Float>  // [M, hidden]
    let quantized: UnsafeMutablePointer<UInt8>  // M int8 rows of the widest linear input
    let gated: UnsafeMutablePointer<UInt8>  // M int8 rows of the feed-forward size
    let floats: UnsafeMutablePointer<Float>  // [M, widest linear input], for float weights
    let gateFloats: UnsafeMutablePointer<Float>  // [M, feed-forward], for float weights and for biases
    let upFloats: UnsafeMutablePointer<Float>
    let cosines: UnsafeMutablePointer<Float>  // [M, D/2]
    let sines: UnsafeMutablePointer<Float>
    let attentionPartials: UnsafeMutablePointer<Float>
    let logits: UnsafeMutablePointer<Float>  // [logit rows, vocabulary]
    private let memory: AlignedBuffer

    init(configuration c: ModelConfiguration, positionLimit: Int, path: String) throws(EngineError) {
        let rows = EngineLimits.rowsPerPass
        let heads = c.headCount * c.headDimension
        let widest = max(c.hiddenSize, heads)
        let partials = spec_attention_scratch_floats(
            Int32(rows), Int32(positionLimit), Int32(c.headCount), Int32(c.headDimension))
        var layout = BufferLayout()
        let offsets = (
            residual: layout.floats(rows * c.hiddenSize),
            qkv: layout.floats(rows * (heads + 2 * c.kvHeadCount * c.headDimension)),
            attended: layout.floats(rows * heads), attention: layout.floats(rows * c.hiddenSize),
            feedForward: layout.floats(rows * c.hiddenSize),
            quantized: layout.place(rows * spec_q8_row_bytes(Int32(max(widest, c.feedForwardSize)))),
            gated: layout.place(rows * spec_q8_row_bytes(Int32(c.feedForwardSize))),
            floats: layout.floats(rows * max(widest, c.feedForwardSize)),
            gate: layout.floats(rows * c.feedForwardSize),
            up: layout.floats(rows * c.feedForwardSize), cosines: layout.floats(rows * c.headDimension / 2),
            sines: layout.floats(rows * c.headDimension / 2), partials: layout.floats(partials),
            logits: layout.floats(EngineLimits.logitRowsPerPass * c.vocabularySize)
        )
        guard layout.byteCount <= EngineLimits.scratchByteCount else {
            throw .unsupportedShape(
                path: path,
                reason: "a pass would take \(layout.byteCount >> 20) MiB of memory, more than "
                    + "\(EngineLimits.scratchByteCount >> 20) MiB")
        }
        let memory = AlignedBuffer(byteCount: layout.byteCount)
        residual = memory.pointer(to: Float.self, atByte: offsets.residual)
        queryKeyValue = memory.pointer(to: Float.self, atByte: offsets.qkv)
        attended = memory.pointer(to: Float.self, atByte: offsets.attended)
        attentionOutput = memory.pointer(to: Float.self, atByte: offsets.attention)
        feedForwardOutput = memory.pointer(to: Float.self, atByte: offsets.feedForward)
        quantized = memory.pointer(to: UInt8.self, atByte: offsets.quantized)
        gated = memory.pointer(to: UInt8.self, atByte: offsets.gated)
        self.floats = memory.pointer(to: Float.self, atByte: offsets.floats)
        gateFloats = memory.pointer(to: Float.self, atByte: offsets.gate)
        upFloats = memory.pointer(to: Float.self, atByte: offsets.up)
        cosines = memory.pointer(to: Float.self, atByte: offsets.cosines)
        sines = memory.pointer(to: Float.self, atByte: offsets.sines)
        attentionPartials = memory.pointer(to: Float.self, atByte: offsets.partials)
        logits = memory.pointer(to: Float.self, atByte: offsets.logits)
        self.memory = memory
    }
}
