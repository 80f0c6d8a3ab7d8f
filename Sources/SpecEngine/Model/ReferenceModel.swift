// The same decoder in f32 throughout, for checking the other one: dequantised weights, linear layers through
// OpenBLAS, f32 keys and values. Slow and large by design; `--reference` and the golden tests use it.

import COpenBLAS
import CSpecKernels
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// The float reference. Engine thread only.
final class ReferenceModel: LanguageModel {
    let configuration: ModelConfiguration
    let positionLimit: Int
    private(set) var tokens: [TokenID] = []
    let team: ThreadTeam
    let weights: ReferenceWeights
    private let rotary: RotaryTable
    private let scratch: Scratch
    private var keys: AlignedBuffer  // [layer, capacity, G·D]
    private var values: AlignedBuffer
    private var capacity = 0

    /// Rows of one sgemm call. Tiles are cut at multiples of this of the logical position and padded with zeros:
    /// a row has the same place in its tile whatever is computed beside it, so its bits depend on it alone.
    static let tileRows = 32
    /// Output columns of one sgemm call: the unit that threads share.
    static let tileColumns = 256

    /// How many times cblas_sgemm was called.
    private(set) var matrixProductCount = 0

    init(file: GGUFFile, configuration: ModelConfiguration, team: ThreadTeam, positionLimit: Int)
        throws(EngineError)
    {
        openblas_set_num_threads(1)  // called from our own threads: its own would fight them
        self.configuration = configuration
        self.team = team
        self.positionLimit = positionLimit
        weights = try ReferenceWeights(file: file, configuration: configuration)
        rotary = RotaryTable(configuration.rotary)
        scratch = Scratch(configuration)
        keys = AlignedBuffer(byteCount: 0)
        values = AlignedBuffer(byteCount: 0)
    }

    func truncate(to count: Int) { tokens.removeLast(tokens.count - count) }

    func resume(_ prompt: [TokenID]) -> Int {
        truncate(to: min(commonPrefixLength(tokens, prompt), prompt.count - 1))
        return tokens.count
    }

    func reserve(upTo count: Int) {
        precondition(count <= positionLimit)
        guard count > capacity else { return }
        let newCapacity = min(positionLimit, max(count, capacity * 2, 1024))
        let row = configuration.kvHeadCount * configuration.headDimension * 4
        for cache in [\ReferenceModel.keys, \ReferenceModel.values] {
            let grown = AlignedBuffer(byteCount: configuration.layerCount * newCapacity * row)
            for layer in 0..<configuration.layerCount {
                memcpy(
                    grown.base + layer * newCapacity * row,
                    self[keyPath: cache].base + layer * capacity * row,
                    tokens.count * row)
            }
            self[keyPath: cache] = grown
        }
        capacity = newCapacity
    }

    func logits(row: Int) -> UnsafeBufferPointer<Float> {
        let size = configuration.vocabularySize
        return UnsafeBufferPointer(start: scratch.logits.pointer(to: Float.self) + row * size, count: size)
    }

    func append(_ newTokens: ArraySlice<TokenID>, logitRowCount: Int) -> Bool {
        precondition(!newTokens.isEmpty && newTokens.count <= EngineLimits.rowsPerPass)
        reserve(upTo: tokens.count + newTokens.count)
        guard forward(newTokens, firstPosition: tokens.count, logitRowCount: logitRowCount) else {
            return false
        }
        tokens.append(contentsOf: newTokens)
        return true
    }

    /// Keys and values of one layer, [positions, G·D], valid until the next call.
    func rows(ofLayer layer: Int) -> (keys: UnsafePointer<Float>, values: UnsafePointer<Float>) {
        let offset = layer * capacity * configuration.kvHeadCount * configuration.headDimension
        return (
            UnsafePointer(keys.pointer(to: Float.self) + offset),
            UnsafePointer(values.pointer(to: Float.self) + offset)
        )
    }

    // MARK: The pass

    private func forward(_ newTokens: ArraySlice<TokenID>, firstPosition: Int, logitRowCount: Int) -> Bool {
        let c = configuration
        let rows = newTokens.count
        let x = scratch.residual.pointer(to: Float.self)
        for (row, token) in newTokens.enumerated() {
            (x + row * c.hiddenSize).update(from: weights.embedding(of: token), count: c.hiddenSize)
        }
        rotary.fill(
            cosines: scratch.cosines.pointer(to: Float.self), sines: scratch.sines.pointer(to: Float.self),
            firstPosition: firstPosition, rowCount: rows)
        for index in 0..<c.layerCount {
            guard runLayer(index, rows: rows, firstPosition: firstPosition) else { return false }
        }
        let normalized = scratch.normalized.pointer(to: Float.self)
        let first = rows - logitRowCount
        normalize(x + first * c.hiddenSize, weights.outputNorm, into: normalized, rows: logitRowCount)
        return logitRowCount == 0
            || multiply(
                normalized, weights.head, rows: logitRowCount, firstPosition: firstPosition + first,
                into: scratch.logits.pointer(to: Float.self))
    }

    private func runLayer(_ index: Int, rows: Int, firstPosition: Int) -> Bool {
        let c = configuration
        let layer = weights.layers[index]
        let (heads, kvSize) = (c.headCount * c.headDimension, c.kvHeadCount * c.headDimension)
        let x = scratch.residual.pointer(to: Float.self)
        let normalized = scratch.normalized.pointer(to: Float.self)
        let queries = scratch.queries.pointer(to: Float.self)
        let output = scratch.output.pointer(to: Float.self)
        let layerKeys = keys.pointer(to: Float.self) + index * capacity * kvSize
        let layerValues = values.pointer(to: Float.self) + index * capacity * kvSize
        let newKeys = layerKeys + firstPosition * kvSize

        normalize(x, layer.attentionNorm, into: normalized, rows: rows)
        guard multiply(normalized, layer.query, rows: rows, firstPosition: firstPosition, into: queries),
            multiply(normalized, layer.key, rows: rows, firstPosition: firstPosition, into: newKeys),
            multiply(
                normalized, layer.value, rows: rows, firstPosition: firstPosition,
                into: layerValues + firstPosition * kvSize)
        else { return false }
        rotate(queries, norm: layer.queryNorm, headCount: c.headCount, rows: rows)
        rotate(newKeys, norm: layer.keyNorm, headCount: c.kvHeadCount, rows: rows)
        let attended = scratch.attended.pointer(to: Float.self)
        guard
            spec_reference_attention(
                team.pool, queries, heads, layerKeys, layerValues, kvSize, attended, heads, Int32(rows),
                Int32(firstPosition), Int32(c.headCount), Int32(c.kvHeadCount), Int32(c.headDimension),
                Int32(c.window(ofLayer: index)),
                1 / Float(c.headDimension).squareRoot()),
            multiply(attended, layer.attentionOutput, rows: rows, firstPosition: firstPosition, into: output)
        else { return false }
        add(output, to: x, count: rows * c.hiddenSize)

        normalize(x, layer.feedForwardNorm, into: normalized, rows: rows)
        let (gate, up) = (scratch.gate.pointer(to: Float.self), scratch.up.pointer(to: Float.self))
        guard multiply(normalized, layer.gate, rows: rows, firstPosition: firstPosition, into: gate),
            multiply(normalized, layer.up, rows: rows, firstPosition: firstPosition, into: up)
        else { return false }
        spec_swiglu(team.instructionSet.raw, gate, up, gate, Int32(rows * c.feedForwardSize))
        guard multiply(gate, layer.down, rows: rows, firstPosition: firstPosition, into: output) else {
            return false
        }
        add(output, to: x, count: rows * c.hiddenSize)
        return true
    }

    // MARK: Steps

    private func normalize(
        _ x: UnsafePointer<Float>, _ weight: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>,
        rows: Int
    ) {
        let hidden = configuration.hiddenSize
        spec_rms_norm(
            team.instructionSet.raw, x, hidden, weight, configuration.rmsNormEpsilon, out, hidden,
            Int32(rows),
            Int32(hidden))
    }

    /// Head norm and rotation in place, rows [headCount·D].
    private func rotate(
        _ x: UnsafeMutablePointer<Float>, norm: UnsafePointer<Float>?, headCount: Int, rows: Int
    ) {
        let d = configuration.headDimension
        let pairCount = configuration.rotary.dimension / 2
        if let norm {
            spec_rms_norm(
                team.instructionSet.raw, x, d, norm, configuration.rmsNormEpsilon, x, d,
                Int32(rows * headCount), Int32(d))
        }
        for row in 0..<rows {
            let cosines = scratch.cosines.pointer(to: Float.self) + row * pairCount
            let sines = scratch.sines.pointer(to: Float.self) + row * pairCount
            for index in 0..<headCount {
                let head = x + (row * headCount + index) * d
                if configuration.rotary.pairing == .neighbours { splitNeighbours(head, pairCount: pairCount) }
                spec_rope(team.instructionSet.raw, head, cosines, sines, Int32(2 * pairCount))
            }
        }
    }

    /// First values of pairs in front, second ones behind, as the rotation and drafts expect them. Queries and keys
    /// are rearranged alike, which their products do not notice.
    private func splitNeighbours(_ head: UnsafeMutablePointer<Float>, pairCount: Int) {
        let pairs = Array(UnsafeBufferPointer(start: head, count: 2 * pairCount))
        for index in 0..<pairCount {
            head[index] = pairs[2 * index]
            head[pairCount + index] = pairs[2 * index + 1]
        }
    }

    private func add(_ addend: UnsafePointer<Float>, to x: UnsafeMutablePointer<Float>, count: Int) {
        for index in 0..<count { x[index] += addend[index] }
    }

    /// out [M, N] = x [M, K] · Wᵀ + bias for rows at consecutive positions, in tiles of `tileRows` positions and
    /// `tileColumns` columns, one single-threaded sgemm each, shared between our threads.
    private func multiply(
        _ x: UnsafePointer<Float>, _ matrix: ReferenceWeights.Matrix, rows: Int, firstPosition: Int,
        into out: UnsafeMutablePointer<Float>
    ) -> Bool {
        let offset = firstPosition % Self.tileRows
        let rowTiles = (offset + rows + Self.tileRows - 1) / Self.tileRows
        let columnTiles = (matrix.outputCount + Self.tileColumns - 1) / Self.tileColumns
        let padded = scratch.padded.pointer(to: Float.self)
        padded.update(repeating: 0, count: rowTiles * Self.tileRows * matrix.inputCount)
        (padded + offset * matrix.inputCount).update(from: x, count: rows * matrix.inputCount)
        var job = ProductJob(
            x: padded, weights: matrix.rows, out: out, rows: rows, offset: offset,
            outputs: matrix.outputCount,
            inputs: matrix.inputCount, columnTiles: columnTiles,
            tileOutput: scratch.tileOutput.pointer(to: Float.self))
        matrixProductCount += rowTiles * columnTiles
        let isDone = spec_pool_run(
            team.pool,
            { context, index in
                context.assumingMemoryBound(to: ProductJob.self).pointee.run(tile: Int(index))
            }, &job, UInt32(rowTiles * columnTiles))
        guard isDone, let bias = matrix.bias else { return isDone }
        for row in 0..<rows { add(bias, to: out + row * matrix.outputCount, count: matrix.outputCount) }
        return true
    }

    private struct ProductJob {
        let x: UnsafePointer<Float>
        let weights: UnsafePointer<Float>
        let out: UnsafeMutablePointer<Float>
        let rows: Int
        let offset: Int  // of the first row in the first tile
        let outputs: Int
        let inputs: Int
        let columnTiles: Int
        let tileOutput: UnsafeMutablePointer<Float>  // [tiles, tileRows, tileColumns]

        func run(tile: Int) {
            let row = tile / columnTiles * ReferenceModel.tileRows
            let column = tile % columnTiles * ReferenceModel.tileColumns
            let columns = min(ReferenceModel.tileColumns, outputs - column)
            let result = tileOutput + tile * ReferenceModel.tileRows * ReferenceModel.tileColumns
            cblas_sgemm(
                CblasRowMajor, CblasNoTrans, CblasTrans, blasint(ReferenceModel.tileRows), blasint(columns),
                blasint(inputs), 1, x + row * inputs, blasint(inputs), weights + column * inputs,
                blasint(inputs),
                0, result, blasint(ReferenceModel.tileColumns))
            for slot in max(row, offset)..<min(row + ReferenceModel.tileRows, offset + rows) {
                (out + (slot - offset) * outputs + column)
                    .update(from: result + (slot - row) * ReferenceModel.tileColumns, count: columns)
            }
        }
    }

    /// Activations for `EngineLimits.rowsPerPass` rows.
    private struct Scratch {
        let residual, normalized, queries, attended, output, gate, up, padded, tileOutput, cosines, sines,
            logits: AlignedBuffer

        init(_ c: ModelConfiguration) {
            // One tile more: the first row of a pass may lie anywhere in its tile.
            let rows = EngineLimits.rowsPerPass + ReferenceModel.tileRows
            let heads = c.headCount * c.headDimension
            func buffer(_ columns: Int) -> AlignedBuffer { AlignedBuffer(byteCount: rows * columns * 4) }
            residual = buffer(c.hiddenSize)
            normalized = buffer(c.hiddenSize)
            queries = buffer(heads)
            attended = buffer(heads)
            output = buffer(c.hiddenSize)
            gate = buffer(c.feedForwardSize)
            up = buffer(c.feedForwardSize)
            padded = buffer(max(c.hiddenSize, heads, c.feedForwardSize))
            let widest = max(heads, c.feedForwardSize, c.hiddenSize)
            let tiles = max(
                rows / ReferenceModel.tileRows * (widest / ReferenceModel.tileColumns + 1),
                (EngineLimits.logitRowsPerPass / ReferenceModel.tileRows + 1)
                    * (c.vocabularySize / ReferenceModel.tileColumns + 1))
            tileOutput = AlignedBuffer(
                byteCount: tiles * ReferenceModel.tileRows * ReferenceModel.tileColumns * 4)
            cosines = buffer(c.headDimension / 2)
            sines = buffer(c.headDimension / 2)
            logits = AlignedBuffer(byteCount: EngineLimits.logitRowsPerPass * c.vocabularySize * 4)
        }
    }
}
