// What an engine keeps between requests, and how that comes from and goes to the disk: reading a prompt ahead of the
// request, stored sequences, their budget, and weights shared with the user's other daemons.

/// A sequence as it is stored: its tokens, and blocks that nobody writes any more.
package struct StoredSequence: @unchecked Sendable {  // see PrefixCache.checkout: a block in other hands is copied
    package let tokens: [TokenID]
    let blocks: [KVBlock]

    /// Leading blocks that a snapshot on the disk holds, among the first `limit`.
    fileprivate func storedBlockCount(limit: Int) -> Int {
        blocks.prefix(limit).prefix { $0.snapshot.map { $0.exists } ?? false }.count
    }

    /// Writes what is not on the disk yet: the repository's context, which other files' prompts begin with, as a file
    /// of its own, then the rest. `contextTokenCount` leading tokens are context. Returns the files written, for the
    /// engine to map, and those of older prompts of the same document, which are of no use any more.
    package func write(
        to store: SnapshotStore, key: SnapshotKey, origin: SnapshotOrigin, contextTokenCount: Int
    ) throws(SnapshotStore.Failure) -> [SnapshotFile] {
        let contextBlockCount = min(contextTokenCount, tokens.count - 1) / KVCache.blockPositions
        var written: [SnapshotFile] = []
        if storedBlockCount(limit: contextBlockCount) < contextBlockCount {
            var context = origin
            context.documentPath = ""
            written +=
                try write(0..<contextBlockCount, to: store, key: key, origin: context).map { [$0] } ?? []
        }
        guard blocks.contains(where: { $0.snapshot == nil }) || !(blocks.last?.snapshot?.exists ?? false)
        else {
            return written
        }
        let last = try write(contextBlockCount..<blocks.count, to: store, key: key, origin: origin)
        return written + [last].compactMap(\.self)
    }

    private func write(
        _ range: Range<Int>, to store: SnapshotStore, key: SnapshotKey, origin: SnapshotOrigin
    ) throws(SnapshotStore.Failure) -> SnapshotFile? {
        let tokens = Array(tokens.prefix(range.upperBound * KVCache.blockPositions))
        var origin = origin
        origin.sources = origin.sources.filter { $0.tokenRange.lowerBound < tokens.count }.map {
            SnapshotSource(
                path: $0.path, blobID: $0.blobID, tokenRange: $0.tokenRange.clamped(to: 0..<tokens.count))
        }
        // The context may itself continue one that is stored.
        let first = range.lowerBound == 0 ? storedBlockCount(limit: range.upperBound - 1) : range.lowerBound
        return try store.write(
            tokens: tokens, firstBlock: first,
            blocks: blocks[first..<range.upperBound].map {
                UnsafeRawBufferPointer(start: $0.base, count: $0.byteCount)
            }, key: key, origin: origin)
    }
}

/// A model's weights as they are in memory.
package struct PackedWeights: @unchecked Sendable {  // never written after loading
    fileprivate let buffers: [AlignedBuffer]

    package func write(to path: String) throws(SnapshotStore.Failure) {
        try SharedPages.write(buffers, to: path)
    }
}

extension InferenceEngine {
    /// What reading ahead did.
    package struct Prefetch: Sendable {
        package var reusedTokenCount = 0
        package var computedTokenCount = 0
        package var isComplete = false
        /// What computing took.
        package var time = Duration.zero
    }

    /// Reads a prompt, so that a request with it, or with one that begins like it, need not. Ends early when the
    /// flag is raised; what was read by then is kept.
    package func prefetch(_ prompt: [TokenID], cancellation: CancellationFlag) throws(EngineError) -> Prefetch
    {
        try check(prompt)
        return team.withLiveRequest(cancellation: cancellation) {
            let model = languageModel
            let start = ContinuousClock.now
            let (reused, computed, isComplete) = model.prefill(prompt, cancellation: cancellation)
            return Prefetch(
                reusedTokenCount: reused, computedTokenCount: computed,
                isComplete: isComplete, time: ContinuousClock.now - start)
        }
    }

    /// How many leading tokens of a prompt need not be computed.
    package func knownPrefixLength(of prompt: [TokenID]) -> Int {
        guard let cache = keyValueCache, !prompt.isEmpty else { return 0 }
        let longest = max(commonPrefixLength(cache.tokens, prompt), cache.prefixes.longestPrefix(of: prompt))
        return min(longest, prompt.count - 1)
    }

    /// Prompts that may come back, and absolute paths of documents of which nothing else is wanted, whatever a snapshot
    /// holds.
    package typealias WantedPrompts = (prompts: [[TokenID]], documents: Set<String>)

    /// Frees what of stored prompts belongs to none that is wanted, nor to what is worked on, nor to what was used
    /// since the last call. `wanted` is asked on the engine's thread, when its turn has come.
    package func retain(_ wanted: @Sendable () -> WantedPrompts) {
        let (prompts, documents) = wanted()
        guard let cache = keyValueCache else { return }
        cache.prefixes.retain(prompts + [cache.tokens]) { documents.contains($0.rootPath + "/" + $0.documentPath) }
    }

    // MARK: Memory

    /// Sets how many bytes keys and values may take, and keeps to it at once.
    package func setCacheByteLimit(_ limit: Int) {
        guard let cache = keyValueCache else { return }
        cache.prefixes.byteLimit = limit
        cache.makeRoom()
    }

    /// Bytes of private memory for keys and values now.
    package func cacheByteCount() -> Int { keyValueCache?.byteCount ?? 0 }

    /// Replaces the packed weights by pages of the file at `path`, so that several processes hold them once. False
    /// where there is no such file or another one.
    package func shareWeights(with path: String) -> Bool {
        guard case .quantized(let model) = model else { return false }
        return SharedPages.share(model.weights.buffers, with: path) == .shared
    }

    /// What `shareWeights` wants to find in a file; nil for the float reference.
    package func packedWeights() -> PackedWeights? {
        guard case .quantized(let model) = model else { return nil }
        return PackedWeights(buffers: model.weights.buffers)
    }

    // MARK: Snapshots

    /// What a snapshot of this engine must say about itself; nil for the float reference.
    package nonisolated func snapshotKey(modelChecksum: String) -> SnapshotKey? {
        guard let blockByteCount else { return nil }
        return SnapshotKey(
            modelChecksum: modelChecksum, instructionSet: instructionSet.description,
            blockByteCount: blockByteCount)
    }

    /// Makes the sequences of snapshots known, in the order of `SnapshotStore.files`. Returns those that continue a
    /// sequence which nobody has any more.
    package func attach(_ files: [SnapshotFile], onDamage: @escaping @Sendable (SnapshotFile) -> Void)
        -> [SnapshotFile]
    {
        guard let cache = keyValueCache else { return [] }
        cache.prefixes.onDamage = onDamage
        return files.filter { $0.tokenCount > positionLimit || !cache.prefixes.attach($0) }
    }

    /// Forgets everything that came from a snapshot.
    package func detach(_ file: SnapshotFile) { keyValueCache?.prefixes.drop(file) }

    /// The blocks of a prompt that was read; nil where they are gone, or not all were computed.
    package func storedSequence(of tokens: [TokenID]) -> StoredSequence? {
        keyValueCache?.storedSequence(of: tokens)
    }

    private var keyValueCache: KVCache? {
        if case .quantized(let model) = model { model.cache } else { nil }
    }
}
