// Writes GGUF files byte by byte, valid ones and lying ones: nothing that it is told is checked. It knows the
// layout from ggml's docs/gguf.md and shares no code with the reader that it is used to test.

/// Collects metadata and tensors and lays them out as a GGUF file.
package struct GGUFBuilder {
    package var version: UInt32 = 3
    package var alignment = 32
    /// When set, written instead of the true count.
    package var statedTensorCount: UInt64?
    package var statedMetadataCount: UInt64?

    private var metadataCount: UInt64 = 0
    private var metadata: [UInt8] = []
    private var tensors: [Tensor] = []

    private struct Tensor {
        let name: String
        let type: UInt32
        let dimensions: [UInt64]
        let data: [UInt8]
        let statedOffset: UInt64?
    }

    package init() {}

    // MARK: Metadata

    package mutating func add(_ key: String, string value: String) {
        add(key, rawType: 8, value: Self.encoded(value))
    }

    package mutating func add(_ key: String, uint32 value: UInt32) {
        add(key, rawType: 4, value: Self.littleEndian(value))
    }

    package mutating func add(_ key: String, float32 value: Float) {
        add(key, rawType: 6, value: Self.littleEndian(value.bitPattern))
    }

    package mutating func add(_ key: String, bool value: Bool) {
        add(key, rawType: 7, value: [value ? 1 : 0])
    }

    package mutating func add(_ key: String, strings: [String]) {
        let head = Self.littleEndian(UInt32(8)) + Self.littleEndian(UInt64(strings.count))
        add(key, rawType: 9, value: head + strings.flatMap(Self.encoded))
    }

    package mutating func add(_ key: String, int32s: [Int32]) {
        let head = Self.littleEndian(UInt32(5)) + Self.littleEndian(UInt64(int32s.count))
        add(key, rawType: 9, value: head + int32s.flatMap(Self.littleEndian))
    }

    /// Any bytes as the value of a key of any type.
    package mutating func add(_ key: String, rawType: UInt32, value: [UInt8]) {
        metadataCount += 1
        metadata += Self.encoded(key) + Self.littleEndian(rawType) + value
    }

    // MARK: Tensors

    /// Adds a tensor; `statedOffset` is written instead of the true offset when given.
    package mutating func addTensor(
        _ name: String, type: UInt32 = 0, dimensions: [UInt64], data: [UInt8], statedOffset: UInt64? = nil
    ) {
        tensors.append(
            Tensor(name: name, type: type, dimensions: dimensions, data: data, statedOffset: statedOffset))
    }

    /// Adds an F32 tensor.
    package mutating func addTensor(_ name: String, dimensions: [Int], floats: [Float]) {
        addTensor(
            name, dimensions: dimensions.map(UInt64.init),
            data: floats.flatMap { Self.littleEndian($0.bitPattern) })
    }

    // MARK: The file

    /// Header, metadata and tensor infos, before the padding.
    package var header: [UInt8] {
        var bytes = Array("GGUF".utf8) + Self.littleEndian(version)
        bytes += Self.littleEndian(statedTensorCount ?? UInt64(tensors.count))
        bytes += Self.littleEndian(statedMetadataCount ?? metadataCount) + metadata
        var offset: UInt64 = 0
        for tensor in tensors {
            bytes += Self.encoded(tensor.name) + Self.littleEndian(UInt32(tensor.dimensions.count))
            bytes += tensor.dimensions.flatMap(Self.littleEndian) + Self.littleEndian(tensor.type)
            bytes += Self.littleEndian(tensor.statedOffset ?? offset)
            offset += UInt64(padded(tensor.data).count)
        }
        return bytes
    }

    /// The whole file.
    package var bytes: [UInt8] {
        padded(header) + tensors.flatMap { padded($0.data) }
    }

    private func padded(_ bytes: [UInt8]) -> [UInt8] {
        bytes + [UInt8](repeating: 0, count: (alignment - bytes.count % alignment) % alignment)
    }

    /// A string as GGUF stores it: 8 bytes of length, then the bytes.
    package static func encoded(_ text: String) -> [UInt8] {
        littleEndian(UInt64(text.utf8.count)) + Array(text.utf8)
    }

    package static func littleEndian<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
        withUnsafeBytes(of: value.littleEndian) { Array($0) }
    }
}
