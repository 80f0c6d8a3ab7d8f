// The activations of the draft layer, allocated once.

import CSpecKernels

/// Buffers for `EngineLimits.rowsPerPass` rows (M below); logits for one level's rows. Engine thread only.
final class DraftScratch {
    let residual: UnsafeMutablePointer<Float>  // [M, hidden]
    let projected: UnsafeMutablePointer<Float>  // [M, max(H, 2G)·D]
    let attended: UnsafeMutablePointer<Float>  // [M, H·D]
    let blockOutput: UnsafeMutablePointer<Float>  // [M, hidden]
    let quantized: UnsafeMutablePointer<UInt8>  // M int8 rows of the widest linear input
    let gated: UnsafeMutablePointer<UInt8>  // M int8 rows of the feed-forward size
    let floats: UnsafeMutablePointer<Float>  // [M, widest linear input], for float weights
    let gateFloats: UnsafeMutablePointer<Float>  // [M, feed-forward], for float weights
    let upFloats: UnsafeMutablePointer<Float>
    let cosines: UnsafeMutablePointer<Float>  // [M, D/2]
    let sines: UnsafeMutablePointer<Float>
    let logits: UnsafeMutablePointer<Float>  // [LongSpecDraft.levelLimit, head tokens]
    private let memory: AlignedBuffer

    var byteCount: Int { memory.byteCount }

    init(target c: ModelConfiguration, feedForwardSize: Int, headTokenCount: Int) {
        let rows = EngineLimits.rowsPerPass
        let heads = c.headCount * c.headDimension
        let widest = max(c.hiddenSize, heads, feedForwardSize)
        var layout = BufferLayout()
        let offsets = (
            residual: layout.floats(rows * c.hiddenSize),
            projected: layout.floats(rows * max(heads, 2 * c.kvHeadCount * c.headDimension)),
            attended: layout.floats(rows * heads), output: layout.floats(rows * c.hiddenSize),
            quantized: layout.place(rows * spec_q8_row_bytes(Int32(widest))),
            gated: layout.place(rows * spec_q8_row_bytes(Int32(feedForwardSize))),
            floats: layout.floats(rows * widest),
            gate: layout.floats(rows * feedForwardSize), up: layout.floats(rows * feedForwardSize),
            cosines: layout.floats(rows * c.headDimension / 2),
            sines: layout.floats(rows * c.headDimension / 2),
            logits: layout.floats(LongSpecDraft.levelLimit * headTokenCount)
        )
        let memory = AlignedBuffer(byteCount: layout.byteCount)
        func pointer(_ offset: Int) -> UnsafeMutablePointer<Float> {
            memory.pointer(to: Float.self, atByte: offset)
        }
        residual = pointer(offsets.residual)
        projected = pointer(offsets.projected)
        attended = pointer(offsets.attended)
        blockOutput = pointer(offsets.output)
        quantized = memory.pointer(to: UInt8.self, atByte: offsets.quantized)
        gated = memory.pointer(to: UInt8.self, atByte: offsets.gated)
        self.floats = pointer(offsets.floats)
        gateFloats = pointer(offsets.gate)
        upFloats = pointer(offsets.up)
        cosines = pointer(offsets.cosines)
        sines = pointer(offsets.sines)
        logits = pointer(offsets.logits)
        self.memory = memory
    }
}
