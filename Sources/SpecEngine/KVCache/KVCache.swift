// The keys and values of one sequence, all layers, in blocks of 128 positions, and the exact tokens they stand
// for. Blocks are separate allocations behind a table, so a sequence grows without moving.
// Contents change only inside a KVRound.

import CSpecKernels

/// The cache of one sequence. Engine thread only.
final class KVCache {
    /// Positions per block, and per attention chunk.
    static let blockPositions = Int(SPEC_CHUNK)

    /// Bytes of one block: every layer's keys and values of 128 positions.
    let blockByteCount: Int
    /// Bytes from a block's start to a layer's chunks, times the layer.
    let layerByteCount: Int
    let layerCount: Int
    /// The most positions this cache holds.
    let capacity: Int
    /// The tokens whose keys and values are committed: row i stands for tokens[0...i]. The one timeline.
    private(set) var tokens: [TokenID] = []

    private var blocks: [AlignedBuffer] = []
    /// The blocks' addresses as the kernels read them. Reserved for the capacity, so it never moves.
    let blockTable: UnsafeMutablePointer<UnsafeMutablePointer<UInt8>>
    fileprivate var hasOpenRound = false

    init(configuration: ModelConfiguration, capacity: Int) {
        let chunkByteCount = spec_kv_chunk_bytes(Int32(configuration.headDimension))
        layerByteCount = chunkByteCount * configuration.kvHeadCount
        layerCount = configuration.layerCount
        blockByteCount = layerByteCount * layerCount
        self.capacity = capacity
        let blockCount = (capacity + Self.blockPositions - 1) / Self.blockPositions
        blockTable = .allocate(capacity: max(1, blockCount))
        tokens.reserveCapacity(capacity)
        blocks.reserveCapacity(blockCount)
    }

    deinit { blockTable.deallocate() }

    /// Committed positions.
    var count: Int { tokens.count }

    /// Bytes allocated for keys and values.
    var byteCount: Int { blocks.count * blockByteCount }

    /// Forgets every position from `count` on. Blocks stay allocated for the next tokens.
    func truncate(to count: Int) {
        precondition(!hasOpenRound && count <= self.count)
        tokens.removeLast(self.count - count)
    }

    /// Frees blocks that hold no committed position.
    func releaseUnusedBlocks() {
        precondition(!hasOpenRound)
        let needed = (count + Self.blockPositions - 1) / Self.blockPositions
        blocks.removeLast(max(0, blocks.count - needed))
    }

    /// Makes room for positions up to `end` before a pass, so that the pass itself allocates nothing.
    func reserve(upTo end: Int) {
        precondition(end <= capacity)
        while blocks.count * Self.blockPositions < end {
            let block = AlignedBuffer(byteCount: blockByteCount)
            blockTable[blocks.count] = block.pointer(to: UInt8.self)
            blocks.append(block)
        }
    }

    fileprivate func append(_ newTokens: some Sequence<TokenID>) {
        tokens.append(contentsOf: newTokens)
    }

    /// What must hold between rounds; tests call it.
    func checkInvariants() {
        precondition(!hasOpenRound)
        precondition(count <= capacity && count <= blocks.count * Self.blockPositions)
        for (index, block) in blocks.enumerated() {
            precondition(blockTable[index] == block.pointer(to: UInt8.self))
        }
    }
}

/// A transaction on the cache: rows are written past the committed ones, then some of them are kept. Ends in
/// `commit` or, when it goes out of scope in any other way (a throw, a cancellation), in a rollback.
struct KVRound: ~Copyable {
    private let cache: KVCache
    /// The position of the first provisional row.
    let base: Int

    /// Opens a round with room for `rowCount` provisional rows.
    init(on cache: KVCache, rowCount: Int) {
        precondition(!cache.hasOpenRound, "a cache has one open round at a time")
        cache.reserve(upTo: cache.count + rowCount)
        cache.hasOpenRound = true
        self.cache = cache
        base = cache.count
    }

    /// Keeps the rows of `tokens`, which begin at `base`.
    consuming func commit(_ tokens: some Sequence<TokenID>) {
        cache.append(tokens)
    }

    /// Keeps the first `count` rows of `tokens`, which were all written in place: an accepted part of a chain.
    consuming func commit(first count: Int, of tokens: [TokenID]) {
        precondition(count <= tokens.count)
        cache.append(tokens[..<count])
    }

    /// Keeps the rows of a tree's nodes on `path` (the root first), which wait in `staging`: copied behind the
    /// committed rows in all layers.
    consuming func commit(path: [Int], of tree: TokenTree, from staging: KVStaging) {
        for (depth, node) in path.enumerated() {
            precondition(tree.depths[node] == depth)
            let position = base + depth
            let block = cache.blockTable[position / KVCache.blockPositions]
            for layer in 0..<cache.layerCount {
                staging.copy(
                    row: node, layer: layer, into: block + layer * cache.layerByteCount,
                    at: position % KVCache.blockPositions)
            }
        }
        cache.append(path.map { tree.tokens[$0] })
    }

    deinit { cache.hasOpenRound = false }
}
