// Where the keys and values of a tree's nodes wait for the verdict: bf16 rows by layer, beside the cache. Only the
// accepted path is copied into the cache, bit for bit.

import CSpecKernels

/// Staged rows of one pass. Engine thread only.
final class KVStaging {
    private let memory: AlignedBuffer
    private let layerElementCount: Int
    let kvHeadCount: Int
    let headDimension: Int

    /// Room for `rowCount` rows of each layer.
    init(layerCount: Int, kvHeadCount: Int, headDimension: Int, rowCount: Int) {
        self.kvHeadCount = kvHeadCount
        self.headDimension = headDimension
        layerElementCount = rowCount * kvHeadCount * 2 * headDimension
        memory = AlignedBuffer(byteCount: layerCount * layerElementCount * 2)
    }

    var byteCount: Int { memory.byteCount }

    /// [rows, G, 2, D] bf16 of one layer.
    func rows(layer: Int) -> UnsafeMutablePointer<UInt16> {
        memory.pointer(to: UInt16.self) + layer * layerElementCount
    }

    /// Copies one row of one layer to a position of a cache's chunk; `chunk` is the layer's first chunk there.
    func copy(row: Int, layer: Int, into chunk: UnsafeMutablePointer<UInt8>, at index: Int) {
        let chunkByteCount = spec_kv_chunk_bytes(Int32(headDimension))
        for head in 0..<kvHeadCount {
            let key = rows(layer: layer) + (row * kvHeadCount + head) * 2 * headDimension
            spec_kv_store_staged(
                chunk + head * chunkByteCount, Int32(index), key, key + headDimension, Int32(headDimension))
        }
    }
}
