// Cosines and sines of rotary position embeddings for the rows of one pass, one per pair of values.
// Computed per pass rather than stored per position: a row costs a microsecond, a table for a long context
// megabytes. Frequencies and angles are rounded to f32 as PyTorch implementations round them.

#if canImport(Glibc)
    import Glibc
#endif

/// The rotation of one model.
struct RotaryTable {
    /// In radians per position, one for each pair of values that turns.
    private let frequencies: [Float]

    init(_ rotary: RotaryConfiguration) {
        frequencies = rotary.frequencyDivisors.enumerated().map { index, divisor in
            1 / powf(rotary.frequencyBase, Float(2 * index) / Float(rotary.dimension)) / divisor
        }
    }

    /// Fills cosines and sines [rows, pairs] for consecutive positions.
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
        let count = frequencies.count
        for index in 0..<count {
            let angle = Double(Float(position) * frequencies[index])
            cosines[row * count + index] = Float(cos(angle))
            sines[row * count + index] = Float(sin(angle))
        }
    }
}
