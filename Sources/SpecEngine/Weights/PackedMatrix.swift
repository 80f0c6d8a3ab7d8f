// A weight matrix as the kernels read it: rows gathered into panels of 16. Repacked once at load; the file's own
// bytes are not needed afterwards.

import CSpecKernels

/// A matrix [N outputs, K inputs] in kernel layout. Immutable after loading; engine thread only.
struct PackedMatrix {
    enum Storage {
        case q4(spec_q4_matrix)
        case f32(spec_f32_matrix)
    }

    let storage: Storage
    let outputCount: Int
    let inputCount: Int
    let memory: AlignedBuffer

    var byteCount: Int { memory.byteCount }

    private init(storage: Storage, outputCount: Int, inputCount: Int, memory: AlignedBuffer) {
        self.storage = storage
        self.outputCount = outputCount
        self.inputCount = inputCount
        self.memory = memory
    }

    /// The first `count` outputs, in the same memory.
    func firstOutputs(_ count: Int) -> PackedMatrix {
        precondition(count > 0 && count <= outputCount)
        let prefix: Storage
        switch storage {
        case .q4(var matrix):
            matrix.n = Int32(count)
            prefix = .q4(matrix)
        case .f32(var matrix):
            matrix.n = Int32(count)
            prefix = .f32(matrix)
        }
        return PackedMatrix(storage: prefix, outputCount: count, inputCount: inputCount, memory: memory)
    }

    /// A row-major f32 matrix [N, K].
    init(rows: UnsafePointer<Float>, outputCount: Int, inputCount: Int) {
        let memory = AlignedBuffer(byteCount: (outputCount + 15) / 16 * 16 * inputCount * 4)
        spec_f32_repack(rows, Int32(outputCount), Int32(inputCount), memory.pointer(to: Float.self))
        self.init(
            storage: .f32(
                spec_f32_matrix(
                    panels: memory.pointer(to: Float.self), n: Int32(outputCount), k: Int32(inputCount))),
            outputCount: outputCount, inputCount: inputCount, memory: memory)
    }

    /// Stacks tensors of the same input size, so that one pass computes them side by side. All must be of one
    /// type, and all but the last must have a multiple of 16 rows.
    init(stacking tensors: [GGUFTensor], of file: GGUFFile) throws(EngineError) {
        let inputCount = tensors[0].dimensions[0]
        let outputCount = tensors.reduce(0) { $0 + $1.dimensions[1] }
        let type = tensors[0].type
        for tensor in tensors {
            guard tensor.type == type, tensor.type == .q4_0 || tensor.type == .f32 else {
                throw EngineError.unsupportedTensorType(
                    path: file.path, tensor: tensor.name, type: tensor.type)
            }
        }
        let panelByteCount = type == .q4_0 ? spec_q4_panel_bytes(Int32(inputCount)) : inputCount * 16 * 4
        let panelCount = (outputCount + 15) / 16
        let memory = AlignedBuffer(byteCount: panelCount * panelByteCount)
        var firstPanel = 0
        for tensor in tensors {
            let rows = file.bytes(of: tensor).baseAddress!
            let destination = memory.base + firstPanel * panelByteCount
            let rowCount = tensor.dimensions[1]
            if type == .q4_0 {
                spec_q4_repack(
                    rows.assumingMemoryBound(to: UInt8.self), Int32(rowCount), Int32(inputCount),
                    destination.assumingMemoryBound(to: UInt8.self), 0, Int32((rowCount + 15) / 16))
            } else {
                spec_f32_repack(
                    rows.assumingMemoryBound(to: Float.self), Int32(rowCount), Int32(inputCount),
                    destination.assumingMemoryBound(to: Float.self))
            }
            firstPanel += rowCount / 16
        }
        self.memory = memory
        self.outputCount = outputCount
        self.inputCount = inputCount
        if type == .q4_0 {
            storage = .q4(
                spec_q4_matrix(
                    panels: memory.pointer(to: UInt8.self), n: Int32(outputCount), k: Int32(inputCount)))
        } else {
            storage = .f32(
                spec_f32_matrix(
                    panels: memory.pointer(to: Float.self), n: Int32(outputCount), k: Int32(inputCount)))
        }
    }
}
