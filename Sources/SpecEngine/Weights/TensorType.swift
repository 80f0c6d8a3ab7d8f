// The storage formats of tensor elements that Foretoken reads, with the sizes that the GGUF/ggml format gives
// them. Quantised formats store fixed-size blocks of elements; what is inside a block is the kernels'
// business.

/// How a tensor's elements are stored in a GGUF file. Raw values are ggml's type numbers.
package enum TensorType: UInt32, Sendable, CaseIterable {
    case f32 = 0
    case f16 = 1
    case q4_0 = 2
    case q8_0 = 8
    case q4_K = 12
    case q5_K = 13
    case q6_K = 14
    case bf16 = 30

    /// The format's usual name, such as `Q4_0`.
    package var name: String {
        switch self {
        case .f32: "F32"
        case .f16: "F16"
        case .bf16: "BF16"
        case .q8_0: "Q8_0"
        case .q4_0: "Q4_0"
        case .q4_K: "Q4_K"
        case .q5_K: "Q5_K"
        case .q6_K: "Q6_K"
        }
    }

    /// How many consecutive elements of a row form one block.
    package var blockElementCount: Int {
        switch self {
        case .f32, .f16, .bf16: 1
        case .q8_0, .q4_0: 32
        case .q4_K, .q5_K, .q6_K: 256
        }
    }

    /// The size of one block.
    package var blockByteCount: Int {
        switch self {
        case .f32: 4
        case .f16, .bf16: 2
        case .q8_0: 34  // f16 scale, 32 × i8
        case .q4_0: 18  // f16 scale, 32 × 4 bits
        case .q4_K: 144  // 2 × f16, 12 bytes of 6-bit scales, 256 × 4 bits
        case .q5_K: 176  // as Q4_K and 256 × 1 bit
        case .q6_K: 210  // 256 × 6 bits, 16 × i8 scales, f16
        }
    }

    /// The names of all formats that can be read, for error messages.
    package static var readableNames: String { allCases.map(\.name).joined(separator: ", ") }

    /// What ggml calls a type number that is not read here, so that an error can name it.
    package static func nameOfUnreadable(_ rawValue: UInt32) -> String {
        let names: [UInt32: String] = [
            3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 9: "Q8_1", 10: "Q2_K", 11: "Q3_K", 15: "Q8_K", 16: "IQ2_XXS",
            17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS",
            24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M", 34: "TQ1_0", 35: "TQ2_0",
            39: "MXFP4",
        ]
        return names[rawValue] ?? "number \(rawValue)"
    }
}
