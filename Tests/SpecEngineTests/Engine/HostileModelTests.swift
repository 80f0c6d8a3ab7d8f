// Models that parse but cannot be computed with: each is refused with the reason before anything is allocated for it.

import TestSupport
import Testing

@testable import SpecEngine

@Suite("Models that cannot be computed with")
struct HostileModelTests {
    /// A header with an embedding of four tokens.
    private func configuration(_ changes: [String: Int] = [:]) throws -> ModelConfiguration {
        let sizes = [
            "block_count": 2, "embedding_length": 64, "feed_forward_length": 64, "context_length": 4_096,
            "attention.head_count": 2, "attention.head_count_kv": 1, "attention.key_length": 32,
            "attention.value_length": 32, "vocab_size": 4,
        ].merging(changes) { $1 }
        var builder = GGUFBuilder()
        builder.add("general.architecture", string: "qwen3")
        for (key, value) in sizes.sorted(by: { $0.key < $1.key }) {
            builder.add("qwen3." + key, uint32: UInt32(value))
        }
        builder.add("qwen3.rope.freq_base", float32: 1_000_000)
        builder.add("qwen3.attention.layer_norm_rms_epsilon", float32: 1e-6)
        let hidden = sizes["embedding_length"]!
        builder.addTensor(
            "token_embd.weight", dimensions: [hidden, 4], floats: [Float](repeating: 1, count: hidden * 4))
        let file = try TemporaryFile(builder.bytes)
        return try ModelConfiguration(GGUFFile.open(file.path))
    }

    private func reason(_ body: () throws -> Void) -> String? {
        do {
            try body()
            return nil
        } catch EngineError.unsupportedShape(_, let reason) {
            return reason
        } catch {
            return "another error: \(error)"
        }
    }

    @Test(
        "Shapes outside what the kernels hold are named",
        arguments: [
            (["embedding_length": 80], "hidden size"), (["feed_forward_length": 48], "feed-forward"),
            (["attention.key_length": 34, "attention.value_length": 34], "head dimension"),
            (["attention.key_length": 512, "attention.value_length": 512], "heads of"),
            (["attention.head_count": 130], "heads of"), (["context_length": 64], "context"),
        ])
    func shapes(changes: [String: Int], part: String) throws {
        let configuration = try configuration(changes)
        let found = reason { try configuration.checkKernelShapes(path: "x") }
        #expect(found?.contains(part) == true, "\(found ?? "accepted")")
    }

    @Test("An ordinary shape passes")
    func ordinary() throws {
        let configuration = try configuration()
        #expect(reason { try configuration.checkKernelShapes(path: "x") } == nil)
    }

    @Test("Rows that are no whole number of blocks are refused by name", arguments: TensorType.allCases)
    func brokenBlocks(type: TensorType) throws {
        for inputs in [255, 224, 16, 1] where inputs % type.blockElementCount != 0 {
            var builder = GGUFBuilder()
            builder.add("general.architecture", string: "qwen3")
            builder.addTensor(
                "blk.0.ffn_down.weight", type: type.rawValue, dimensions: [UInt64(inputs), 2],
                data: [UInt8](repeating: 1, count: 2 * 210))
            let file = try TemporaryFile(builder.bytes)
            #expect(throws: GGUFError.self) { try GGUFFile.open(file.path) }
        }
    }

    @Test("A format that is not read is named, with the list of those that are")
    func unreadableFormat() throws {
        var builder = GGUFBuilder()
        builder.addTensor("blk.0.ffn_up.weight", type: 23, dimensions: [256, 2], data: [0])
        let file = try TemporaryFile(builder.bytes)
        let error = #expect(throws: GGUFError.self) { try GGUFFile.open(file.path) }
        let text = error?.description ?? ""
        let names = TensorType.allCases.map(\.name) + ["blk.0.ffn_up.weight", "IQ4_XS"]
        #expect(names.allSatisfy(text.contains), "\(text)")
    }

    @Test(
        "A model of mixed formats with damaged tensor infos is refused or loads",
        arguments: 0..<4 as Range<UInt64>)
    func damagedTensorInfos(seed: UInt64) throws {
        let kind = TensorTypeModel(
            type: .q4_K, exceptions: ["attn_v": .q6_K, "ffn_up": .q5_K, "attn_k": .q8_0, "ffn_down": .f16])
        let original = kind.builder().bytes
        let infos = kind.builder().header.count - 1_400..<kind.builder().header.count
        let file = try TemporaryFile(original)
        var random = SeededRandom(seed: seed)
        func load() throws {
            let model = try GGUFFile.open(file.path)
            let configuration = try ModelConfiguration(model)
            try configuration.checkKernelShapes(path: file.path)
            _ = try TransformerWeights(file: model, configuration: configuration)
        }
        var refused = 0
        for _ in 0..<60 {
            let offset = Int.random(in: infos, using: &random)
            // A tensor's type, dimension or offset, mostly as another small number.
            let byte = random.oneIn(2) ? UInt8(random.below(32)) : UInt8(random.below(256))
            try file.patch([byte], at: offset)
            do {
                try load()
            } catch is GGUFError {
                refused += 1
            } catch is EngineError {
                refused += 1
            }
            try file.patch([original[offset]], at: offset)
        }
        #expect(refused > 0, "seed \(seed)")
        try load()  // undamaged
    }

    @Test("A header that would take gigabytes of activations is refused, not allocated")
    func gigabytes() throws {
        let configuration = try configuration([
            "attention.head_count": 1_024, "attention.head_count_kv": 1_024, "attention.key_length": 256,
            "attention.value_length": 256, "context_length": 1 << 17,
        ])
        let found = reason {
            _ = try TransformerScratch(configuration: configuration, positionLimit: 1 << 17, path: "x")
        }
        #expect(found?.contains("memory") == true, "\(found ?? "accepted")")
    }
}
