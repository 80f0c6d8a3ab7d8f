// A weight matrix as the kernels read it: rows gathered into panels of 16. Repacked once at load; the file's own
// bytes are not needed afterwards.

import CSpecKernels

/// A matrix [N outputs, K inputs] in kernel layout: parts stacked along the outputs, each in the format of its tensor.
/// Immutable after loading; engine thread only.
struct PackedMatrix {
    let outputCount: Int
    let inputCount: Int
    /// Whether it reads f32 rows; else quantised ones.
    let isFloat: Bool
    private let parts: [spec_matrix]
    let memory: AlignedBuffer
    /// Of the part that `followed(by:)` added: owned by whoever packed it, not counted in `byteCount`.
    private let furtherMemory: AlignedBuffer?

    var byteCount: Int { memory.byteCount }

    private init(parts: [spec_matrix], memory: AlignedBuffer, furtherMemory: AlignedBuffer? = nil) {
        self.parts = parts
        self.memory = memory
        self.furtherMemory = furtherMemory
        outputCount = parts.reduce(0) { $0 + Int($1.n) }
        inputCount = Int(parts[0].k)
        isFloat = spec_type_is_float(parts[0].type)
    }

    /// The first `count` outputs of a matrix with one part, in the same memory.
    func firstOutputs(_ count: Int) -> PackedMatrix {
        precondition(parts.count == 1 && count > 0 && count <= outputCount)
        var prefix = parts[0]
        prefix.n = Int32(count)
        return PackedMatrix(parts: [prefix], memory: memory)
    }

    /// Bytes of `rowCount` more outputs in the format of a matrix with one part.
    func packedByteCount(rowCount: Int) -> Int {
        (rowCount + 15) / 16 * spec_panel_bytes(parts[0].type, parts[0].k)
    }

    /// A matrix with one part of whole panels, followed by rows [rowCount, K] of the same format as a GGUF file stores
    /// them. They are packed into `panels`, which holds `packedByteCount(rowCount:)` and must not be packed into again
    /// while the result is in use.
    func followed(
        by rows: UnsafePointer<UInt8>, rowCount: Int, packedInto panels: AlignedBuffer
    ) -> PackedMatrix {
        precondition(parts.count == 1 && outputCount % 16 == 0)
        precondition(packedByteCount(rowCount: rowCount) <= panels.byteCount)
        guard rowCount > 0 else { return self }
        let further = panels.pointer(to: UInt8.self)
        let isComplete = spec_repack(
            nil, parts[0].type, rows, Int32(rowCount), parts[0].k, further)
        precondition(isComplete, "nobody cancels packing without a team")
        let part = spec_matrix(panels: further, type: parts[0].type, n: Int32(rowCount), k: parts[0].k)
        return PackedMatrix(parts: [parts[0], part], memory: memory, furtherMemory: panels)
    }

    /// A row-major f32 matrix [N, K].
    init(rows: UnsafePointer<Float>, outputCount: Int, inputCount: Int) {
        let source = Source(
            bytes: UnsafeRawPointer(rows).assumingMemoryBound(to: UInt8.self), type: SPEC_F32,
            rowCount: outputCount)
        self.init(packing: [source], inputCount: inputCount, team: nil)
    }

    /// Stacks tensors of the same input size, so that one pass computes them side by side. All but the last must have a
    /// multiple of 16 rows. Where float and quantised tensors meet, and with `asFloat`, all become float. `team`, if
    /// given, shares the work; it must be live.
    init(stacking tensors: [GGUFTensor], of file: GGUFFile, asFloat: Bool = false, team: ThreadTeam? = nil) {
        let isFloat = asFloat || tensors.contains { $0.type.isFloat }
        var sources: [Source] = []
        var dequantized: [AlignedBuffer] = []
        for tensor in tensors {
            guard isFloat, !tensor.type.isFloat else {
                sources.append(Source(tensor, of: file))
                continue
            }
            let floats = AlignedBuffer(byteCount: tensor.elementCount * 4)
            file.dequantize(tensor, into: floats.pointer(to: Float.self))
            dequantized.append(floats)
            sources.append(
                Source(
                    bytes: floats.pointer(to: UInt8.self), type: SPEC_F32, rowCount: tensor.dimensions[1]))
        }
        self.init(packing: sources, inputCount: tensors[0].dimensions[0], team: team)
        withExtendedLifetime(dequantized) {}
    }

    /// Rows [rowCount, K] as a GGUF file stores them.
    private struct Source {
        let bytes: UnsafePointer<UInt8>
        let type: spec_weight_type
        let rowCount: Int

        init(bytes: UnsafePointer<UInt8>, type: spec_weight_type, rowCount: Int) {
            self.bytes = bytes
            self.type = type
            self.rowCount = rowCount
        }

        init(_ tensor: GGUFTensor, of file: GGUFFile) {
            // A tensor's dimensions are at least 1, so it has bytes.
            let bytes = file.bytes(of: tensor).baseAddress.unsafelyUnwrapped
            self.init(
                bytes: bytes.assumingMemoryBound(to: UInt8.self), type: tensor.type.kernelType,
                rowCount: tensor.dimensions[1])
        }
    }

    private init(packing sources: [Source], inputCount: Int, team: ThreadTeam?) {
        var layout = BufferLayout()
        let offsets = sources.map { source in
            layout.place((source.rowCount + 15) / 16 * spec_panel_bytes(source.type, Int32(inputCount)))
        }
        let memory = AlignedBuffer(byteCount: layout.byteCount)
        let parts = zip(sources, offsets).map { source, offset in
            let panels = memory.pointer(to: UInt8.self, atByte: offset)
            let isComplete = spec_repack(
                team?.pool, source.type, source.bytes, Int32(source.rowCount), Int32(inputCount), panels)
            precondition(isComplete, "loading is not cancelled")
            return spec_matrix(
                panels: panels, type: source.type, n: Int32(source.rowCount), k: Int32(inputCount))
        }
        self.init(parts: parts, memory: memory)
    }

    // MARK: Products

    /// out [M, N] = x [M, K] · Wᵀ, where x is `quantized` or `floats`, as the matrix reads. False when cancelled.
    func multiply(
        quantized: UnsafePointer<UInt8>, floats: UnsafePointer<Float>, rows: Int,
        into out: UnsafeMutablePointer<Float>, on team: ThreadTeam
    ) -> Bool {
        if isFloat { return multiply(floats: floats, rows: rows, into: out, on: team) }
        return parts.withUnsafeBufferPointer { parts in
            // Every initialiser gives at least one part.
            spec_linear_int8(
                team.pool, parts.baseAddress.unsafelyUnwrapped, Int32(parts.count), quantized, Int32(rows),
                out, outputCount)
        }
    }

    /// The same for a float matrix.
    func multiply(
        floats: UnsafePointer<Float>, rows: Int, into out: UnsafeMutablePointer<Float>, on team: ThreadTeam
    ) -> Bool {
        precondition(isFloat)
        return parts.withUnsafeBufferPointer { parts in
            spec_linear_float(
                team.pool, parts.baseAddress.unsafelyUnwrapped, Int32(parts.count), floats, inputCount,
                Int32(rows), out, outputCount)
        }
    }

    /// out = quantised silu(x · Wᵀ) ⊙ (x · upᵀ), both matrices quantised and of one part. False when cancelled.
    func gate(
        _ up: PackedMatrix, quantized: UnsafePointer<UInt8>, rows: Int, into out: UnsafeMutablePointer<UInt8>,
        on team: ThreadTeam
    ) -> Bool {
        var (gatePart, upPart) = (parts[0], up.parts[0])
        return spec_gated_linear(team.pool, &gatePart, &upPart, quantized, Int32(rows), out)
    }
}

extension TensorType {
    /// Multiplies f32 rows; all other formats multiply quantised ones.
    var isFloat: Bool { spec_type_is_float(kernelType) }

    /// The kernels number the formats as ggml does.
    var kernelType: spec_weight_type { spec_weight_type(rawValue: rawValue) }
}

extension GGUFFile {
    /// All elements of a tensor as f32, [elementCount].
    func dequantize(_ tensor: GGUFTensor, into out: UnsafeMutablePointer<Float>) {
        let inputCount = tensor.dimensions[0]
        let rowCount = tensor.elementCount / inputCount
        // A tensor's dimensions are at least 1, so it has bytes.
        let bytes = bytes(of: tensor).baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: UInt8.self)
        for row in 0..<rowCount {
            spec_dequantize_row(
                tensor.type.kernelType, bytes + row * (tensor.byteCount / rowCount), out + row * inputCount,
                Int32(inputCount))
        }
    }
}
