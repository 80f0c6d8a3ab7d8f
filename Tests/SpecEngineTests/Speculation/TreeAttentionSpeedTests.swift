// How much the split into a shared prefix and private ends saves, printed for the record. Speed is the machine's
// business, so only an order that holds on any machine is asserted.

import CSpecKernels
import TestSupport
import Testing

@testable import SpecEngine

@Suite("Speed of tree attention", .serialized)
struct TreeAttentionSpeedTests {
    @Test("One pass over the prefix for all nodes beats a pass for each")
    func sharedPrefix() throws {
        let (committed, nodes) = (14_000, 16)
        let model = try ModelFixture.quantized(positionLimit: 14_336)
        let c = model.configuration
        model.reserve(upTo: committed + nodes)
        let width = c.headCount * c.headDimension
        var random = SeededRandom(seed: 41)
        let memory = AlignedBuffer(byteCount: 2 * nodes * width * 4)
        let queries = memory.pointer(to: Float.self)
        let out = queries + nodes * width
        for index in 0..<nodes * width { queries[index] = Float.random(in: -1...1, using: &random) }
        var tree = TokenTree(root: TokenID(0))
        for node in 1..<nodes { _ = tree.add(TokenID(Int32(node)), under: (node - 1) / 2, source: .given) }
        var rows = TreeRows()
        rows.assign(tree)
        let scale = 1 / Float(c.headDimension).squareRoot()

        func attention(row: Int, count: Int) {
            var step = spec_attention(
                queries: queries + row * width, query_stride: width,
                out: out, out_stride: width,
                blocks: model.cache.blockTable, layer_offset: 0, m: Int32(count),
                first_position: Int32(committed),
                head_count: Int32(c.headCount), kv_head_count: Int32(c.kvHeadCount),
                head_dimension: Int32(c.headDimension), window: 0, scale: scale,
                partials: model.scratch.attentionPartials)
            _ = spec_attention_run(model.team.pool, &step)
        }
        func treeAttention() {
            _ = rows.withPointers { paths, lengths in
                var step = spec_tree_attention(
                    queries: queries, query_stride: width,
                    out: out, out_stride: width,
                    blocks: model.cache.blockTable, layer_offset: 0, committed: Int32(committed),
                    staged: model.staging.rows(layer: 0), paths: paths, lengths: lengths, m: Int32(nodes),
                    head_count: Int32(c.headCount), kv_head_count: Int32(c.kvHeadCount),
                    head_dimension: Int32(c.headDimension), window: 0, scale: scale,
                    partials: model.scratch.attentionPartials)
                return spec_tree_attention_run(model.team.pool, &step)
            }
        }
        // f32 rows and a masked loop over all keys for every node: how it is written first.
        let kvWidth = c.kvHeadCount * c.headDimension
        let floats = [Float](repeating: 0.5, count: (committed + nodes) * kvWidth)
        func straightforward() {
            _ = spec_reference_attention(
                model.team.pool, queries, width, floats, floats, kvWidth, out, width, Int32(nodes),
                Int32(committed), Int32(c.headCount), Int32(c.kvHeadCount), Int32(c.headDimension), 0, scale)
        }
        func fastest(_ body: () -> Void) -> Double {
            body()
            return (0..<25).map { _ in ContinuousClock().measure(body) / .milliseconds(1) }.min()!
        }
        model.team.withLiveRequest(cancellation: nil) {
            let hybrid = fastest(treeAttention)
            let separate = fastest { for node in 0..<nodes { attention(row: node, count: 1) } }
            let chain = fastest { attention(row: 0, count: nodes) }
            let masked = fastest(straightforward)
            print(
                "attention of \(nodes) nodes behind \(committed) keys, one layer: hybrid \(hybrid) ms, node by node "
                    + "\(separate) ms, as a chain \(chain) ms, straightforward f32 \(masked) ms")
            #expect(hybrid < masked)
        }
        withExtendedLifetime(memory) {}
    }
}
