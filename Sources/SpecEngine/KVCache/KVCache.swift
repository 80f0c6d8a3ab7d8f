// The keys and values of the sequence that the model works on, all layers, in blocks of 128 positions, and the exact
// tokens they stand for. Blocks are separate allocations behind a table, so a sequence grows without moving, and
// sequences that begin alike hold the same blocks (PrefixCache). Contents change only inside a KVRound.

import CSpecKernels

/// The cache of the working sequence. Engine thread only.
final class KVCache {
    /// Positions per block, and per attention chunk.
    static let blockPositions = Int(SPEC_CHUNK)
    /// The end of a prompt that is shorter than this is not worth a block of its own: computing it again takes a few
    /// milliseconds. Typing and deleting at the cursor stay below it.
    static let leastStoredTokenCount = 16

    /// Bytes of one block: every layer's keys and values of 128 positions.
    let blockByteCount: Int
    /// Bytes from a block's start to a layer's chunks, times the layer.
    let layerByteCount: Int
    let layerCount: Int
    /// The most positions this cache holds.
    let capacity: Int
    /// Sequences that were worked on before.
    let prefixes: PrefixCache
    /// The tokens whose keys and values are committed: row i stands for tokens[0...i]. The one timeline.
    private(set) var tokens: [TokenID] = []

    private var blocks: [KVBlock] = []
    /// Leading blocks that somebody else holds too, or may: never written.
    private var sharedBlockCount = 0
    /// Tokens of the last prompt. What was generated behind a prompt never returns, so it is not stored.
    private var promptCount = 0
    /// The blocks' addresses as the kernels read them. Reserved for the capacity, so it never moves.
    let blockTable: UnsafeMutablePointer<UnsafeMutablePointer<UInt8>>
    fileprivate var hasOpenRound = false

    init(configuration: ModelConfiguration, capacity: Int) {
        let chunkByteCount = spec_kv_chunk_bytes(Int32(configuration.headDimension))
        layerByteCount = chunkByteCount * configuration.kvHeadCount
        layerCount = configuration.layerCount
        blockByteCount = layerByteCount * layerCount
        self.capacity = capacity
        prefixes = PrefixCache(blockByteCount: blockByteCount)
        let blockCount = Self.blockCount(capacity)
        blockTable = .allocate(capacity: max(1, blockCount))
        tokens.reserveCapacity(capacity)
        blocks.reserveCapacity(blockCount)
    }

    deinit { blockTable.deallocate() }

    /// Committed positions.
    var count: Int { tokens.count }

    /// Bytes of memory for keys and values, those of stored sequences included.
    var byteCount: Int { prefixes.byteCount + ownByteCount }

    /// Bytes that only the working sequence holds.
    private var ownByteCount: Int { (blocks.count - sharedBlockCount) * blockByteCount }

    /// Blocks that hold `positions` positions.
    static func blockCount(_ positions: Int) -> Int { (positions + blockPositions - 1) / blockPositions }

    /// Forgets every position from `count` on. Blocks of its own stay allocated for the next tokens.
    func truncate(to count: Int) {
        precondition(!hasOpenRound && count <= self.count)
        tokens.removeLast(self.count - count)
        let needed = Self.blockCount(count)
        if sharedBlockCount > needed {
            // What the next tokens would be written to belongs to others.
            blocks.removeSubrange(needed...)
            sharedBlockCount = needed
        }
    }

    /// Makes room for positions up to `end` before a pass, so that the pass itself allocates nothing.
    func reserve(upTo end: Int) {
        precondition(end <= capacity)
        let written = count / Self.blockPositions
        if written < sharedBlockCount {
            precondition(written == sharedBlockCount - 1)
            set(blocks[written].copy(), at: written)
            sharedBlockCount = written
        }
        while blocks.count * Self.blockPositions < end {
            let block = KVBlock(byteCount: blockByteCount)
            blocks.append(block)
            blockTable[blocks.count - 1] = block.base
        }
    }

    private func set(_ block: KVBlock, at index: Int) {
        blocks[index] = block
        blockTable[index] = block.base
    }

    fileprivate func append(_ newTokens: some Sequence<TokenID>) {
        tokens.append(contentsOf: newTokens)
    }

    // MARK: Sequences

    /// Turns to the sequence that shares most leading tokens with `prompt`, the working one or a stored one, and
    /// forgets what follows there. At most all tokens but the last are kept, whose logits are wanted. Returns how
    /// many.
    func resume(_ prompt: [TokenID]) -> Int {
        precondition(!hasOpenRound && !prompt.isEmpty)
        let limit = prompt.count - 1
        let kept = min(commonPrefixLength(tokens, prompt), limit)
        if min(count, promptCount) - kept >= Self.leastStoredTokenCount { store() }
        if !adoptStored(prompt, limit: limit, ifLongerThan: kept) {
            truncate(to: kept)
            prefixes.touch(prompt[..<kept])
        }
        promptCount = prompt.count
        makeRoom(forBlocks: Self.blockCount(prompt.count))
        return count
    }

    /// Lets the stored sequences know the working one, so that it outlives what comes next. Forgets what was generated
    /// behind its prompt.
    func store() {
        precondition(!hasOpenRound)
        truncate(to: min(count, promptCount))
        guard count > 0 else { return }
        // Where the tree had a block with the same contents, that one serves both.
        blocks = prefixes.commit(tokens[...], blocks: blocks)
        sharedBlockCount = blocks.count
        for (index, block) in blocks.enumerated() { blockTable[index] = block.base }
    }

    /// The blocks of a prompt that was read, all but a short end; nil where they are gone.
    func storedSequence(of prompt: [TokenID]) -> StoredSequence? {
        store()
        let tokens = Array(prompt.prefix(prefixes.longestPrefix(of: prompt)))
        guard !tokens.isEmpty, prompt.count - tokens.count < Self.leastStoredTokenCount else { return nil }
        return prefixes.blocks(of: tokens).map { StoredSequence(tokens: tokens, blocks: $0) }
    }

    private func adoptStored(_ prompt: [TokenID], limit: Int, ifLongerThan kept: Int) -> Bool {
        guard min(prefixes.longestPrefix(of: prompt), limit) > kept else { return false }
        let lease = prefixes.checkout(prompt, limit: limit)
        guard lease.count > kept else { return false }  // damaged on the disk
        tokens.replaceSubrange(0..., with: prompt[..<lease.count])
        blocks = lease.blocks
        sharedBlockCount = blocks.count - (lease.isTailExclusive ? 1 : 0)
        for (index, block) in blocks.enumerated() { blockTable[index] = block.base }
        return true
    }

    /// Drops stored sequences until they and `blockCount` blocks of the working one are within the budget.
    func makeRoom(forBlocks blockCount: Int = 0) {
        // A shared block that is partly filled is copied by the next write.
        let own = max(blocks.count, blockCount) - min(sharedBlockCount, count / Self.blockPositions)
        prefixes.evict(downTo: prefixes.byteLimit - own * blockByteCount)
    }

    /// What must hold between rounds; tests call it.
    func checkInvariants() {
        precondition(!hasOpenRound)
        precondition(count <= capacity && count <= blocks.count * Self.blockPositions)
        precondition(sharedBlockCount <= min(blocks.count, Self.blockCount(count)))
        for (index, block) in blocks.enumerated() {
            precondition(blockTable[index] == block.base)
            precondition(index < sharedBlockCount || block.snapshot == nil, "a mapped block could be written")
        }
        prefixes.checkInvariants(notStored: Array(blocks[sharedBlockCount...]))
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
