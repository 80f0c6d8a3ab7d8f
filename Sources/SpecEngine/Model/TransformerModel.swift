// The forward pass of a decoder of the Llama and Qwen families with quantised weights: pre-norm blocks with
// grouped-query attention (rotary positions; queries and keys RMS-normalised in Qwen3, biases in Qwen2) and SwiGLU.
// Reads top to bottom like the model: numbered steps in `runLayer`. Rows are tokens; M rows enter a pass and each is
// computed as if it were alone.

import CSpecKernels

/// The model that serves: int8 activations, keys and values. Engine thread only.
final class TransformerModel: LanguageModel {
    let configuration: ModelConfiguration
    let cache: KVCache
    let weights: TransformerWeights
    let team: ThreadTeam
    let scratch: TransformerScratch
    private let rotary: RotaryTable
    /// Keys and values of a tree's nodes; made at the first tree.
    private(set) lazy var staging = KVStaging(
        layerCount: configuration.layerCount, kvHeadCount: configuration.kvHeadCount,
        headDimension: configuration.headDimension, rowCount: TokenTree.capacity)
    private var treeRows = TreeRows()
    /// Whether `attentionTime` is kept: for profiles, since the clock costs as much as a small kernel.
    var timesAttention = false
    private(set) var attentionTime = Duration.zero

    init(weights: TransformerWeights, team: ThreadTeam, positionLimit: Int, path: String) throws(EngineError)
    {
        self.weights = weights
        self.team = team
        configuration = weights.configuration
        cache = KVCache(configuration: configuration, capacity: positionLimit)
        scratch = try TransformerScratch(
            configuration: configuration, positionLimit: positionLimit, path: path)
        rotary = RotaryTable(configuration.rotary)
    }

    var weightByteCount: Int { weights.byteCount }
    var positionLimit: Int { cache.capacity }
    var tokens: [TokenID] { cache.tokens }
    func truncate(to count: Int) { cache.truncate(to: count) }
    func resume(_ prompt: [TokenID]) -> Int { cache.resume(prompt) }
    func reserve(upTo count: Int) { cache.reserve(upTo: count) }

    func append(_ tokens: ArraySlice<TokenID>, logitRowCount: Int) -> Bool {
        precondition(!tokens.isEmpty && tokens.count <= EngineLimits.rowsPerPass)
        precondition(logitRowCount <= min(tokens.count, EngineLimits.logitRowsPerPass))
        let round = KVRound(on: cache, rowCount: tokens.count)
        guard
            forward(tokens, layout: .sequence(firstPosition: round.base), logitRowCount: logitRowCount)
        else { return false }
        round.commit(tokens)
        return true
    }

    /// Computes the logits of every node of a tree whose root continues the committed sequence, each with the bits of
    /// plain decoding along its path. The round must have room for the tree's depth + 1 rows, or for all of a chain.
    /// False when cancelled. Nothing is committed.
    func compute(_ tree: TokenTree, in round: borrowing KVRound) -> Bool {
        if tree.isChain {
            return forward(
                tree.tokens[...], layout: .sequence(firstPosition: round.base), logitRowCount: tree.count)
        }
        treeRows.assign(tree)
        return forward(tree.tokens[...], layout: .tree(base: round.base), logitRowCount: tree.count)
    }

    /// Keeps an accepted path of the tree that `compute` was called with.
    func commit(path: [Int], of tree: TokenTree, in round: consuming KVRound) {
        if tree.isChain {
            round.commit(first: path.count, of: tree.tokens)
        } else {
            round.commit(path: path, of: tree, from: staging)
        }
    }

    func logits(row: Int) -> UnsafeBufferPointer<Float> {
        let size = configuration.vocabularySize
        return UnsafeBufferPointer(start: scratch.logits + row * size, count: size)
    }

    /// Seconds of a pass of `rowCount` rows with logits behind `depth` positions, for calibration: the work does not
    /// depend on what those positions hold. Leaves nothing committed; `depth` may not lie inside the sequence.
    func measurePass(rowCount: Int, depth: Int) -> Double {
        precondition(depth >= self.tokens.count && depth + rowCount <= positionLimit)
        reserve(upTo: depth + rowCount)
        let tokens = (0..<rowCount).map { TokenID(Int32($0 * 37 % configuration.vocabularySize)) }
        var isDone = false
        let time = ContinuousClock().measure {
            isDone = forward(tokens[...], layout: .sequence(firstPosition: depth), logitRowCount: rowCount)
        }
        return isDone ? time / .seconds(1) : .infinity  // cancelled: no measurement
    }

    // MARK: The pass

    /// Where the rows of a pass stand and what they see.
    private enum RowLayout {
        /// Consecutive positions; keys and values go into the cache.
        case sequence(firstPosition: Int)
        /// Nodes of `treeRows` behind `base` committed positions; keys and values go into `staging`.
        case tree(base: Int)
    }

    private func forward(_ tokens: ArraySlice<TokenID>, layout: RowLayout, logitRowCount: Int) -> Bool {
        let rows = tokens.count
        let hidden = configuration.hiddenSize
        for (row, token) in tokens.enumerated() {
            weights.embed(token, into: scratch.residual + row * hidden)
        }
        switch layout {
        case .sequence(let firstPosition):
            rotary.fill(
                cosines: scratch.cosines, sines: scratch.sines, firstPosition: firstPosition, rowCount: rows)
        case .tree(let base):
            for row in 0..<rows {
                rotary.fill(
                    cosines: scratch.cosines, sines: scratch.sines, row: row,
                    position: base + Int(treeRows.lengths[row]) - 1)
            }
        }
        let lastLayer = configuration.layerCount - 1
        for index in 0..<lastLayer {
            guard runLayer(index, rows: rows, outputRows: rows, layout: layout) else { return false }
        }
        // Of the last layer's rows all keep their keys and values, but only those with logits go on.
        guard runLayer(lastLayer, rows: rows, outputRows: logitRowCount, layout: layout) else {
            return false
        }
        return logitRowCount == 0 || runHead(rows: rows, logitRowCount: logitRowCount)
    }

    /// One block over M rows. `outputRows` of them, the last ones, get past attention.
    private func runLayer(_ index: Int, rows: Int, outputRows: Int, layout: RowLayout) -> Bool {
        let layer = weights.layers[index]
        let c = configuration
        // 1. Add the previous block's feed-forward output, normalise.
        let previous = index == 0 ? nil : scratch.feedForwardOutput
        guard
            normalize(
                layer.attentionNorm, adding: previous, firstRow: 0, rows: rows, for: layer.queryKeyValue),
            // 2. Project to queries, keys and values; bias, norm and rotation of heads; keys and values to the cache.
            linear(layer.queryKeyValue, rows: rows, into: scratch.queryKeyValue),
            finishProjections(layer, index: index, rows: rows, layout: layout)
        else { return false }
        if outputRows == 0 { return true }
        // 3. Attention over the cache, projected back.
        let first = rows - outputRows
        guard attend(layerIndex: index, firstRow: first, rows: outputRows, layout: layout),
            prepare(
                scratch.attended, stride: c.headCount * c.headDimension, rows: outputRows,
                for: layer.attentionOutput),
            linear(
                layer.attentionOutput, bias: layer.attentionOutputBias, rows: outputRows,
                into: scratch.attentionOutput),
            // 4. Add it, normalise, and the gated feed-forward network.
            normalize(
                layer.feedForwardNorm, adding: scratch.attentionOutput, firstRow: first, rows: outputRows,
                for: layer.gate)
        else { return false }
        return feedForward(layer, rows: outputRows)
    }

    private func runHead(rows: Int, logitRowCount: Int) -> Bool {
        normalize(
            weights.outputNorm, adding: scratch.feedForwardOutput, firstRow: rows - logitRowCount,
            rows: logitRowCount, for: weights.head)
            && linear(weights.head, rows: logitRowCount, into: scratch.logits)
    }

    // MARK: Steps

    /// residual += addend, then the normalised rows into the input of `matrix` (int8 or f32, as it reads).
    private func normalize(
        _ weight: UnsafePointer<Float>, adding addend: UnsafeMutablePointer<Float>?, firstRow: Int, rows: Int,
        for matrix: PackedMatrix
    ) -> Bool {
        let hidden = configuration.hiddenSize
        let residual = scratch.residual + firstRow * hidden
        guard matrix.isFloat else {
            return spec_add_norm_quantize(
                team.pool, residual, addend, weight, configuration.rmsNormEpsilon, scratch.quantized,
                Int32(rows),
                Int32(hidden))
        }
        if let addend {
            for index in 0..<rows * hidden { residual[index] += addend[index] }
        }
        spec_rms_norm(
            team.instructionSet.raw, residual, hidden, weight, configuration.rmsNormEpsilon, scratch.floats,
            hidden, Int32(rows), Int32(hidden))
        return true
    }

    /// Rows that are not normalised on their way into `matrix`.
    private func prepare(
        _ x: UnsafeMutablePointer<Float>, stride: Int, rows: Int, for matrix: PackedMatrix
    ) -> Bool {
        guard matrix.isFloat else {
            return spec_quantize(
                team.pool, x, stride, scratch.quantized, Int32(rows), Int32(matrix.inputCount))
        }
        for row in 0..<rows {
            (scratch.floats + row * matrix.inputCount).update(
                from: x + row * stride, count: matrix.inputCount)
        }
        return true
    }

    /// out [M, N] = prepared rows · matrixᵀ + bias.
    private func linear(
        _ matrix: PackedMatrix, bias: UnsafePointer<Float>?, rows: Int, into out: UnsafeMutablePointer<Float>
    ) -> Bool {
        guard linear(matrix, rows: rows, into: out) else { return false }
        add(bias, count: matrix.outputCount, rows: rows, to: out)
        return true
    }

    /// Adds a bias to each row of out [M, count].
    private func add(_ bias: UnsafePointer<Float>?, count: Int, rows: Int, to out: UnsafeMutablePointer<Float>) {
        guard let bias else { return }
        for row in 0..<rows {
            let values = out + row * count
            for index in 0..<count { values[index] += bias[index] }
        }
    }

    /// out [M, N] = prepared rows · matrixᵀ.
    private func linear(_ matrix: PackedMatrix, rows: Int, into out: UnsafeMutablePointer<Float>) -> Bool {
        matrix.multiply(quantized: scratch.quantized, floats: scratch.floats, rows: rows, into: out, on: team)
    }

    private func finishProjections(
        _ layer: TransformerWeights.Layer, index: Int, rows: Int, layout: RowLayout
    ) -> Bool {
        let c = configuration
        let staged: UnsafeMutablePointer<UInt8>?
        let firstPosition: Int
        switch layout {
        case .sequence(let position): (staged, firstPosition) = (nil, position)
        case .tree(let base): (staged, firstPosition) = (staging.rows(layer: index), base)
        }
        var step = spec_qkv(
            qkv: scratch.queryKeyValue, stride: layer.queryKeyValue.outputCount,
            bias: layer.queryKeyValueBias, query_norm: layer.queryNorm,
            key_norm: layer.keyNorm, epsilon: c.rmsNormEpsilon, cosines: scratch.cosines,
            sines: scratch.sines,
            blocks: cache.blockTable, layer_offset: index * cache.layerByteCount, m: Int32(rows),
            first_position: Int32(firstPosition), head_count: Int32(c.headCount),
            kv_head_count: Int32(c.kvHeadCount), head_dimension: Int32(c.headDimension),
            rotated_dimension: Int32(c.rotary.dimension),
            pairs_are_neighbours: c.rotary.pairing == .neighbours, staged: staged)
        return spec_qkv_finish(team.pool, &step)
    }

    private func attend(layerIndex: Int, firstRow: Int, rows: Int, layout: RowLayout) -> Bool {
        guard timesAttention else {
            return runAttention(layerIndex: layerIndex, firstRow: firstRow, rows: rows, layout: layout)
        }
        let start = ContinuousClock.now
        defer { attentionTime += ContinuousClock.now - start }
        return runAttention(layerIndex: layerIndex, firstRow: firstRow, rows: rows, layout: layout)
    }

    private func runAttention(layerIndex: Int, firstRow: Int, rows: Int, layout: RowLayout) -> Bool {
        let c = configuration
        let firstPosition: Int
        switch layout {
        case .sequence(let position): firstPosition = position
        case .tree(let base): return attendTree(layerIndex: layerIndex, rows: rows, base: base)
        }
        let stride = (c.headCount + 2 * c.kvHeadCount) * c.headDimension
        var step = spec_attention(
            queries: scratch.queryKeyValue + firstRow * stride, query_stride: stride, out: scratch.attended,
            out_stride: c.headCount * c.headDimension, blocks: cache.blockTable,
            layer_offset: layerIndex * cache.layerByteCount, m: Int32(rows),
            first_position: Int32(firstPosition + firstRow), head_count: Int32(c.headCount),
            kv_head_count: Int32(c.kvHeadCount), head_dimension: Int32(c.headDimension),
            window: Int32(c.window(ofLayer: layerIndex)),
            scale: 1 / Float(c.headDimension).squareRoot(), partials: scratch.attentionPartials)
        return spec_attention_run(team.pool, &step)
    }

    /// All rows of a tree: every node has logits, so none is left out.
    private func attendTree(layerIndex: Int, rows: Int, base: Int) -> Bool {
        let c = configuration
        return treeRows.withPointers { paths, lengths in
            var step = spec_tree_attention(
                queries: scratch.queryKeyValue,
                query_stride: (c.headCount + 2 * c.kvHeadCount) * c.headDimension,
                out: scratch.attended, out_stride: c.headCount * c.headDimension, blocks: cache.blockTable,
                layer_offset: layerIndex * cache.layerByteCount, committed: Int32(base),
                staged: staging.rows(layer: layerIndex), paths: paths, lengths: lengths, m: Int32(rows),
                head_count: Int32(c.headCount), kv_head_count: Int32(c.kvHeadCount),
                head_dimension: Int32(c.headDimension), window: Int32(c.window(ofLayer: layerIndex)),
                scale: 1 / Float(c.headDimension).squareRoot(),
                partials: scratch.attentionPartials)
            return spec_tree_attention_run(team.pool, &step)
        }
    }

    private func feedForward(_ layer: TransformerWeights.Layer, rows: Int) -> Bool {
        if layer.gate.isFloat || layer.down.isFloat || layer.gateBias != nil || layer.upBias != nil {
            let size = configuration.feedForwardSize
            guard linear(layer.gate, bias: layer.gateBias, rows: rows, into: scratch.gateFloats),
                linear(layer.up, bias: layer.upBias, rows: rows, into: scratch.upFloats)
            else { return false }
            spec_swiglu(
                team.instructionSet.raw, scratch.gateFloats, scratch.upFloats, scratch.gateFloats,
                Int32(rows * size))
            guard
                layer.down.isFloat
                    || spec_quantize(
                        team.pool, scratch.gateFloats, size, scratch.gated, Int32(rows), Int32(size))
            else { return false }
        } else {
            guard
                layer.gate.gate(
                    layer.up, quantized: scratch.quantized, rows: rows, into: scratch.gated, on: team)
            else { return false }
        }
        guard
            layer.down.multiply(
                quantized: scratch.gated, floats: scratch.gateFloats, rows: rows,
                into: scratch.feedForwardOutput, on: team)
        else { return false }
        add(layer.downBias, count: layer.down.outputCount, rows: rows, to: scratch.feedForwardOutput)
        return true
    }
}
