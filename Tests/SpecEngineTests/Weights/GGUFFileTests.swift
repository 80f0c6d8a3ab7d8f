// The GGUF reader on valid files, and on files that lie in one place each: every lie has its own error.

import SpecEngine
import TestSupport
import Testing

@Suite("GGUF files")
struct GGUFFileTests {
    @Test("The default model opens, with its configuration and 156 tensors that fill the file")
    func defaultModel() throws {
        let file = try GGUFFile.open(FixturePaths.defaultModel)
        let configuration = try ModelConfiguration(file)
        #expect(file.tensors.count == 156)
        #expect(configuration.layerCount == 14)
        #expect(configuration.hiddenSize == 640)
        #expect(configuration.feedForwardSize == 1792)
        #expect(configuration.headCount == 10)
        #expect(configuration.kvHeadCount == 2)
        #expect(configuration.headDimension == 64)
        #expect(configuration.vocabularySize == 24_576)
        #expect(configuration.contextLength == 16_384)
        #expect(configuration.rotary.frequencyBase == 1_000_000)
        #expect(configuration.rmsNormEpsilon == 1e-6)
        #expect(configuration.hasTiedEmbeddings)
        let query = try file.requiredTensor("blk.13.attn_q.weight", dimensions: [640, 640])
        #expect(query.type == .q4_0)
        #expect(query.byteCount == 640 * 640 / 32 * 18)
        #expect(file.tensors.values.map { $0.byteOffset + $0.byteCount }.max()! <= file.byteCount)
    }

    @Test("Tensor bytes are the bytes that were written, in versions 2 and 3", arguments: [2, 3] as [UInt32])
    func tensorBytes(version: UInt32) throws {
        var builder = GGUFBuilder()
        builder.version = version
        builder.add("general.name", string: "bytes")
        let first = Array(0..<UInt8(72))
        builder.addTensor("a", type: 2, dimensions: [32, 4], data: first)
        builder.addTensor("b", dimensions: [3], floats: [1, -2, 3.5])
        let (_, file) = try open(builder.bytes)
        let a = try file.requiredTensor("a", dimensions: [32, 4])
        #expect(Array(file.bytes(of: a)) == first)
        #expect(a.elementCount == 128)
        let b = try file.requiredTensor("b", dimensions: [3])
        #expect(file.bytes(of: b).loadUnaligned(fromByteOffset: 8, as: Float.self) == 3.5)
        file.adviseDontNeed(a)
        #expect(Array(file.bytes(of: a)) == first)
    }

    @Test("Metadata of every type reads back, and a value of another type is an error that names the key")
    func metadataTypes() throws {
        var builder = GGUFBuilder()
        builder.add("s", string: "héllo")
        builder.add("f", float32: 0.5)
        builder.add("b", bool: true)
        builder.add("list", strings: ["one", "", "three"])
        builder.add("numbers", int32s: [-1, 7])
        builder.add("u8", rawType: 0, value: [200])
        builder.add("i16", rawType: 3, value: GGUFBuilder.littleEndian(Int16(-2)))
        builder.add("i64", rawType: 11, value: GGUFBuilder.littleEndian(Int64(5)))
        builder.add("u64", rawType: 10, value: GGUFBuilder.littleEndian(UInt64.max))
        builder.add("f64", rawType: 12, value: GGUFBuilder.littleEndian(Double(2.25).bitPattern))
        let (_, file) = try open(builder.bytes)
        let metadata = file.metadata
        #expect(try metadata.string("s") == "héllo")
        #expect(try metadata.float("f") == 0.5)
        #expect(try metadata.float("f64") == 2.25)
        #expect(try metadata.bool("b") == true)
        #expect(try metadata.uint("u8") == 200)
        #expect(try metadata.uint("i64") == 5)
        #expect(try metadata.uint("u64") == .max)
        #expect(try metadata.uint("absent") == nil)
        let list = try metadata.requiredStringArray("list")
        #expect((0..<list.count).map(list.string(at:)) == ["one", "", "three"])
        let numbers = try #require(try metadata.numberArray("numbers"))
        #expect(numbers.integer(at: 0) == -1 && numbers.integer(at: 1) == 7)
        #expect(
            problem { _ = try metadata.uint("i16") }
                == .wrongType(key: "i16", expected: "a non-negative integer", found: "an integer"))
        #expect(problem { _ = try metadata.requiredString("absent") } == .missingKey("absent"))
        #expect(
            problem { _ = try metadata.string("list") }
                == .wrongType(key: "list", expected: "a string", found: "an array of strings"))
    }

    @Test("A missing file, a folder, an empty file, a named pipe and a text file each say what they are")
    func notModels() throws {
        #expect(
            problem { _ = try GGUFFile.open("/nowhere/x.gguf") } == .file(.missing(path: "/nowhere/x.gguf")))
        #expect(problem { _ = try GGUFFile.open("/") } == .file(.notRegularFile(path: "/")))
        #expect(problem { _ = try GGUFFile.open("/dev/null") } == .file(.notRegularFile(path: "/dev/null")))
        let pipe = try TemporaryFile(namedPipe: ())
        #expect(problem { _ = try GGUFFile.open(pipe.path) } == .file(.notRegularFile(path: pipe.path)))
        let empty = try TemporaryFile()
        #expect(problem { _ = try GGUFFile.open(empty.path) } == .file(.empty(path: empty.path)))
        #expect(problem { _ = try open(Array("# a text file".utf8)) } == .notGGUF)
        #expect(problem { _ = try open(Array("GG".utf8)) } == .notGGUF)
    }

    @Test("An unknown version and a big-endian file are refused")
    func versions() {
        for version in [0, 1, 4, UInt32.max, UInt32(3).byteSwapped] {
            var builder = TinyGGUF.builder()
            builder.version = version
            #expect(problem { _ = try open(builder.bytes) } == .unsupportedVersion(version))
        }
    }

    @Test(
        "Counts that lie are refused without work",
        arguments: [1 << 17, 1 << 31, 1 << 62, 1 << 63, UInt64.max])
    func lyingCounts(lie: UInt64) {
        var builder = TinyGGUF.builder()
        builder.statedTensorCount = lie
        #expect(isCountError(problem { _ = try open(builder.bytes) }))
        builder = TinyGGUF.builder()
        builder.statedMetadataCount = lie
        #expect(isCountError(problem { _ = try open(builder.bytes) }))
        for elementType: UInt32 in [0, 4, 8, 9, 12] {
            var builder = GGUFBuilder()
            let head = GGUFBuilder.littleEndian(elementType) + GGUFBuilder.littleEndian(lie)
            builder.add("array", rawType: 9, value: head)
            #expect(isCountError(problem { _ = try open(builder.bytes) }))
        }
        var string = GGUFBuilder()
        string.add("s", rawType: 8, value: GGUFBuilder.littleEndian(lie))
        #expect(isTruncation(problem { _ = try open(string.bytes) }))
    }

    @Test("One more tensor or key than the file has is an error")
    func oneTooMany() {
        var builder = GGUFBuilder()
        builder.add("a", uint32: 1)
        builder.statedMetadataCount = 2
        #expect(problem { _ = try open(builder.bytes) } != nil)
        builder.statedMetadataCount = 1
        builder.statedTensorCount = 1
        #expect(problem { _ = try open(builder.bytes) } != nil)
    }

    @Test("Tensors whose dimensions lie are refused by name")
    func lyingDimensions() {
        let lies: [[UInt64]] = [
            [], [0], [1, 0], [1 << 63], [.max], [1 << 32, 1 << 32], [1 << 62, 2], [1 << 62],
            [1 << 20, 1 << 20],
            [1, 1, 1, 1, 1], [17],
        ]
        for dimensions in lies {
            var builder = GGUFBuilder()
            builder.addTensor("liar", dimensions: dimensions, data: [UInt8](repeating: 0, count: 64))
            #expect(isBadTensor(problem { _ = try open(builder.bytes) }, "liar"), "\(dimensions)")
        }
        var builder = GGUFBuilder()
        builder.addTensor("ragged", type: 2, dimensions: [33, 2], data: [UInt8](repeating: 0, count: 64))
        #expect(isBadTensor(problem { _ = try open(builder.bytes) }, "ragged"))
    }

    @Test("Tensors whose offset is unaligned, outside the file or another's are refused by name")
    func lyingOffsets() {
        let offsets: [UInt64] = [1, 31, 64, 96, 1 << 40, 1 << 62, (1 << 63) - 32, 1 << 63, .max - 31, .max]
        for offset in offsets {
            var builder = GGUFBuilder()
            builder.addTensor(
                "liar", dimensions: [16], data: [UInt8](repeating: 0, count: 64), statedOffset: offset)
            #expect(isBadTensor(problem { _ = try open(builder.bytes) }, "liar"), "\(offset)")
        }
        var builder = GGUFBuilder()
        builder.addTensor("a", dimensions: [16], data: [UInt8](repeating: 0, count: 64))
        builder.addTensor("b", dimensions: [8], data: [UInt8](repeating: 0, count: 32), statedOffset: 32)
        #expect(isBadTensor(problem { _ = try open(builder.bytes) }, "b"))
    }

    @Test("Twice the same tensor or key, unknown types and odd alignments are refused")
    func malformed() {
        var twice = GGUFBuilder()
        twice.addTensor("a", dimensions: [1], floats: [1])
        twice.addTensor("a", dimensions: [1], floats: [1])
        #expect(isBadTensor(problem { _ = try open(twice.bytes) }, "a"))
        var keys = GGUFBuilder()
        keys.add("k", uint32: 1)
        keys.add("k", uint32: 1)
        #expect(
            problem { _ = try open(keys.bytes) }
                == .malformed(part: "the metadata key k", reason: "appears twice"))
        var unreadable = GGUFBuilder()
        unreadable.addTensor("w", type: 6, dimensions: [32], data: [UInt8](repeating: 0, count: 32))
        #expect(problem { _ = try open(unreadable.bytes) } == .unreadableTensorType(name: "w", type: "Q5_0"))
        var unknown = GGUFBuilder()
        unknown.add("k", rawType: 99, value: [0])
        #expect(problem { _ = try open(unknown.bytes) } != nil)
        for alignment: UInt32 in [0, 3, 48, 1 << 22] {
            var builder = GGUFBuilder()
            builder.add("general.alignment", uint32: alignment)
            #expect(problem { _ = try open(builder.bytes) } != nil, "\(alignment)")
        }
    }

    @Test("A thousand arrays inside each other end in an error, not in a full stack")
    func nestedArrays() {
        let head = GGUFBuilder.littleEndian(UInt32(9)) + GGUFBuilder.littleEndian(UInt64(1))
        var builder = GGUFBuilder()
        builder.add("deep", rawType: 9, value: (0..<1000).flatMap { _ in head })
        #expect(
            problem { _ = try open(builder.bytes) }
                == .malformed(part: "the metadata key deep", reason: "nests arrays too deeply"))
    }

    @Test("An error names the file, what is wrong and what to do")
    func errorText() throws {
        let file = try TemporaryFile(Array("nonsense".utf8))
        let error = try #require(throws: GGUFError.self) { _ = try GGUFFile.open(file.path) }
        #expect(error.message.hasPrefix(file.path))
        #expect(error.fix.contains(".gguf"))
    }
}

// MARK: - Helpers

/// Writes `bytes` to a file and opens it; the file is kept for as long as it is open.
private func open(_ bytes: [UInt8]) throws -> (TemporaryFile, GGUFFile) {
    let file = try TemporaryFile(bytes)
    return (file, try GGUFFile.open(file.path))
}

/// The problem that `body` throws as a GGUFError, nil if it throws nothing or something else.
func problem(_ body: () throws -> Void) -> GGUFError.Problem? {
    do { try body() } catch { return (error as? GGUFError)?.problem }
    return nil
}

private func isCountError(_ problem: GGUFError.Problem?) -> Bool {
    if case .countTooLarge = problem { return true }
    return false
}

private func isTruncation(_ problem: GGUFError.Problem?) -> Bool {
    if case .truncated = problem { return true }
    return false
}

private func isBadTensor(_ problem: GGUFError.Problem?, _ name: String) -> Bool {
    if case .badTensor(name, _) = problem { return true }
    return false
}
