// Every tensor format against llama.cpp's own Python package, bit for bit: what its dequantisation makes of random
// blocks. make_dequantization_golden.py writes the file.

import CSpecKernels
import Foundation
import TestSupport
import Testing

@testable import SpecEngine

@Suite("Dequantisation")
struct DequantizationTests {
    private struct Golden: Decodable {
        struct Case: Decodable {
            let rows: String
            let values: String
        }

        let rows: Int
        let inputs: Int
        let cases: [String: Case]
    }

    private static func bytes(_ hexadecimal: String) throws -> [UInt8] {
        let digits = Array(hexadecimal.utf8)
        return try stride(from: 0, to: digits.count, by: 2).map {
            try #require(UInt8(String(decoding: digits[$0..<$0 + 2], as: UTF8.self), radix: 16))
        }
    }

    @Test("Rows of every format give the reference's bits", arguments: TensorType.allCases)
    func equalsReference(type: TensorType) throws {
        let path = FixturePaths.engineGoldenDirectory + "/dequantization.json"
        let golden = try JSONDecoder().decode(Golden.self, from: Data(try FixturePaths.bytes(path)))
        let example = try #require(golden.cases[type.name])
        let data = try Self.bytes(example.rows)
        let expected = try Self.bytes(example.values)
        let rowBytes = data.count / golden.rows
        #expect(rowBytes == golden.inputs / type.blockElementCount * type.blockByteCount)
        for row in 0..<golden.rows {
            let stored = Array(data[row * rowBytes..<(row + 1) * rowBytes])
            var values = [Float](repeating: .nan, count: golden.inputs)
            spec_dequantize_row(type.kernelType, stored, &values, Int32(golden.inputs))
            let naive = (0..<golden.inputs).map { spec_naive_weight(type.kernelType, stored, Int32($0)) }
            let wanted = stride(from: row * golden.inputs * 4, to: (row + 1) * golden.inputs * 4, by: 4).map {
                Float(
                    bitPattern: expected[$0..<$0 + 4].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) })
            }
            let isSame = (values: values == wanted, naive: naive == wanted)
            #expect(isSame.values && isSame.naive, "row \(row): \(isSame)")
        }
    }
}
