// Norms, rotation, SwiGLU, exponential, argmax and top-k against double-precision or obvious twins.

import CSpecKernels
import Foundation
import TestSupport
import Testing

@testable import SpecEngine

@Suite("Row operations")
struct RowOperationTests {
    @Test("RMS norm is within 1e-6 of double precision")
    func rmsNorm() {
        var random = SeededRandom(seed: 10)
        for k in [16, 17, 64, 640] {
            let x = random.floats(k, scale: 10)
            let weight = random.floats(k)
            var expected = [Float](repeating: 0, count: k)
            spec_naive_rms_norm(x, weight, 1e-6, &expected, Int32(k))
            for isa in availableInstructionSets {
                var found = [Float](repeating: .nan, count: k)
                spec_rms_norm(isa.raw, x, k, weight, 1e-6, &found, k, 1, Int32(k))
                for index in 0..<k {
                    #expect(abs(found[index] - expected[index]) <= 1e-6 * max(1, abs(expected[index])))
                }
            }
        }
    }

    @Test("Add, norm and quantise in one step equals the three steps")
    func addNormQuantize() throws {
        var random = SeededRandom(seed: 11)
        let (m, k) = (13, 640)
        let residual = random.floats(m * k)
        let addend = random.floats(m * k)
        let weight = random.floats(k)
        for isa in availableInstructionSets {
            try withTeam(isa) { pool in
                var sum = residual
                let rowBytes = spec_q8_row_bytes(Int32(k))
                var found = [UInt8](repeating: 0, count: m * rowBytes)
                #expect(spec_add_norm_quantize(pool, &sum, addend, weight, 1e-6, &found, Int32(m), Int32(k)))
                #expect(sum == zip(residual, addend).map { $0 + $1 })
                var normalized = [Float](repeating: 0, count: m * k)
                spec_rms_norm(isa.raw, sum, k, weight, 1e-6, &normalized, k, Int32(m), Int32(k))
                var expected = [UInt8](repeating: 0, count: m * rowBytes)
                spec_quantize_rows(isa.raw, normalized, k, &expected, Int32(m), Int32(k))
                #expect(found == expected)
            }
        }
    }

    @Test("Rotation turns the two halves of a head against each other")
    func rope() {
        var random = SeededRandom(seed: 12)
        for d in [16, 64, 128] {
            let angles = random.floats(d / 2, scale: 100)
            let (cosines, sines) = (angles.map { cos($0) }, angles.map { sin($0) })
            let x = random.floats(d)
            var expected = x
            spec_naive_rope(&expected, cosines, sines, Int32(d))
            for isa in availableInstructionSets {
                var found = x
                spec_rope(isa.raw, &found, cosines, sines, Int32(d))
                for index in 0..<d { #expect(abs(found[index] - expected[index]) < 1e-6) }
            }
        }
    }

    @Test("The exponential is within 3e-7 and exactly zero at minus infinity")
    func exponential() {
        let x = stride(from: Float(-87), through: 20, by: 0.013).map { $0 } + [-.infinity, -200, 0]
        for isa in availableInstructionSets {
            var found = [Float](repeating: .nan, count: x.count)
            spec_exp(isa.raw, x, &found, Int32(x.count))
            for (value, result) in zip(x, found) {
                let expected = exp(Double(value))
                if value < -87.3 {
                    #expect(result == 0)
                } else {
                    #expect(abs(Double(result) - expected) <= 3e-7 * expected, "\(isa) e^\(value)")
                }
            }
        }
    }

    @Test("SwiGLU is within 1e-6 of double precision, also at extreme gates")
    func swiglu() {
        var random = SeededRandom(seed: 13)
        let gate = random.floats(50, scale: 20) + [-1000, 1000, 0]
        let up = random.floats(53, scale: 3)
        var expected = [Float](repeating: 0, count: 53)
        spec_naive_swiglu(gate, up, &expected, 53)
        for isa in availableInstructionSets {
            var found = [Float](repeating: .nan, count: 53)
            spec_swiglu(isa.raw, gate, up, &found, 53)
            for index in 0..<53 {
                #expect(
                    abs(found[index] - expected[index]) <= 2e-6 * max(1, abs(expected[index])),
                    "\(isa) \(gate[index])")
            }
        }
    }

    @Test("Argmax takes the first of equals and never a NaN; top-k is sorted")
    func argmaxAndTopK() {
        var random = SeededRandom(seed: 14)
        for n in [1, 2, 15, 16, 17, 31, 1000] {
            for _ in 0..<20 {
                var x = (0..<n).map { _ in Float(random.below(10)) }
                if n > 3 { x[random.below(n)] = .nan }
                let expected = spec_naive_argmax(x, Int32(n))
                for isa in availableInstructionSets { #expect(spec_argmax(isa.raw, x, Int32(n)) == expected) }
                var indices = [Int32](repeating: -1, count: 8)
                let count = Int(spec_top_k(InstructionSet.best.raw, x, Int32(n), 8, &indices))
                let sorted = x.indices.filter { !x[$0].isNaN }.sorted {
                    x[$0] > x[$1] || x[$0] == x[$1] && $0 < $1
                }
                #expect(indices.prefix(count).map { Int($0) } == Array(sorted.prefix(8)))
            }
        }
        #expect(spec_argmax(InstructionSet.best.raw, [.nan, .nan], 2) == 0)
    }
}
