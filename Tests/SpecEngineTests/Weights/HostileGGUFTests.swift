// Damaged GGUF files by the thousand: bytes flipped, numbers replaced, files cut. Each must give an error or
// a file whose every part can be used; a trap anywhere ends the whole test run.

import SpecEngine
import TestSupport
import Testing

@Suite("Hostile GGUF files")
struct HostileGGUFTests {
    @Test(
        "A tiny file with damaged bytes gives an error or a usable file", arguments: 0..<16 as Range<UInt64>)
    func damagedTinyFile(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let original = TinyGGUF.builder().bytes
        let headerByteCount = TinyGGUF.builder().header.count
        let file = try TemporaryFile(original)
        var openedCount = 0
        for _ in 0..<1000 {
            let damage = (0..<1 + Int(random.next() % 3)).map { _ in
                Damage.random(&random, in: 0..<headerByteCount)
            }
            for part in damage { try file.patch(part.bytes(original), at: part.offset) }
            if try examine(file.path) { openedCount += 1 }
            for part in damage { try file.patch(part.undamaged(original), at: part.offset) }
        }
        // Both ways must have been seen, or the test tests nothing.
        #expect(openedCount > 0 && openedCount < 1000, "seed \(seed)")
        #expect(try examine(file.path), "the undamaged file must open")
    }

    @Test(
        "The default model's header with damaged bytes gives an error or a usable file",
        arguments: 0..<8 as Range<UInt64>)
    func damagedDefaultModel(seed: UInt64) throws {
        let original = try DefaultModelHeader()
        let file = try original.sparseCopy()
        var random = SeededRandom(seed: 1000 + seed)
        for index in 0..<60 {
            // Most of the header is strings; the numbers are near its ends.
            let end = original.bytes.count
            let region = [0..<2000, end - 10_000..<end, 0..<end][index % 3]
            let damage = Damage.random(&random, in: region)
            try file.patch(damage.bytes(original.bytes), at: damage.offset)
            _ = try examine(file.path)
            try file.patch(damage.undamaged(original.bytes), at: damage.offset)
        }
        #expect(try examine(file.path), "the undamaged file must open")
    }

    @Test("A tiny file cut at any place gives an error")
    func cutTinyFile() throws {
        let bytes = TinyGGUF.builder().bytes
        let headerByteCount = TinyGGUF.builder().header.count
        let file = try TemporaryFile(bytes)
        let lengths =
            Array(0..<1200) + Array(stride(from: 1200, to: headerByteCount, by: 7))
            + Array(headerByteCount - 200..<headerByteCount)
            + Array(stride(from: headerByteCount, to: bytes.count - 32, by: 97))
        for length in lengths.reversed() {
            try file.setByteCount(length)
            #expect(try examine(file.path) == false, "cut to \(length)")
        }
    }

    @Test("The default model cut at a hundred places gives an error")
    func cutDefaultModel() throws {
        let original = try DefaultModelHeader()
        let file = try original.sparseCopy()
        var random = SeededRandom(seed: 77)
        let lengths = (0..<100).map { _ in Int(random.next() % UInt64(original.fileByteCount - 1)) }
        for length in lengths.sorted(by: >) {
            try file.setByteCount(length)
            #expect(try examine(file.path) == false, "cut to \(length)")
        }
    }

    // MARK: Helpers

    /// Opens the file and uses all that it offers. False if it was refused, at whatever stage.
    private func examine(_ path: String) throws -> Bool {
        let file: GGUFFile
        do {
            file = try GGUFFile.open(path)
        } catch {
            #expect(error.message.hasPrefix(path) || error.message.contains(path))
            #expect(!error.fix.isEmpty)
            return false
        }
        checkTensors(file)
        for key in file.metadata.keys { useValue(file.metadata, key) }
        do {
            let configuration = try ModelConfiguration(file)
            #expect(configuration.headCount.isMultiple(of: configuration.kvHeadCount))
            let tokenizer = try Tokenizer(file)
            let text = Array("hello  wörld\n<|endoftext|> \u{1F642}".utf8)
            let tokens = tokenizer.encode(text, parsingSpecialTokens: true)
            #expect(tokens.allSatisfy { $0.rawValue >= 0 && $0.rawValue < tokenizer.vocabularySize })
            // Damaged token texts can change what comes back, but not whether it comes back.
            _ = tokenizer.decode(tokens, renderingControlTokens: true)
            return true
        } catch is GGUFError {
            return false
        } catch is TokenizerError {
            return false
        }
    }

    private func checkTensors(_ file: GGUFFile) {
        var end = 0
        for tensor in file.tensors.values.sorted(by: { $0.byteOffset < $1.byteOffset }) {
            #expect(tensor.byteOffset >= end)
            end = tensor.byteOffset + tensor.byteCount
            #expect(end <= file.byteCount)
            #expect(tensor.elementCount == tensor.dimensions.reduce(1, *))
            let bytes = file.bytes(of: tensor)
            #expect(bytes.count == tensor.byteCount)
            // Touches the first and the last byte of the mapping.
            _ = bytes.first.map { Int($0) + Int(bytes[bytes.count - 1]) }
        }
    }

    private func useValue(_ metadata: GGUFMetadata, _ key: String) {
        switch metadata[key] {
        case .stringArray(let array):
            for index in Set([0, array.count / 2, array.count - 1]) where array.count > index && index >= 0 {
                _ = array.string(at: index)
            }
        case .numberArray(let array):
            if array.count > 0 { _ = (array.integer(at: array.count - 1), array.float(at: 0)) }
        case .string(let string):
            _ = string.text
        case .unsigned, .signed, .float, .bool, .nestedArray, nil:
            break
        }
    }
}

/// The header of the default model, which is all that opening it reads.
private struct DefaultModelHeader {
    let bytes: [UInt8]
    let fileByteCount: Int

    init() throws {
        let file = try DefaultModelTokenizer.file()
        let dataOffset = file.tensors.values.map(\.byteOffset).min() ?? 0
        bytes = Array(try FixturePaths.bytes(FixturePaths.defaultModel).prefix(dataOffset))
        fileByteCount = file.byteCount
    }

    /// A file of the model's size with its header and, in place of the weights, a hole.
    func sparseCopy() throws -> TemporaryFile {
        let file = try TemporaryFile(bytes)
        try file.setByteCount(fileByteCount)
        return file
    }
}

/// One damaged place of a file.
private struct Damage {
    let offset: Int
    let replacement: [UInt8]

    /// A flipped bit, a random byte, or a number at the edge of its range.
    static func random(_ random: inout SeededRandom, in region: Range<Int>) -> Damage {
        let edges: [UInt64] = [
            0, 1, 2, 0xFF, 0xFFFF, 1 << 31, 1 << 32, 1 << 40, 1 << 62, .max >> 1, 1 << 63, .max - 7, .max,
        ]
        let edge = edges.randomElement(using: &random) ?? 0
        switch random.next() % 4 {
        case 0:
            return Damage(offset: Int.random(in: region, using: &random), replacement: random.bytes(count: 1))
        case 1:
            let offset = Int.random(in: region.dropLast(4), using: &random)
            return Damage(
                offset: offset, replacement: GGUFBuilder.littleEndian(UInt32(truncatingIfNeeded: edge)))
        case 2:
            let offset = Int.random(in: region.dropLast(8), using: &random)
            return Damage(offset: offset, replacement: GGUFBuilder.littleEndian(edge))
        default:
            // An empty replacement stands for a flipped bit.
            return Damage(offset: Int.random(in: region, using: &random), replacement: [])
        }
    }

    func bytes(_ original: [UInt8]) -> [UInt8] {
        replacement.isEmpty ? [original[offset] ^ (1 << UInt8(offset % 8))] : replacement
    }

    func undamaged(_ original: [UInt8]) -> [UInt8] {
        Array(original[offset..<offset + max(1, replacement.count)])
    }
}
