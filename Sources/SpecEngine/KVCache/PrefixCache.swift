// Sequences that were worked on, kept so that coming back to one costs almost nothing. They form a tree of blocks of
// 128 tokens: what two sequences have in common from the start, the repository's context first of all, is there once.
// Only a leaf may be shorter than a block. A block belongs to a prefix, never to a file: what may be reused is decided
// by the tokens alone.

/// Stored sequences under a byte budget. Engine thread only.
final class PrefixCache {
    /// One block of a sequence: the tokens behind its parent's, and their keys and values.
    final class Node {
        /// 1 to 128; fewer than 128 only in a leaf.
        let tokens: [TokenID]
        fileprivate(set) var block: KVBlock
        fileprivate(set) var children: [Node] = []
        fileprivate unowned let parent: Node?
        /// When a sequence through this node was last used; never later than the parent's.
        fileprivate var lastUse: UInt64
        /// The last use before a snapshot's pages were given back; nil before that.
        fileprivate var lastUseBeforeGivingBack: UInt64?

        fileprivate var hasPrivateAncestor: Bool {
            var ancestor = parent
            while let node = ancestor {
                if node.block.snapshot == nil { return true }
                ancestor = node.parent
            }
            return false
        }

        fileprivate init(tokens: [TokenID], block: KVBlock, parent: Node?, lastUse: UInt64) {
            self.tokens = tokens
            self.block = block
            self.parent = parent
            self.lastUse = lastUse
        }
    }

    /// The beginning of a stored sequence, for work to go on behind it.
    struct Lease {
        /// Tokens that the blocks stand for.
        var count = 0
        var blocks: [KVBlock] = []
        /// The last block is no longer stored: whoever leases it may write to it.
        var isTailExclusive = false
    }

    /// A bound on nodes beyond the byte budget, which mapped blocks do not count against.
    static let maximumNodeCount = 1 << 13

    /// Bytes of private memory that may be held. The working sequence's blocks are part of it (see KVCache).
    var byteLimit = Int.max
    /// Told about a snapshot with wrong bytes, once each; its blocks are dropped.
    var onDamage: (SnapshotFile) -> Void = { _ in }
    /// Bytes of private memory that are held.
    private(set) var byteCount = 0
    private(set) var nodeCount = 0

    private var roots: [Node] = []
    private var clock: UInt64 = 0
    private var clockAtLastRetain: UInt64 = 0
    private let blockByteCount: Int

    init(blockByteCount: Int) {
        self.blockByteCount = blockByteCount
    }

    // MARK: Finding

    /// The most leading tokens that `prompt` shares with a stored sequence.
    func longestPrefix(of prompt: [TokenID]) -> Int { match(prompt[...]).count }

    /// Whole blocks from the start, then the part of one more.
    private struct Match {
        var path: [Node] = []
        var tail: Node?
        var tailCount = 0
        var count: Int { path.count * KVCache.blockPositions + tailCount }
    }

    private func match(_ prompt: ArraySlice<TokenID>) -> Match {
        var match = Match()
        var rest = prompt
        while !rest.isEmpty {
            let siblings = match.path.last?.children ?? roots
            var best: Node?
            var bestCount = 0
            for node in siblings {
                let count = Self.commonCount(node.tokens, rest)
                if count > bestCount { (best, bestCount) = (node, count) }
            }
            guard let best else { break }
            guard bestCount == KVCache.blockPositions else {
                (match.tail, match.tailCount) = (best, bestCount)
                break
            }
            match.path.append(best)
            rest = rest.dropFirst(bestCount)
        }
        return match
    }

    private static func commonCount(_ tokens: [TokenID], _ rest: ArraySlice<TokenID>) -> Int {
        let limit = min(tokens.count, rest.count)
        var count = 0
        while count < limit, tokens[count] == rest[rest.startIndex + count] { count += 1 }
        return count
    }

    /// The blocks of the longest stored beginning of `prompt`, of at most `limit` tokens. Blocks of snapshots are
    /// compared with their checksums first; where one is damaged the sequence ends before it.
    func checkout(_ prompt: [TokenID], limit: Int) -> Lease {
        clock += 1
        var match = match(prompt[..<min(limit, prompt.count)])
        while let damaged = (match.path + [match.tail].compactMap(\.self)).first(where: { !$0.block.verify() }
        ) {
            drop(damaged)
            match = self.match(prompt[..<min(limit, prompt.count)])
        }
        for node in match.path {
            node.lastUse = clock
            node.block.snapshot?.noteUse()
        }
        var lease = Lease(count: match.count, blocks: match.path.map(\.block))
        guard let tail = match.tail else { return lease }
        tail.lastUse = clock
        // A sequence that goes on where it ended takes its tail along. A tail that others may use, a full one or one
        // that is being written to the disk, is copied when it is written to.
        let isEnding = tail.tokens.count - match.tailCount < KVCache.leastStoredTokenCount
        let isPartial = tail.tokens.count < KVCache.blockPositions && tail.block.snapshot == nil
        if isEnding, isPartial, isKnownUniquelyReferenced(&tail.block) {
            remove(tail)
            lease.isTailExclusive = true
        }
        lease.blocks.append(tail.block)
        return lease
    }

    /// Marks what is stored of a sequence as used.
    func touch(_ tokens: ArraySlice<TokenID>) {
        clock += 1
        let match = match(tokens)
        for node in match.path { node.lastUse = clock }
        match.tail?.lastUse = clock
    }

    /// The blocks of a whole sequence; nil where it is not stored to its end.
    func blocks(of tokens: [TokenID]) -> [KVBlock]? {
        let match = match(tokens[...])
        guard match.count == tokens.count else { return nil }
        return (match.path + [match.tail].compactMap(\.self)).map(\.block)
    }

    // MARK: Storing

    /// Keeps a sequence. `blocks` hold its keys and values from position 0; from now on they are shared, and nobody may
    /// write to the part of them that `tokens` stand for.
    /// Returns the blocks that are stored for them: some of `blocks`, or others with the same contents. This is not
    /// itself a use of the sequence: that was when work on it began, and `retain` and `evict` count from there.
    @discardableResult
    func commit(_ tokens: ArraySlice<TokenID>, blocks: [KVBlock]) -> [KVBlock] {
        var stored: [KVBlock] = []
        var parent: Node?
        var rest = tokens
        for block in blocks {
            guard !rest.isEmpty else { break }
            let part = rest.prefix(KVCache.blockPositions)
            rest = rest.dropFirst(part.count)
            let node = self.node(for: part, block: block, beneath: parent)
            node.lastUse = clock
            stored.append(node.block)
            parent = node
        }
        precondition(rest.isEmpty, "a sequence has blocks for all its tokens")
        return stored
    }

    /// The node that stands for `part`: one that is there, or a new one in place of a shorter leaf.
    private func node(for part: ArraySlice<TokenID>, block: KVBlock, beneath parent: Node?) -> Node {
        for node in parent?.children ?? roots where Self.commonCount(node.tokens, part) == part.count {
            // Pages of a snapshot take the place of private memory with the same contents, and of those of a snapshot
            // that was removed.
            if node.tokens.count == part.count, let snapshot = block.snapshot, node.block.snapshot !== snapshot,
                !(node.block.snapshot?.exists ?? false), block.verify()
            {
                byteCount -= node.block.privateByteCount
                node.block = block
            }
            return node
        }
        for node in parent?.children ?? roots
        where node.children.isEmpty && Self.commonCount(node.tokens, part) == node.tokens.count {
            remove(node)
        }
        let node = Node(tokens: Array(part), block: block, parent: parent, lastUse: clock)
        if let parent { parent.children.append(node) } else { roots.append(node) }
        byteCount += block.privateByteCount
        nodeCount += 1
        return node
    }

    /// Keeps the sequence of a snapshot. False where it continues one that is not stored, or is of another shape.
    func attach(_ file: SnapshotFile) -> Bool {
        let start = file.header.firstBlock * KVCache.blockPositions
        guard file.header.blockByteCount == blockByteCount,
            let before = start == 0 ? [] : blocks(of: Array(file.header.tokens[..<start]))
        else { return false }
        let own = file.header.checksums.indices.map { KVBlock(file, index: $0) }
        clock += 1
        commit(file.header.tokens[...], blocks: before + own)
        return true
    }

    // MARK: Dropping

    /// Drops leaves, the least recently used first, until at most `limit` bytes of private memory are held. Since using
    /// a sequence uses all its blocks, what many sequences share goes last. The sequence used last stays.
    func evict(downTo limit: Int) {
        while byteCount > limit {
            // Pages of a snapshot take no memory of ours; they go only where they stand before what does.
            guard
                let leaf = oldestLeaf(where: { $0.block.snapshot == nil })
                    ?? oldestLeaf(where: { $0.hasPrivateAncestor })
            else { break }
            remove(leaf)
        }
        while nodeCount > Self.maximumNodeCount, let leaf = oldestLeaf(where: { _ in true }) { remove(leaf) }
    }

    /// Among the leaves that were not in the last use.
    private func oldestLeaf(where isWanted: (Node) -> Bool) -> Node? {
        var oldest: Node?
        forEachNode { node in
            guard node.children.isEmpty, node.lastUse < clock, isWanted(node) else { return }
            if oldest.map({ node.lastUse < $0.lastUse }) ?? true { oldest = node }
        }
        return oldest
    }

    /// Drops what belongs to none of these sequences and was not used since the last call: whoever used it may not
    /// have said yet what is to stay. Blocks of a snapshot stay, context first of all, which snapshots of documents
    /// continue, and take no memory until they are read again; they go where the sequences are all that is wanted of
    /// their document.
    ///
    /// - Parameter isReleasable: whether the sequences are all that is wanted of a snapshot's document.
    func retain(_ sequences: [[TokenID]], releasing isReleasable: (SnapshotOrigin) -> Bool) {
        let wanted = nodes(of: sequences)
        var nodes: [Node] = []
        forEachNode { nodes.append($0) }
        // Children before their parents.
        for node in nodes.reversed()
        where node.lastUse <= clockAtLastRetain && !wanted.contains(ObjectIdentifier(node)) {
            let origin = node.block.snapshot?.origin
            if node.children.isEmpty, origin.map({ !$0.documentPath.isEmpty && isReleasable($0) }) ?? true {
                remove(node)
            }
            guard origin != nil, node.lastUseBeforeGivingBack != node.lastUse else { continue }
            node.lastUseBeforeGivingBack = node.lastUse
            node.block.giveBackPages()
        }
        clockAtLastRetain = clock
    }

    /// The nodes that sequences go through.
    private func nodes(of sequences: [[TokenID]]) -> Set<ObjectIdentifier> {
        var found: Set<ObjectIdentifier> = []
        for sequence in sequences {
            let match = match(sequence[...])
            found.formUnion(match.path.map(ObjectIdentifier.init))
            // A few tokens in a block of another sequence are computed again in a moment.
            let isWorthIt = match.tailCount >= KVCache.leastStoredTokenCount || match.count == sequence.count
            if let tail = match.tail, isWorthIt { found.insert(ObjectIdentifier(tail)) }
        }
        return found
    }

    /// Drops every sequence through the blocks of a snapshot.
    func drop(_ file: SnapshotFile) {
        var found: [Node] = []
        forEachNode { node in
            if node.block.snapshot === file { found.append(node) }
        }
        // The deepest first: a node's descendants go with it.
        for node in found.reversed() { removeSubtree(node) }
    }

    private func drop(_ damaged: Node) {
        guard let file = damaged.block.snapshot else { return }
        drop(file)
        onDamage(file)
    }

    private func removeSubtree(_ node: Node) {
        while let child = node.children.last { removeSubtree(child) }
        remove(node)
    }

    private func remove(_ leaf: Node) {
        precondition(leaf.children.isEmpty)
        if let parent = leaf.parent {
            parent.children.removeAll { $0 === leaf }
        } else {
            roots.removeAll { $0 === leaf }
        }
        byteCount -= leaf.block.privateByteCount
        nodeCount -= 1
    }

    /// Parents come before their children.
    private func forEachNode(_ body: (Node) -> Void) {
        var waiting = roots
        while let node = waiting.popLast() {
            body(node)
            waiting += node.children
        }
    }

    // MARK: Checking

    /// The tokens of every stored sequence, for tests.
    var sequences: [[TokenID]] {
        var found: [[TokenID]] = []
        var waiting = roots.map { ($0, $0.tokens) }
        while let (node, tokens) = waiting.popLast() {
            if node.children.isEmpty { found.append(tokens) }
            waiting += node.children.map { ($0, tokens + $0.tokens) }
        }
        return found
    }

    /// What must hold between calls. No block of `others`, which are written to, may be stored.
    func checkInvariants(notStored others: [KVBlock] = []) {
        var bytes = 0
        var count = 0
        let written = Set(others.map(ObjectIdentifier.init))
        forEachNode { node in
            bytes += node.block.privateByteCount
            count += 1
            precondition((1...KVCache.blockPositions).contains(node.tokens.count))
            precondition(node.children.isEmpty || node.tokens.count == KVCache.blockPositions)
            precondition(node.lastUse <= clock && node.lastUse <= node.parent?.lastUse ?? clock)
            precondition(!written.contains(ObjectIdentifier(node.block)), "a stored block could be written")
            let siblings = node.parent?.children ?? roots
            precondition(siblings.contains { $0 === node })
            for other in siblings where other !== node {
                precondition(Self.commonCount(other.tokens, node.tokens[...]) < node.tokens.count)
            }
        }
        precondition(bytes == byteCount && count == nodeCount)
    }
}
