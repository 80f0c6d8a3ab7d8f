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
