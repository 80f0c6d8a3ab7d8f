// The draft layer in f32 throughout, for checking the other one: dequantised weights, f32 keys and values, no ring. It
// computes rows of a given sequence, each seeing the target's keys up to a distance `shift` before it: shift d is what
// a node at depth d − 1 below the last emitted token sees.

import CSpecKernels

/// The float reference of one draft. Engine thread only; slow and allocating by design.
final class ReferenceDraft {
    private let target: ReferenceModel
    private let configuration: DraftConfiguration
    private let weights: DraftWeights
    private let head: PackedMatrix
    private let rotary: RotaryTable

    init(file: GGUFFile, target: ReferenceModel, targetPath: String) throws(EngineError) {
        let c = target.configuration
        configuration = try DraftConfiguration(file, target: c, targetPath: targetPath)
        weights = try DraftWeights(file, configuration: configuration, target: c, dequantizing: true)
        self.target = target
        let rows = target.weights.head
        head = PackedMatrix(rows: rows.rows, outputCount: rows.outputCount, inputCount: rows.inputCount)
        rotary = RotaryTable(c.rotary.withFrequencyBase(configuration.ropeFrequencyBase))
    }

    /// Logits [rows, vocabulary] of the positions in `range` of the target's own tokens.
    func logits(at range: Range<Int>, shift: Int) -> [[Float]] {
        precondition(shift >= 1 && range.lowerBound >= shift && range.upperBound <= target.tokens.count)
        let c = target.configuration
        let kvSize = c.kvHeadCount * c.headDimension
        let scale = 1 / Float(c.headDimension).squareRoot()
        // The window of the first row, all rows' own keys and values.
        let first = max(0, range.lowerBound + 1 - configuration.window)
        let all = (first..<range.upperBound).flatMap { position in
            Array(
                UnsafeBufferPointer(
                    start: target.weights.embedding(of: target.tokens[position]), count: c.hiddenSize))
        }
        let normalized = norm(all, weights.selfNorm, width: c.hiddenSize)
        let keyValue = linear(normalized, weights.selfKeyValue, bias: weights.selfKeyValueBias)
        var keys = columns(keyValue, width: 2 * kvSize, 0..<kvSize)
        let values = columns(keyValue, width: 2 * kvSize, kvSize..<2 * kvSize)
        rotate(&keys, weights.selfKeyNorm, firstPosition: first, headCount: c.kvHeadCount)

        let skipped = (range.lowerBound - first) * c.hiddenSize
        var x = Array(all[skipped...])
        var queries = linear(Array(normalized[skipped...]), weights.selfQuery, bias: weights.selfQueryBias)
        rotate(&queries, weights.selfQueryNorm, firstPosition: range.lowerBound, headCount: c.headCount)
        let own = attend(
            queries, keys: keys, values: values, firstPosition: range.lowerBound - first,
            window: configuration.window, scale: scale)
        add(linear(own, weights.selfOutput), to: &x)

        queries = linear(
            norm(x, weights.crossNorm, width: c.hiddenSize), weights.crossQuery, bias: weights.crossQueryBias)
        rotate(&queries, weights.crossQueryNorm, firstPosition: range.lowerBound, headCount: c.headCount)
        let targetRows = target.rows(ofLayer: configuration.targetLayer)
        let crossed = attend(
            queries, keys: targetRows.keys, values: targetRows.values,
            firstPosition: range.lowerBound - shift,
            window: 0, scale: scale)
        add(linear(crossed, weights.crossOutput), to: &x)

        let y = norm(x, weights.feedForwardNorm, width: c.hiddenSize)
        var gate = linear(y, weights.gate)
        let up = linear(y, weights.up)
        for index in gate.indices { gate[index] = gate[index] / (1 + expValue(-gate[index])) * up[index] }
        add(linear(gate, weights.down), to: &x)
        let out = linear(weights.outputNorm.map { norm(x, $0, width: c.hiddenSize) } ?? x, head)
        return stride(from: 0, to: out.count, by: c.vocabularySize).map {
            Array(out[$0..<$0 + c.vocabularySize])
        }
    }

    // MARK: Steps

    private func norm(_ x: [Float], _ weight: UnsafePointer<Float>, width: Int) -> [Float] {
        var out = x
        spec_rms_norm(
            target.team.instructionSet.raw, x, width, weight, configuration.rmsNormEpsilon, &out, width,
            Int32(x.count / width), Int32(width))
        return out
    }

    private func linear(
        _ x: [Float], _ matrix: PackedMatrix, bias: UnsafePointer<Float>? = nil
    ) -> [Float] {
        let rows = x.count / matrix.inputCount
        var out = [Float](repeating: 0, count: rows * matrix.outputCount)
        let isDone = matrix.multiply(floats: x, rows: rows, into: &out, on: target.team)
        precondition(isDone, "the reference runs without a cancellation flag")
        if let bias {
            for index in out.indices { out[index] += bias[index % matrix.outputCount] }
        }
        return out
    }

    private func columns(_ x: [Float], width: Int, _ range: Range<Int>) -> [Float] {
        stride(from: 0, to: x.count, by: width).flatMap { x[$0 + range.lowerBound..<$0 + range.upperBound] }
    }

    private func rotate(
        _ x: inout [Float], _ weight: UnsafePointer<Float>?, firstPosition: Int, headCount: Int
    ) {
        let d = target.configuration.headDimension
        if let weight { x = norm(x, weight, width: d) }
        let rows = x.count / (headCount * d)
        let pairCount = target.configuration.rotary.dimension / 2
        var cosines = [Float](repeating: 0, count: rows * pairCount)
        var sines = cosines
        rotary.fill(cosines: &cosines, sines: &sines, firstPosition: firstPosition, rowCount: rows)
        for row in 0..<rows {
            for headIndex in 0..<headCount {
                x.withUnsafeMutableBufferPointer { x in
                    cosines.withUnsafeBufferPointer { cosines in
                        sines.withUnsafeBufferPointer { sines in
                            spec_rope(
                                target.team.instructionSet.raw,
                                x.baseAddress! + (row * headCount + headIndex) * d,
                                cosines.baseAddress! + row * pairCount, sines.baseAddress! + row * pairCount,
                                Int32(2 * pairCount))
                        }
                    }
                }
            }
        }
    }

    private func attend(
        _ queries: [Float], keys: UnsafePointer<Float>, values: UnsafePointer<Float>, firstPosition: Int,
        window: Int,
        scale: Float
    ) -> [Float] {
        let c = target.configuration
        let width = c.headCount * c.headDimension
        let rows = queries.count / width
        var out = [Float](repeating: 0, count: queries.count)
        let isDone = spec_reference_attention(
            target.team.pool, queries, width, keys, values, c.kvHeadCount * c.headDimension, &out, width,
            Int32(rows), Int32(firstPosition), Int32(c.headCount), Int32(c.kvHeadCount),
            Int32(c.headDimension),
            Int32(window), scale)
        precondition(isDone, "the reference runs without a cancellation flag")
        return out
    }

    private func add(_ addend: [Float], to x: inout [Float]) {
        for index in x.indices { x[index] += addend[index] }
    }

    private func expValue(_ x: Float) -> Float {
        var (x, out) = (x, Float(0))
        spec_exp(target.team.instructionSet.raw, &x, &out, 1)
        return out
    }
}
