// Linear layers against their naive twins: bit for bit, since the integer dot product of a block is exact and the
// order of the float operations is fixed.

import CSpecKernels
import TestSupport
import Testing

@testable import SpecEngine

@Suite("Linear kernels")
struct LinearTests {
    static let rowCounts = [1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 33]

    /// Odd numbers of outputs, and every number of blocks that a format's granularity allows.
    private static func shapes(_ type: TensorType) -> [(n: Int, k: Int)] {
        switch type.blockElementCount {
        case 1: [(16, 1), (5, 33), (100, 640)]
        case 32: [(16, 32), (1, 64), (17, 96), (100, 640)]
        default: [(16, 256), (1, 512), (35, 768)]
        }
    }

    @Test(
        "Products equal the naive twin bit for bit on every instruction set, and write nothing else",
        arguments: TensorType.allCases)
    func equalsNaive(type: TensorType) throws {
        var random = SeededRandom(seed: 1)
        for (n, k) in Self.shapes(type) {
            let rows = random.ggufRows(type, n: n, k: k)
            let matrix = try Self.packed([(type, n, rows)], k: k)
            let input = LinearInput(rowCount: Self.rowCounts.last!, k: k, &random)
            let expected = input.naiveProduct(type, rows, n: n)
            for isa in availableInstructionSets {
                for m in Self.rowCounts {
                    let y = try input.product(matrix, m: m, isa)
                    let isSame = y.elementsEqual(expected[..<(m * n)])
                    #expect(isSame, "\(isa) n \(n) k \(k) m \(m)")
                }
            }
        }
    }

    @Test(
        "Matrices of several formats stacked give each one's own bits; float and quantised ones become float")
    func stacked() throws {
        var random = SeededRandom(seed: 5)
        let k = 512
        for types: [TensorType] in [[.q4_K, .q6_K, .q8_0], [.bf16, .f32, .f16], [.q4_0, .f16, .q5_K]] {
            let counts = [32, 16, 19]
            let parts = zip(types, counts).map { ($0, $1, random.ggufRows($0, n: $1, k: k)) }
            let stacked = try Self.packed(parts, k: k)
            #expect(stacked.isFloat == types.contains { $0.isFloat })
            let input = LinearInput(rowCount: 9, k: k, &random)
            let n = counts.reduce(0, +)
            let y = try input.product(stacked, m: 9, .best)
            var first = 0
            for (type, count, rows) in parts {
                let expected =
                    stacked.isFloat && !type.isFloat
                    ? try input.product(Self.packed([(type, count, rows)], k: k, asFloat: true), m: 9, .best)
                    : input.naiveProduct(type, rows, n: count)
                for row in 0..<9 {
                    let isSame = y[(row * n + first)...].prefix(count)
                        .elementsEqual(expected[(row * count)...].prefix(count))
                    #expect(isSame, "\(type) in \(types), row \(row)")
                }
                first += count
            }
        }
    }

    /// A matrix by way of a GGUF file, as models are loaded.
    private static func packed(
        _ parts: [(type: TensorType, n: Int, rows: [UInt8])], k: Int, asFloat: Bool = false
    ) throws -> PackedMatrix {
        var builder = GGUFBuilder()
        for (index, part) in parts.enumerated() {
            builder.addTensor(
                "\(index)", type: part.type.rawValue, dimensions: [UInt64(k), UInt64(part.n)], data: part.rows
            )
        }
        let temporary = try TemporaryFile(builder.bytes)
        let file = try GGUFFile.open(temporary.path)
        let tensors = parts.indices.map { file.tensors["\($0)"]! }
        return PackedMatrix(stacking: tensors, of: file, asFloat: asFloat)
    }

    @Test("Rows quantise to the same bits on every instruction set")
    func quantizeEqualsNaive() {
        var random = SeededRandom(seed: 2)
        for k in [32, 640, 1792] {
            var x = random.floats(k, scale: 5)
            x.replaceSubrange(0..<32, with: [Float](repeating: 0, count: 32))  // a block of zeros has no scale
            let bytes = spec_q8_row_bytes(Int32(k))
            var expected = [UInt8](repeating: 0, count: bytes)
            spec_naive_quantize_row(x, &expected, Int32(k))
            for isa in availableInstructionSets {
                var found = [UInt8](repeating: 0, count: bytes)
                spec_quantize_rows(isa.raw, x, k, &found, 1, Int32(k))
                let isSame = found == expected
                #expect(isSame, "\(isa) k \(k)")
            }
        }
    }

    @Test(
        "The gated unit equals two products, SwiGLU and quantisation, also where its halves differ in format")
    func gatedEqualsItsParts() throws {
        var random = SeededRandom(seed: 3)
        let (n, k, m) = (96, 256, 11)
        for (gateType, upType) in [(TensorType.q4_0, TensorType.q4_0), (.q4_K, .q6_K)] {
            let gate = try Self.packed([(gateType, n, random.ggufRows(gateType, n: n, k: k))], k: k)
            let up = try Self.packed([(upType, n, random.ggufRows(upType, n: n, k: k))], k: k)
            let input = LinearInput(rowCount: m, k: k, &random)
            for isa in availableInstructionSets {
                var activations = try input.product(gate, m: m, isa)
                spec_swiglu(
                    isa.raw, activations, try input.product(up, m: m, isa), &activations, Int32(m * n))
                let rowBytes = spec_q8_row_bytes(Int32(n))
                var expected = [UInt8](repeating: 0, count: m * rowBytes)
                spec_quantize_rows(isa.raw, activations, n, &expected, Int32(m), Int32(n))
                var found = [UInt8](repeating: 0, count: m * rowBytes)
                let team = try ModelFixture.team(instructionSet: isa)
                let isDone = team.withLiveRequest(cancellation: nil) {
                    gate.gate(up, quantized: input.quantized, rows: m, into: &found, on: team)
                }
                let isSame = isDone && found == expected
                #expect(isSame, "\(isa) \(gateType) \(upType)")
            }
        }
    }
}

/// Random rows in both forms that matrices read.
private struct LinearInput {
    let k: Int
    let floats: [Float]
    private let memory: AlignedBuffer

    var quantized: UnsafePointer<UInt8> { UnsafePointer(memory.pointer(to: UInt8.self)) }

    init(rowCount: Int, k: Int, _ random: inout SeededRandom) {
        self.k = k
        floats = random.floats(rowCount * k, scale: 3)
        let rowBytes = spec_q8_row_bytes(Int32(k))
        memory = AlignedBuffer(byteCount: rowCount * rowBytes)
        guard k % 32 == 0 else { return }  // only float matrices have such rows
        for row in 0..<rowCount {
            spec_naive_quantize_row(
                Array(floats[row * k..<(row + 1) * k]), memory.pointer(to: UInt8.self) + row * rowBytes,
                Int32(k))
        }
    }

    private var rowCount: Int { floats.count / k }

    func naiveProduct(_ type: TensorType, _ rows: [UInt8], n: Int) -> [Float] {
        var y = [Float](repeating: 0, count: rowCount * n)
        if type.isFloat {
            spec_naive_linear_float(
                type.kernelType, rows, Int32(n), Int32(k), floats, k, Int32(rowCount), &y, n)
        } else {
            spec_naive_linear_int8(
                type.kernelType, rows, Int32(n), Int32(k), quantized, Int32(rowCount), &y, n)
        }
        return y
    }

    /// The first m rows' product [m, N]; what lies behind it must stay untouched.
    func product(_ matrix: PackedMatrix, m: Int, _ isa: InstructionSet) throws -> [Float] {
        let guardCount = 40
        var y = [Float](repeating: .nan, count: m * matrix.outputCount + guardCount)
        let team = try ModelFixture.team(instructionSet: isa)
        let isDone = team.withLiveRequest(cancellation: nil) {
            matrix.multiply(quantized: quantized, floats: floats, rows: m, into: &y, on: team)
        }
        #expect(isDone && y.suffix(guardCount).allSatisfy { $0.isNaN }, "written past the end")
        return y.dropLast(guardCount)
    }
}
