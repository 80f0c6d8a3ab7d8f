// Cosines and sines of rotary position embeddings, half-split (NeoX) convention, for the rows of one pass.
// Computed per pass rather than stored per position: a row costs a microsecond, a table for a long context
// megabytes. Frequencies and angles are rounded to f32 as PyTorch implementations round them.

#if canImport(Glibc)
    import Glibc
#endif

/// The rotation of one model.
struct RotaryTable {
    private let inverseFrequencies: [Float]  // [D/2]

    init(headDimension: Int, frequencyBase: Float) {
        inverseFrequencies = (0..<headDimension / 2).map { index in
            1 / powf(frequencyBase, Float(2 * index) / Float(headDimension))
        }
    }

    /// Fills cosines and sines [rows, D/2] for consecutive positions.
    func fill(
        cosines: UnsafeMutablePointer<Float>, sines: UnsafeMutablePointer<Float>, firstPosition: Int,
        rowCount: Int
    ) {
        for row in 0..<rowCount {
            fill(cosines: cosines, sines: sines, row: row, position: firstPosition + row)
        }
    }

    /// Fills one row.
    func fill(
        cosines: UnsafeMutablePointer<Float>, sines: UnsafeMutablePointer<Float>, row: Int, position: Int
    ) {
        let half = inverseFrequencies.count
        for index in 0..<half {
            let angle = Double(Float(position) * inverseFrequencies[index])
            cosines[row * half + index] = Float(cos(angle))
            sines[row * half + index] = Float(sin(angle))
        }
    }
}
