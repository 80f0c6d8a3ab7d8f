// Attention over the block cache against a double-precision twin, and its independence of how rows are grouped.

import CSpecKernels
import TestSupport
import Testing

@testable import SpecEngine

/// A cache of one layer filled with random keys and values, and queries for its last positions.
private struct AttentionCase {
    let headCount: Int
    let kvHeadCount: Int
    let dimension: Int
    let window: Int
    let positions: Int
    let queryRows: Int
    private let blocks: [AlignedBuffer]
    private let table: UnsafeMutablePointer<UnsafeMutablePointer<UInt8>>
    let queries: [Float]

    init(
        headCount: Int, kvHeadCount: Int, dimension: Int, window: Int, positions: Int, queryRows: Int,
        seed: UInt64
    ) {
        (self.headCount, self.kvHeadCount, self.dimension) = (headCount, kvHeadCount, dimension)
        (self.window, self.positions, self.queryRows) = (window, positions, queryRows)
        var random = SeededRandom(seed: seed)
        let chunk = spec_kv_chunk_bytes(Int32(dimension))
        blocks = (0..<(positions + 127) / 128).map { _ in AlignedBuffer(byteCount: chunk * kvHeadCount) }
        table = .allocate(capacity: blocks.count)
        for (index, block) in blocks.enumerated() { table[index] = block.pointer(to: UInt8.self) }
        for position in 0..<positions {
            for head in 0..<kvHeadCount {
                spec_kv_store(
                    spec_isa_best(), table[position / 128] + head * chunk, Int32(position % 128),
                    random.floats(dimension, scale: 2),
                    random.floats(dimension), Int32(dimension))
            }
        }
        queries = random.floats(queryRows * headCount * dimension, scale: 2)
    }

    func free() { table.deallocate() }

    /// Rows [first, first + count) of the queries, by the kernel or by the twin.
    func run(pool: OpaquePointer?, first: Int = 0, count: Int? = nil) -> [Float] {
        let rows = count ?? queryRows
        let width = headCount * dimension
        var out = [Float](repeating: .nan, count: rows * width)
        var partials = [Float](
            repeating: 0,
            count: spec_attention_scratch_floats(
                Int32(rows), Int32(positions), Int32(headCount), Int32(dimension)))
        queries.withUnsafeBufferPointer { queries in
            out.withUnsafeMutableBufferPointer { out in
                partials.withUnsafeMutableBufferPointer { partials in
                    var step = spec_attention(
                        queries: queries.baseAddress! + first * width, query_stride: width,
                        out: out.baseAddress!,
                        out_stride: width, blocks: table, layer_offset: 0, m: Int32(rows),
                        first_position: Int32(positions - queryRows + first), head_count: Int32(headCount),
                        kv_head_count: Int32(kvHeadCount), head_dimension: Int32(dimension),
                        window: Int32(window),
                        scale: 1 / Float(dimension).squareRoot(), partials: partials.baseAddress!)
                    if let pool {
                        #expect(spec_attention_run(pool, &step))
                    } else {
                        spec_naive_attention(&step)
                    }
                }
            }
        }
        return out
    }
}

@Suite("Attention kernels")
struct AttentionTests {
    @Test("Within the rounding of bytes of double precision, the same bits on every instruction set, for many shapes")
    func closeToNaive() throws {
        var seed: UInt64 = 20
        for (heads, kvHeads, dimension) in [(10, 2, 64), (2, 2, 16), (7, 1, 32), (4, 4, 128), (12, 2, 128)] {
            for (positions, rows, window) in [
                (1, 1, 0), (40, 40, 0), (129, 3, 0), (300, 33, 0), (700, 20, 130),
            ] {
                seed += 1
                let attention = AttentionCase(
                    headCount: heads, kvHeadCount: kvHeads, dimension: dimension, window: window,
                    positions: positions,
                    queryRows: rows, seed: seed)
                defer { attention.free() }
                let expected = attention.run(pool: nil)
                var first: [Float]?
                for isa in availableInstructionSets {
                    try withTeam(isa) { pool in
                        let found = attention.run(pool: pool)
                        let worst = zip(found, expected).map { abs($0 - $1) }.max()!
                        let shape = "\(isa) heads \(heads)/\(kvHeads) D \(dimension) \(positions) \(window)"
                        // Queries and weights are rounded to bytes (2^-8 of the greatest); values are below 1.
                        #expect(worst < 2e-2, "\(shape)")
                        #expect(found == first ?? found, "\(shape)")
                        first = found
                    }
                }
            }
        }
    }

    @Test("A row's bits do not depend on the rows beside it nor on the thread count")
    func rowsAreIndependent() throws {
        for window in [0, 200] {
            let attention = AttentionCase(
                headCount: 10, kvHeadCount: 2, dimension: 64, window: window, positions: 900, queryRows: 150,
                seed: 77)
            defer { attention.free() }
            for isa in availableInstructionSets {
                let whole = try withTeam(isa, threadCount: 1) { attention.run(pool: $0) }
                for (threads, count) in [
                    (2, 150), (1, 1), (2, 1), (2, 2), (2, 3), (2, 5), (2, 8), (2, 16), (2, 33),
                ] {
                    var parts: [Float] = []
                    try withTeam(isa, threadCount: threads) { pool in
                        var first = 0
                        while first < 150 {
                            parts += attention.run(pool: pool, first: first, count: min(count, 150 - first))
                            first += count
                        }
                    }
                    let isSame = parts == whole
                    #expect(isSame, "\(isa) \(threads) threads, \(count) rows at a time")
                }
            }
        }
    }
}
