// Damaged model files, by the hundred: every byte of a small file changed, the real model's header changed and cut.
// Each must give an error or a consistent model; a trap would end the test run.

import Foundation
import TestSupport
import Testing

@testable import SpecEngine

@Suite("Damaged model files", .serialized)
struct GGUFMutationTests {
    /// Opens as far as it goes: file, configuration, tokenizer, weights.
    private func load(_ path: String) {
        do {
            let file = try GGUFFile.open(path)
            for tensor in file.tensors.values { _ = file.bytes(of: tensor).count }
            let configuration = try ModelConfiguration(file)
            _ = try Tokenizer(file)
            _ = try TransformerWeights(file: file, configuration: configuration)
        } catch {
            #expect(!"\(error)".isEmpty)
        }
    }

    @Test("A header with any byte changed, or cut anywhere, is refused or read consistently")
    func realHeader() throws {
        let file = try ModelFixture.file()
        let headerByteCount = file.tensors.values.map(\.byteOffset).min()!
        let original = Array(try FixturePaths.bytes(FixturePaths.defaultModel).prefix(headerByteCount))
        let folder = NSTemporaryDirectory() + "foretoken-mutations-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }  // best effort
        let path = folder + "/model.gguf"
        var random = SeededRandom(seed: 50)
        // The interesting bytes are at both ends: keys and counts first, tensor descriptions last.
        let tensorPart = original.count - 12_000
        for round in 0..<220 {
            var bytes = original
            for _ in 0...random.below(3) {
                let region = random.below(3)
                let index =
                    region == 0
                    ? random.below(1_500)
                    : region == 1 ? tensorPart + random.below(12_000) : random.below(bytes.count)
                bytes[index] =
                    random.oneIn(3) ? UInt8(random.below(256)) : bytes[index] ^ (1 << UInt8(random.below(8)))
            }
            let cut = random.oneIn(5) ? random.below(bytes.count) : nil
            if let cut { bytes.removeSubrange(cut...) }
            try Data(bytes).write(to: URL(fileURLWithPath: path))
            // The tensors' data are zeros that take no space.
            if cut == nil,
                truncate(path, off_t(file.byteCount - random.below(2) * random.below(1 << 20))) != 0
            {
                Issue.record("truncate: \(errno)")
            }
            load(path)
            #expect(Bool(true), "round \(round), seed 50")
        }
    }

    @Test("A small file with each byte set to each of four values is refused or read consistently")
    func everyByte() throws {
        var builder = GGUFBuilder()
        builder.add("general.architecture", string: "qwen3")
        builder.add("general.alignment", uint32: 32)
        builder.addTensor("a", dimensions: [8, 2], floats: [Float](repeating: 1, count: 16))
        builder.addTensor("b", dimensions: [4], floats: [1, 2, 3, 4])
        let original = builder.bytes
        let path = NSTemporaryDirectory() + "foretoken-small-\(UUID().uuidString).gguf"
        defer { try? FileManager.default.removeItem(atPath: path) }  // best effort
        for index in original.indices {
            for value in [0, 1, 0x7F, 0xFF] as [UInt8] {
                var bytes = original
                bytes[index] = value
                try Data(bytes).write(to: URL(fileURLWithPath: path))
                load(path)
            }
            try Data(original[..<index]).write(to: URL(fileURLWithPath: path))
            load(path)
        }
    }
}
