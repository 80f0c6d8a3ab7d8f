// Where the keys and values of a tree's nodes wait for the verdict: quantised heads by layer, beside the cache. Only
// the accepted path is copied into the cache, bit for bit.

import CSpecKernels

/// Staged rows of one pass. Engine thread only.
final class KVStaging {
    private let memory: AlignedBuffer
    private let rowCount: Int
    /// Bytes of a row in one layer: a quantised key and a quantised value per key/value head.
    private let rowByteCount: Int
    let kvHeadCount: Int
    let headDimension: Int

    /// Room for `rowCount` rows of each layer.
    init(layerCount: Int, kvHeadCount: Int, headDimension: Int, rowCount: Int) {
        self.kvHeadCount = kvHeadCount
        self.headDimension = headDimension
        self.rowCount = rowCount
        rowByteCount = kvHeadCount * 2 * spec_head_bytes(Int32(headDimension))
        memory = AlignedBuffer(byteCount: layerCount * rowCount * rowByteCount)
    }

    var byteCount: Int { memory.byteCount }

    /// [rows - first, G, 2] quantised heads of one layer, from row `first` on.
    func rows(layer: Int, from first: Int = 0) -> UnsafeMutablePointer<UInt8> {
        memory.pointer(to: UInt8.self) + (layer * rowCount + first) * rowByteCount
    }

    /// Copies one row of one layer to a position of a cache's chunk; `chunk` is the layer's first chunk there.
    func copy(row: Int, layer: Int, into chunk: UnsafeMutablePointer<UInt8>, at index: Int) {
        let chunkByteCount = spec_kv_chunk_bytes(Int32(headDimension))
        let headByteCount = rowByteCount / kvHeadCount
        for head in 0..<kvHeadCount {
            spec_kv_store_staged(
                chunk + head * chunkByteCount, Int32(index), rows(layer: layer, from: row) + head * headByteCount,
                Int32(headDimension))
        }
    }
}
