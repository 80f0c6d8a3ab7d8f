// Float weights have two ways to be multiplied: our kernels and OpenBLAS. This times both at the shapes of the loaded
// model, for `foretoken bench`; quantised weights have only ours, so there is nothing to compare.

import COpenBLAS
import CSpecKernels

/// Seconds of one product of activations [rows, inputs] with float weights [outputs, inputs], by either way in turn.
package struct LinearComparison: Sendable {
    package let rows: Int
    package let inputs: Int
    package let outputs: Int
    package fileprivate(set) var ownSeconds: [Double] = []
    package fileprivate(set) var openBLASSeconds: [Double] = []

    /// Multiplications and additions of one product.
    package var operations: Double { 2 * Double(rows) * Double(inputs) * Double(outputs) }
}

extension InferenceEngine {
    /// Few rows, as in verifying drafts, and as many as a prompt's passes have.
    private static let comparedRowCounts = [16, EngineLimits.rowsPerPass]

    /// All shapes of float matrices that prefill multiplies, each with `repeats` times. Empty for quantised models.
    package func compareLinearLayers(repeats: Int) -> [LinearComparison] {
        guard let model = languageModel as? TransformerModel, let layer = model.weights.layers.first else {
            return []
        }
        openblas_set_num_threads(1)  // called from our own threads: its own would fight them
        var seen: Set<[Int]> = []
        let matrices = [layer.queryKeyValue, layer.attentionOutput, layer.gate, layer.up, layer.down]
            .filter { $0.isFloat && seen.insert([$0.inputCount, $0.outputCount]).inserted }
        return matrices.flatMap { matrix in
            Self.comparedRowCounts.map { rows in
                team.withLiveRequest(cancellation: nil) {
                    LinearTiming(matrix: matrix, rows: rows, team: team).compare(repeats: repeats)
                }
            }
        }
    }
}

/// The buffers of one comparison. What is in them does not matter, as long as it is neither zero nor denormal.
private struct LinearTiming {
    let matrix: PackedMatrix
    let rows: Int
    let team: ThreadTeam
    private let input: AlignedBuffer
    private let output: AlignedBuffer
    private let rowMajor: AlignedBuffer

    init(matrix: PackedMatrix, rows: Int, team: ThreadTeam) {
        self.matrix = matrix
        self.rows = rows
        self.team = team
        input = AlignedBuffer(byteCount: rows * matrix.inputCount * 4)
        output = AlignedBuffer(byteCount: rows * matrix.outputCount * 4)
        rowMajor = AlignedBuffer(byteCount: matrix.outputCount * matrix.inputCount * 4)
        for buffer in [input, rowMajor] {
            buffer.pointer(to: Float.self).update(repeating: 0.5, count: buffer.byteCount / 4)
        }
    }

    func compare(repeats: Int) -> LinearComparison {
        var result = LinearComparison(rows: rows, inputs: matrix.inputCount, outputs: matrix.outputCount)
        let clock = ContinuousClock()
        for round in 0...repeats {
            let own = clock.measure { multiplyByOwnKernels() }
            let openBLAS = clock.measure { multiplyByOpenBLAS() }
            guard round > 0 else { continue }  // the first warms up
            result.ownSeconds.append(own / .seconds(1))
            result.openBLASSeconds.append(openBLAS / .seconds(1))
        }
        return result
    }

    private func multiplyByOwnKernels() {
        _ = matrix.multiply(
            floats: input.pointer(to: Float.self), rows: rows, into: output.pointer(to: Float.self), on: team)
    }

    /// Each thread takes a range of columns, as prefill would.
    private func multiplyByOpenBLAS() {
        var job = ProductJob(
            x: input.pointer(to: Float.self), weights: rowMajor.pointer(to: Float.self),
            out: output.pointer(to: Float.self), rows: rows, inputs: matrix.inputCount,
            outputs: matrix.outputCount,
            columns: (matrix.outputCount + team.threadCount - 1) / team.threadCount)
        _ = spec_pool_run(
            team.pool,
            { context, index in context.assumingMemoryBound(to: ProductJob.self).pointee.run(part: Int(index))
            },
            &job, UInt32(team.threadCount))
    }

    private struct ProductJob {
        let x: UnsafePointer<Float>
        let weights: UnsafePointer<Float>
        let out: UnsafeMutablePointer<Float>
        let rows: Int
        let inputs: Int
        let outputs: Int
        let columns: Int  // of one part

        func run(part: Int) {
            let first = part * columns
            let count = min(columns, outputs - first)
            guard count > 0 else { return }
            cblas_sgemm(
                CblasRowMajor, CblasNoTrans, CblasTrans, blasint(rows), blasint(count), blasint(inputs), 1, x,
                blasint(inputs), weights + first * inputs, blasint(inputs), 0, out + first, blasint(outputs))
        }
    }
}
