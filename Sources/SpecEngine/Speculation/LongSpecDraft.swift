// The LongSpec draft (arXiv 2502.17421, section 3.1): one decoder layer over the target's embeddings. Sliding-window
// self-attention with keys and values of its own, then cross-attention straight on the keys and values that the
// target's chosen layer holds for the committed positions, then a gated unit; the LM head is the target's. It proposes
// a tree level by level. Its arithmetic decides how fast decoding is, never what is decoded.

import CSpecKernels

#if canImport(Glibc)
    import Glibc
#endif

/// The draft layer of one target. Engine thread only; runs between the target's passes and borrows its attention
/// scratch. Which nodes it looks at is not its business (`Speculator`).
final class LongSpecDraft {
    /// Nodes of one level that are evaluated together.
    static let levelLimit = 16
    /// Children considered per node.
    static let childLimit = 8

    let ring: DraftRing
    private let target: TransformerModel
    private let weights: DraftWeights
    private let configuration: DraftConfiguration
    private let head: DraftHead
    private let rotary: RotaryTable
    private let scratch: DraftScratch
    private let staging: KVStaging
    private var treeRows = TreeRows()
    private var stagedRows = [UInt8](repeating: 0, count: TokenTree.capacity)  // of nodes
    private var stagedCount = 0
    /// By row of the last level: the estimate of the likeliest child that no other source had proposed, whether it was
    /// added or not.
    private(set) var bestOwnEstimates = [Float](repeating: 0, count: LongSpecDraft.levelLimit)

    init(
        file: GGUFFile, target: TransformerModel, targetPath: String,
        checksum: FileChecksum.Source = FileChecksum.sha256,
        headTokenCount: Int = SpeculationOptions.standardDraftHeadTokenCount
    ) throws(EngineError) {
        let c = target.configuration
        configuration = try DraftConfiguration(file, target: c, targetPath: targetPath, checksum: checksum)
        weights = try DraftWeights(file, configuration: configuration, target: c)
        self.target = target
        head = DraftHead(weights: target.weights, tokenCount: headTokenCount)
        ring = DraftRing(
            window: configuration.window, kvHeadCount: c.kvHeadCount, headDimension: c.headDimension)
        rotary = RotaryTable(c.rotary.withFrequencyBase(configuration.ropeFrequencyBase))
        scratch = DraftScratch(
            target: c, feedForwardSize: configuration.feedForwardSize, headTokenCount: head.capacity)
        staging = KVStaging(
            layerCount: 1, kvHeadCount: c.kvHeadCount, headDimension: c.headDimension,
            rowCount: TokenTree.capacity)
    }

    /// Bytes that depend on the window and the vocabulary, not on the context.
    var stateByteCount: Int { ring.byteCount + staging.byteCount + scratch.byteCount + head.byteCount }
    var weightByteCount: Int { weights.byteCount }

    // MARK: Proposing

    /// Nodes that may still be looked at below this root.
    var roomForNodes: Int { TokenTree.capacity - stagedCount }

    /// What was computed of each node moves with it when a tree of `count` nodes keeps the set `kept` alone.
    func keep(_ kept: UInt64, of count: Int) {
        var new = 0
        for node in 0..<count where kept & (1 << UInt64(node)) != 0 {
            stagedRows[new] = stagedRows[node]
            new += 1
        }
    }

    /// Logits of one evaluated row, by the outputs of the head: the first tokens of the vocabulary, then the text's.
    func logits(row: Int) -> UnsafeBufferPointer<Float> {
        let count = head.matrix.outputCount
        return UnsafeBufferPointer(start: scratch.logits + row * count, count: count)
    }

    /// The logit of one token in an evaluated row, nil where the head leaves it out; for tests.
    func logit(of token: TokenID, row: Int) -> Float? { head.output(of: token).map { logits(row: row)[$0] } }

    /// Lets the head have the tokens of the text that is continued. Not while a tree is grown.
    func follow(text: [TokenID]) { head.follow(text) }

    /// Begins a tree below `root`, which continues the target's committed tokens. False when cancelled.
    func begin(root: TokenID) -> Bool {
        stagedCount = 0
        return synchronize(root: root)
    }

    /// Looks at some nodes of `tree` in one level: weighs the children that other sources proposed and adds its own,
    /// down to `leastReach`, but none that would end the text: the target draws the end without a row for it. The nodes
    /// are in the tree's order, at most `levelLimit`, each once, and every ancestor was looked at before or is among
    /// them. False when cancelled; the tree is valid all the same.
    func expand(
        _ nodes: [Int], of tree: inout TokenTree, acceptance: AcceptanceRecord, leastReach: Float,
        endTokens: Set<TokenID> = []
    ) -> Bool {
        guard evaluate(nodes, of: tree) else { return false }
        for (row, node) in nodes.enumerated() {
            addChildren(
                row: row, node: node, to: &tree, acceptance: acceptance, leastReach: leastReach,
                endTokens: endTokens)
        }
        return true
    }

    private func addChildren(
        row: Int, node: Int, to tree: inout TokenTree, acceptance: AcceptanceRecord, leastReach: Float,
        endTokens: Set<TokenID>
    ) {
        let logits = logits(row: row)
        bestOwnEstimates[row] = 0
        withBest(logits) { best, total in
            for child in node + 1..<max(node + 1, tree.count) where tree.parents[child] == node {
                let output = head.output(of: tree.tokens[child])
                let probability = output.map { expf(logits[$0] - total) } ?? 0
                let evidence = Evidence(kind: .weighed, draftProbability: probability)
                tree.estimate(child, acceptance: acceptance.estimate(evidence), evidence: evidence)
            }
            for index in best {
                let token = head.token(ofOutput: Int(index))
                if tree.child(of: node, carrying: token) != nil || endTokens.contains(token) { continue }
                let evidence = Evidence(kind: .longSpec, draftProbability: expf(logits[Int(index)] - total))
                let estimate = acceptance.estimate(evidence)
                bestOwnEstimates[row] = max(bestOwnEstimates[row], estimate)
                guard tree.reachProbabilities[node] * estimate >= leastReach,
                    tree.add(token, under: node, source: .longSpec, acceptance: estimate, evidence: evidence)
                        != nil
                else { break }
            }
        }
    }

    /// The best children's outputs, likeliest first, and the logarithm of the sum of exponentials.
    private func withBest(
        _ logits: UnsafeBufferPointer<Float>,
        _ body: (UnsafeMutableBufferPointer<Int32>.SubSequence, Float) -> Void
    ) {
        let isa = target.team.instructionSet.raw
        let count = Int32(logits.count)
        withUnsafeTemporaryAllocation(of: Int32.self, capacity: Self.childLimit) { best in
            let found = Int(
                spec_top_k(isa, logits.baseAddress!, count, Int32(Self.childLimit), best.baseAddress!))
            guard found > 0 else { return }
            body(
                best[..<found], spec_log_sum_exp(isa, logits.baseAddress!, count, logits[Int(best[0])]))
        }
    }

    // MARK: The ring

    /// Positions that `synchronize` would project.
    func missingCount(root: TokenID) -> Int {
        firstMissing(root: root).map { target.tokens.count + 1 - $0 } ?? 0
    }

    private func firstMissing(root: TokenID?) -> Int? {
        let tokens = target.tokens
        let end = tokens.count + (root == nil ? 0 : 1)
        guard end > 0 else { return nil }
        return ring.firstMissing(in: ring.windowStart(of: end - 1)..<end) {
            $0 < tokens.count ? tokens[$0] : root!
        }
    }

    /// Makes the ring hold the window that ends in `root`, the token after the committed ones, or in the last of these.
    /// After an edit or a rollback that is one or a few passes over embeddings; after a round a handful of rows.
    func synchronize(root: TokenID? = nil) -> Bool {
        let tokens = target.tokens
        let end = tokens.count - (root == nil ? 1 : 0)
        func token(_ position: Int) -> TokenID { position < tokens.count ? tokens[position] : root! }
        guard var position = firstMissing(root: root) else { return true }
        while position <= end {
            let rows = min(EngineLimits.rowsPerPass, end + 1 - position)
            for row in 0..<rows { ring.label(position + row, nil) }
            for row in 0..<rows {
                target.weights.embed(token(position + row), into: scratch.residual + row * hidden)
            }
            rotary.fill(
                cosines: scratch.cosines, sines: scratch.sines, firstPosition: position, rowCount: rows)
            let (blocks, start) = ring.blocks(forWindowOf: end)
            guard normalize(weights.selfNorm, adding: nil, rows: rows, for: weights.selfKeyValue),
                project(weights.selfKeyValue, bias: weights.selfKeyValueBias, rows: rows),
                finish(
                    scratch.projected, queryNorm: nil, keyNorm: weights.selfKeyNorm, headCount: 0,
                    kvHeadCount: target.configuration.kvHeadCount, rows: rows, blocks: blocks,
                    firstPosition: position - start, staged: nil)
            else { return false }
            for row in 0..<rows { ring.label(position + row, token(position + row)) }
            position += rows
        }
        return true
    }

    // MARK: One level

    /// Logits of the children of `nodes`, into `scratch.logits` row by row. The root's keys and values are in the ring,
    /// all others' wait in `staging`.
    private func evaluate(_ nodes: [Int], of tree: TokenTree, behind depth: Int? = nil) -> Bool {
        let rows = nodes.count
        precondition(rows > 0 && rows <= Self.levelLimit)
        let committed = depth ?? target.tokens.count
        let c = target.configuration
        for (row, node) in nodes.enumerated() {
            target.weights.embed(tree.tokens[node], into: scratch.residual + row * hidden)
            rotary.fill(
                cosines: scratch.cosines, sines: scratch.sines, row: row,
                position: committed + tree.depths[node])
            stagedRows[node] = UInt8(stagedCount + row)
            treeRows.assignRow(row, node: node, of: tree, firstDepth: 1, stagedRows: stagedRows)
        }
        let (blocks, start) = ring.blocks(forWindowOf: committed)
        // 1. Self-attention over the window and the node's ancestors.
        guard normalize(weights.selfNorm, adding: nil, rows: rows, for: weights.selfKeyValue) else {
            return false
        }
        if nodes != [0] {
            guard project(weights.selfKeyValue, bias: weights.selfKeyValueBias, rows: rows),
                finish(
                    scratch.projected, queryNorm: nil, keyNorm: weights.selfKeyNorm, headCount: 0,
                    kvHeadCount: c.kvHeadCount, rows: rows, blocks: blocks, firstPosition: 0,
                    staged: staging.rows(layer: 0, from: stagedCount))
            else { return false }
            stagedCount += rows
        }
        guard project(weights.selfQuery, bias: weights.selfQueryBias, rows: rows),
            finishQueries(weights.selfQueryNorm, rows: rows, blocks: blocks),
            attend(
                blocks: blocks, layerOffset: 0, committed: committed + 1 - start, rows: rows, seesTree: true,
                window: ring.window),
            prepare(scratch.attended, stride: queryWidth, rows: rows, for: weights.selfOutput),
            linear(weights.selfOutput, rows: rows, into: scratch.blockOutput),
            // 2. Cross-attention to a layer of the target.
            normalize(weights.crossNorm, adding: scratch.blockOutput, rows: rows, for: weights.crossQuery),
            project(weights.crossQuery, bias: weights.crossQueryBias, rows: rows),
            finishQueries(weights.crossQueryNorm, rows: rows, blocks: blocks),
            attend(
                blocks: target.cache.blockTable,
                layerOffset: configuration.targetLayer * target.cache.layerByteCount, committed: committed,
                rows: rows,
                seesTree: false, window: 0),
            prepare(scratch.attended, stride: queryWidth, rows: rows, for: weights.crossOutput),
            linear(weights.crossOutput, rows: rows, into: scratch.blockOutput),
            // 3. The gated unit, the output norm, the target's head.
            normalize(weights.feedForwardNorm, adding: scratch.blockOutput, rows: rows, for: weights.gate),
            feedForward(rows: rows),
            normalize(weights.outputNorm, adding: scratch.blockOutput, rows: rows, for: head.matrix)
        else { return false }
        return linear(head.matrix, rows: rows, into: scratch.logits)
    }

    // MARK: Steps

    private var hidden: Int { target.configuration.hiddenSize }
    private var queryWidth: Int { target.configuration.headCount * target.configuration.headDimension }

    /// residual += addend, then the rows, normalised where there is a norm, into the input of `matrix`.
    private func normalize(
        _ weight: UnsafePointer<Float>?, adding addend: UnsafeMutablePointer<Float>?, rows: Int,
        for matrix: PackedMatrix
    ) -> Bool {
        if let weight, !matrix.isFloat {
            return spec_add_norm_quantize(
                target.team.pool, scratch.residual, addend, weight, configuration.rmsNormEpsilon,
                scratch.quantized, Int32(rows), Int32(hidden))
        }
        if let addend {
            for index in 0..<rows * hidden { scratch.residual[index] += addend[index] }
        }
        guard let weight else { return prepare(scratch.residual, stride: hidden, rows: rows, for: matrix) }
        spec_rms_norm(
            target.team.instructionSet.raw, scratch.residual, hidden, weight, configuration.rmsNormEpsilon,
            scratch.floats, hidden, Int32(rows), Int32(hidden))
        return true
    }

    private func prepare(
        _ x: UnsafeMutablePointer<Float>, stride: Int, rows: Int, for matrix: PackedMatrix
    ) -> Bool {
        guard matrix.isFloat else {
            return spec_quantize(
                target.team.pool, x, stride, scratch.quantized, Int32(rows), Int32(matrix.inputCount))
        }
        for row in 0..<rows {
            (scratch.floats + row * matrix.inputCount).update(
                from: x + row * stride, count: matrix.inputCount)
        }
        return true
    }

    private func linear(_ matrix: PackedMatrix, rows: Int, into out: UnsafeMutablePointer<Float>) -> Bool {
        matrix.multiply(
            quantized: scratch.quantized, floats: scratch.floats, rows: rows, into: out, on: target.team)
    }

    private func project(_ matrix: PackedMatrix, bias: UnsafePointer<Float>?, rows: Int) -> Bool {
        guard linear(matrix, rows: rows, into: scratch.projected) else { return false }
        if let bias {
            for row in 0..<rows {
                let out = scratch.projected + row * matrix.outputCount
                for index in 0..<matrix.outputCount { out[index] += bias[index] }
            }
        }
        return true
    }

    private func finishQueries(
        _ norm: UnsafePointer<Float>?, rows: Int, blocks: UnsafeMutablePointer<UnsafeMutablePointer<UInt8>>
    ) -> Bool {
        finish(
            scratch.projected, queryNorm: norm, keyNorm: nil, headCount: target.configuration.headCount,
            kvHeadCount: 0, rows: rows, blocks: blocks, firstPosition: 0, staged: nil)
    }

    private func finish(
        _ x: UnsafeMutablePointer<Float>, queryNorm: UnsafePointer<Float>?, keyNorm: UnsafePointer<Float>?,
        headCount: Int, kvHeadCount: Int, rows: Int,
        blocks: UnsafeMutablePointer<UnsafeMutablePointer<UInt8>>,
        firstPosition: Int, staged: UnsafeMutablePointer<UInt8>?
    ) -> Bool {
        let d = target.configuration.headDimension
        var step = spec_qkv(
            qkv: x, stride: (headCount + 2 * kvHeadCount) * d, bias: nil, query_norm: queryNorm,
            key_norm: keyNorm,
            epsilon: configuration.rmsNormEpsilon, cosines: scratch.cosines, sines: scratch.sines,
            blocks: blocks,
            layer_offset: 0, m: Int32(rows), first_position: Int32(firstPosition),
            head_count: Int32(headCount),
            kv_head_count: Int32(kvHeadCount), head_dimension: Int32(d),
            rotated_dimension: Int32(target.configuration.rotary.dimension), pairs_are_neighbours: false,
            staged: staged)
        return spec_qkv_finish(target.team.pool, &step)
    }

    private func attend(
        blocks: UnsafeMutablePointer<UnsafeMutablePointer<UInt8>>, layerOffset: Int, committed: Int,
        rows: Int,
        seesTree: Bool, window: Int
    ) -> Bool {
        let c = target.configuration
        return treeRows.withPointers { paths, lengths in
            var step = spec_tree_attention(
                queries: scratch.projected, query_stride: queryWidth, out: scratch.attended,
                out_stride: queryWidth,
                blocks: blocks, layer_offset: layerOffset, committed: Int32(committed),
                staged: seesTree ? staging.rows(layer: 0) : nil, paths: seesTree ? paths : nil,
                lengths: seesTree ? lengths : nil, m: Int32(rows), head_count: Int32(c.headCount),
                kv_head_count: Int32(c.kvHeadCount), head_dimension: Int32(c.headDimension),
                window: Int32(window),
                scale: 1 / Float(c.headDimension).squareRoot(), partials: target.scratch.attentionPartials)
            return spec_tree_attention_run(target.team.pool, &step)
        }
    }

    private func feedForward(rows: Int) -> Bool {
        let team = target.team
        let size = weights.down.inputCount
        if weights.gate.isFloat || weights.down.isFloat {
            guard linear(weights.gate, rows: rows, into: scratch.gateFloats),
                linear(weights.up, rows: rows, into: scratch.upFloats)
            else { return false }
            spec_swiglu(
                team.instructionSet.raw, scratch.gateFloats, scratch.upFloats, scratch.gateFloats,
                Int32(rows * size))
            guard
                weights.down.isFloat
                    || spec_quantize(
                        team.pool, scratch.gateFloats, size, scratch.gated, Int32(rows), Int32(size))
            else { return false }
        } else {
            guard
                weights.gate.gate(
                    weights.up, quantized: scratch.quantized, rows: rows, into: scratch.gated, on: team)
            else { return false }
        }
        return weights.down.multiply(
            quantized: scratch.gated, floats: scratch.gateFloats, rows: rows, into: scratch.blockOutput,
            on: team)
    }
}

extension LongSpecDraft {
    /// Seconds of one level of some nodes behind `depth` positions, for calibration. What is in the cache is arbitrary.
    func measureLevel(rowCount: Int, depth: Int) -> Double {
        target.reserve(upTo: max(1, depth))
        var tree = TokenTree(root: TokenID(0))
        for node in 1..<max(1, rowCount) { _ = tree.add(TokenID(Int32(node)), under: 0, source: .given) }
        stagedCount = 0
        var isDone = false
        let time = ContinuousClock().measure {
            guard evaluate(Array(0..<rowCount), of: tree, behind: max(1, depth)) else { return }
            for row in 0..<rowCount { withBest(logits(row: row)) { _, _ in } }
            isDone = true
        }
        return isDone ? time / .seconds(1) : .infinity  // cancelled: no measurement
    }

    /// Evaluates one path below the tree's root, level by level, and leaves the last node's logits in row 0: what tests
    /// compare with the float reference.
    func evaluatePath(_ path: [TokenID], of tree: inout TokenTree) -> Bool {
        guard begin(root: tree.tokens[0]) else { return false }
        var node = 0
        for depth in 0...path.count {
            guard evaluate([node], of: tree) else { return false }
            if depth < path.count, let next = tree.add(path[depth], under: node, source: .given) {
                node = next
            }
        }
        return true
    }
}
