// Linear layers against their naive twins: bit for bit, since the integer dot product of a block is exact and the
// order of the float operations is fixed.

import CSpecKernels
import TestSupport
import Testing

@testable import SpecEngine

@Suite("Linear kernels")
struct LinearTests {
    static let shapes = [(n: 16, k: 32), (n: 1, k: 64), (n: 17, k: 96), (n: 100, k: 640), (n: 640, k: 1792)]
    static let rowCounts = [1, 2, 3, 5, 8, 9, 16, 33]

    @Test("4-bit products equal the naive twin bit for bit on every instruction set, and write nothing else")
    func q4EqualsNaive() throws {
        var random = SeededRandom(seed: 1)
        for (n, k) in Self.shapes {
            let rows = random.q4Rows(n: n, k: k)
            let panels = AlignedBuffer(byteCount: (n + 15) / 16 * spec_q4_panel_bytes(Int32(k)))
            spec_q4_repack(rows, Int32(n), Int32(k), panels.pointer(to: UInt8.self), 0, Int32((n + 15) / 16))
            let most = Self.rowCounts.last!
            let x = random.floats(most * k, scale: 3)
            let rowBytes = spec_q8_row_bytes(Int32(k))
            let quantized = AlignedBuffer(byteCount: most * rowBytes)
            for row in 0..<most {
                spec_naive_quantize_row(
                    Array(x[row * k..<(row + 1) * k]), quantized.pointer(to: UInt8.self) + row * rowBytes,
                    Int32(k))
            }
            var expected = [Float](repeating: 0, count: most * n)
            spec_naive_linear_q4(
                rows, Int32(n), Int32(k), quantized.pointer(to: UInt8.self), Int32(most), &expected, n)
            for isa in availableInstructionSets {
                try withTeam(isa) { pool in
                    for m in Self.rowCounts {
                        let stride = n + 3
                        var y = [Float](repeating: .nan, count: m * stride)
                        var matrix = spec_q4_matrix(
                            panels: panels.pointer(to: UInt8.self), n: Int32(n), k: Int32(k))
                        #expect(
                            spec_linear_q4(
                                pool, &matrix, quantized.pointer(to: UInt8.self), Int32(m), &y, stride))
                        for row in 0..<m {
                            let isSame = y[row * stride..<row * stride + n].elementsEqual(
                                expected[row * n..<(row + 1) * n])
                            #expect(isSame, "\(isa) n \(n) k \(k) m \(m) row \(row)")
                            #expect(
                                y[row * stride + n..<(row + 1) * stride].allSatisfy { $0.isNaN },
                                "padding overwritten")
                        }
                    }
                }
            }
        }
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

    @Test("The gated unit equals two products, SwiGLU and quantisation")
    func gatedEqualsItsParts() throws {
        var random = SeededRandom(seed: 3)
        let (n, k, m) = (96, 64, 11)
        let matrices = (0..<2).map { _ in
            let rows = random.q4Rows(n: n, k: k)
            let panels = AlignedBuffer(byteCount: n / 16 * spec_q4_panel_bytes(Int32(k)))
            spec_q4_repack(rows, Int32(n), Int32(k), panels.pointer(to: UInt8.self), 0, Int32(n / 16))
            return panels
        }
        let x = random.floats(m * k, scale: 4)
        for isa in availableInstructionSets {
            try withTeam(isa) { pool in
                let quantized = AlignedBuffer(byteCount: m * spec_q8_row_bytes(Int32(k)))
                #expect(spec_quantize(pool, x, k, quantized.pointer(to: UInt8.self), Int32(m), Int32(k)))
                var views = matrices.map {
                    spec_q4_matrix(panels: $0.pointer(to: UInt8.self), n: Int32(n), k: Int32(k))
                }
                var gate = [Float](repeating: 0, count: m * n)
                var up = gate
                _ = spec_linear_q4(pool, &views[0], quantized.pointer(to: UInt8.self), Int32(m), &gate, n)
                _ = spec_linear_q4(pool, &views[1], quantized.pointer(to: UInt8.self), Int32(m), &up, n)
                spec_swiglu(isa.raw, gate, up, &gate, Int32(m * n))
                let rowBytes = spec_q8_row_bytes(Int32(n))
                var expected = [UInt8](repeating: 0, count: m * rowBytes)
                spec_quantize_rows(isa.raw, gate, n, &expected, Int32(m), Int32(n))
                var found = [UInt8](repeating: 0, count: m * rowBytes)
                var (gateView, upView) = (views[0], views[1])
                #expect(
                    spec_gated_linear_q4(
                        pool, &gateView, &upView, quantized.pointer(to: UInt8.self), Int32(m), &found))
                let isSame = found == expected
                #expect(isSame, "\(isa)")
            }
        }
    }

    @Test("F32 products equal the naive twin bit for bit")
    func f32EqualsNaive() throws {
        var random = SeededRandom(seed: 4)
        for (n, k) in [(n: 16, k: 1), (n: 5, k: 33), (n: 100, k: 640)] {
            let rows = random.floats(n * k)
            let panels = AlignedBuffer(byteCount: (n + 15) / 16 * 16 * k * 4)
            spec_f32_repack(rows, Int32(n), Int32(k), panels.pointer(to: Float.self))
            let m = 19
            let x = random.floats(m * k)
            var expected = [Float](repeating: 0, count: m * n)
            spec_naive_linear_f32(rows, Int32(n), Int32(k), x, k, Int32(m), &expected, n)
            for isa in availableInstructionSets {
                try withTeam(isa) { pool in
                    var matrix = spec_f32_matrix(
                        panels: panels.pointer(to: Float.self), n: Int32(n), k: Int32(k))
                    var y = [Float](repeating: .nan, count: m * n)
                    #expect(spec_linear_f32(pool, &matrix, x, k, Int32(m), &y, n))
                    let isSame = y == expected
                    #expect(isSame, "\(isa) n \(n) k \(k)")
                }
            }
        }
    }
}
