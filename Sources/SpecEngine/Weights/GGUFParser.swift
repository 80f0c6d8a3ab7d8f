// Walks the header of a GGUF file (versions 2 and 3, little-endian) and checks every length, count and offset
// against the file's size before it is used. Nothing in a file can make it trap, loop for long, or allocate
// more than a small multiple of the file's own header. Specification: ggml's docs/gguf.md. Layout: magic,
// version, tensor count, metadata count, the metadata key-value pairs, the tensor infos, padding to the
// alignment, the tensor data.

/// The value types of GGUF metadata, with the format's numbers.
enum GGUFValueType: UInt32, Sendable {
    case uint8 = 0
    case int8 = 1
    case uint16 = 2
    case int16 = 3
    case uint32 = 4
    case int32 = 5
    case float32 = 6
    case bool = 7
    case string = 8
    case array = 9
    case uint64 = 10
    case int64 = 11
    case float64 = 12

    /// The size of a scalar; nil for strings and arrays.
    var scalarByteCount: Int? {
        switch self {
        case .uint8, .int8, .bool: 1
        case .uint16, .int16: 2
        case .uint32, .int32, .float32: 4
        case .uint64, .int64, .float64: 8
        case .string, .array: nil
        }
    }

    /// Reads a scalar of this type at `offset`, which the caller has checked. Any non-zero byte is `true`.
    func scalar(in bytes: UnsafeRawBufferPointer, at offset: Int) -> GGUFValue {
        func load<T: FixedWidthInteger & BitwiseCopyable>(_ type: T.Type) -> T {
            T(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: T.self))
        }
        switch self {
        case .uint8: return .unsigned(UInt64(load(UInt8.self)))
        case .int8: return .signed(Int64(load(Int8.self)))
        case .uint16: return .unsigned(UInt64(load(UInt16.self)))
        case .int16: return .signed(Int64(load(Int16.self)))
        case .uint32: return .unsigned(UInt64(load(UInt32.self)))
        case .int32: return .signed(Int64(load(Int32.self)))
        case .uint64: return .unsigned(load(UInt64.self))
        case .int64: return .signed(load(Int64.self))
        case .float32: return .float(Double(Float(bitPattern: load(UInt32.self))))
        case .float64: return .float(Double(bitPattern: load(UInt64.self)))
        case .bool: return .bool(load(UInt8.self) != 0)
        case .string, .array: preconditionFailure("strings and arrays are not scalars")
        }
    }
}

/// Bounds that no sensible file reaches. They keep a hostile one from costing time or memory.
enum GGUFLimits {
    /// The format's own bound on keys; used for tensor names too.
    static let nameByteCount: UInt64 = 65_535
    /// Real models have some 20 to 60 keys and at most a few thousand tensors.
    static let metadataCount: UInt64 = 65_536
    static let tensorCount: UInt64 = 65_536
    /// ggml tensors have at most four dimensions.
    static let dimensionCount: UInt32 = 4
    static let arrayDepth = 4
    /// Tensor data may be aligned to anything from a byte to a huge page.
    static let alignment: UInt64 = 1 << 21
}

/// A tensor as the header describes it, its offset still relative to the data section.
struct GGUFTensorInfo {
    let name: String
    let type: TensorType
    let dimensions: [Int]
    let relativeOffset: UInt64
    let byteCount: Int
}

/// Reads forward through the mapped header.
struct GGUFParser {
    private let file: MappedFile
    private let bytes: UnsafeRawBufferPointer
    /// Always within 0 ... bytes.count.
    private(set) var position = 0

    init(_ file: MappedFile) {
        self.file = file
        self.bytes = file.bytes
    }

    func failure(_ problem: GGUFError.Problem) -> GGUFError { GGUFError(path: file.path, problem: problem) }

    // MARK: Sections

    /// Magic, version and the two counts.
    mutating func readCounts() throws(GGUFError) -> (tensorCount: Int, metadataCount: Int) {
        guard bytes.count >= 4, bytes[0..<4].elementsEqual("GGUF".utf8) else { throw failure(.notGGUF) }
        position = 4
        let version = try integer(UInt32.self, of: "the version")
        guard version == 2 || version == 3 else { throw failure(.unsupportedVersion(version)) }
        // A tensor info takes at least 24 bytes, a metadata pair at least 13.
        let tensorCount = try count("the tensor count", limit: GGUFLimits.tensorCount)
        let metadataCount = try count("the metadata count", limit: GGUFLimits.metadataCount)
        try need(tensorCount, of: 24, for: "the tensor list")
        try need(metadataCount, of: 13, for: "the metadata")
        return (tensorCount, metadataCount)
    }

    mutating func readMetadata(count: Int) throws(GGUFError) -> [String: GGUFValue] {
        var values: [String: GGUFValue] = [:]
        values.reserveCapacity(count)
        for index in 0..<count {
            let key = try name(of: "metadata key \(index)")
            let type = try valueType(of: key)
            let value = try readValue(type, of: key)
            guard values.updateValue(value, forKey: key) == nil else {
                throw failure(.malformed(part: "the metadata key \(key)", reason: "appears twice"))
            }
        }
        return values
    }

    mutating func readTensorInfos(count: Int) throws(GGUFError) -> [GGUFTensorInfo] {
        var infos: [GGUFTensorInfo] = []
        infos.reserveCapacity(count)
        for index in 0..<count {
            infos.append(try readTensorInfo(index: index))
        }
        return infos
    }

    // MARK: Parts of sections

    private mutating func readTensorInfo(index: Int) throws(GGUFError) -> GGUFTensorInfo {
        let name = try name(of: "the name of tensor \(index)")
        let dimensionCount = try integer(UInt32.self, of: "the tensor \(name)")
        guard dimensionCount >= 1, dimensionCount <= GGUFLimits.dimensionCount else {
            throw failure(
                .badTensor(name: name, reason: "has \(dimensionCount) dimensions instead of 1 to 4"))
        }
        var dimensions: [Int] = []
        var elementCount = 1
        for _ in 0..<dimensionCount {
            let raw = try integer(UInt64.self, of: "the tensor \(name)")
            guard raw > 0, let dimension = Int(exactly: raw) else {
                throw failure(.badTensor(name: name, reason: "has a dimension of \(raw)"))
            }
            let (product, overflow) = elementCount.multipliedReportingOverflow(by: dimension)
            guard !overflow else {
                throw failure(.badTensor(name: name, reason: "has more elements than can be addressed"))
            }
            elementCount = product
            dimensions.append(dimension)
        }
        let rawType = try integer(UInt32.self, of: "the tensor \(name)")
        guard let type = TensorType(rawValue: rawType) else {
            let typeName = TensorType.nameOfUnreadable(rawType)
            throw failure(.unreadableTensorType(name: name, type: typeName))
        }
        let relativeOffset = try integer(UInt64.self, of: "the tensor \(name)")
        guard dimensions[0] % type.blockElementCount == 0 else {
            let reason = "has rows of \(dimensions[0]) elements, not a multiple of \(type.blockElementCount)"
            throw failure(.badTensor(name: name, reason: reason))
        }
        let blockCount = elementCount / type.blockElementCount
        let (byteCount, overflow) = blockCount.multipliedReportingOverflow(by: type.blockByteCount)
        guard !overflow else {
            throw failure(.badTensor(name: name, reason: "has more bytes than can be addressed"))
        }
        return GGUFTensorInfo(
            name: name, type: type, dimensions: dimensions, relativeOffset: relativeOffset,
            byteCount: byteCount)
    }

    private mutating func valueType(of key: String) throws(GGUFError) -> GGUFValueType {
        let raw = try integer(UInt32.self, of: "the metadata key \(key)")
        guard let type = GGUFValueType(rawValue: raw) else {
            throw failure(.malformed(part: "the metadata key \(key)", reason: "has the unknown type \(raw)"))
        }
        return type
    }

    private mutating func readValue(_ type: GGUFValueType, of key: String) throws(GGUFError) -> GGUFValue {
        switch type {
        case .string:
            return .string(GGUFString(file: file, range: try stringRange(of: key)))
        case .array:
            return try readArray(of: key, depth: 1)
        case .uint8, .int8, .uint16, .int16, .uint32, .int32, .float32, .bool, .uint64, .int64, .float64:
            let byteCount = type.scalarByteCount ?? 0
            try need(1, of: byteCount, for: key)
            defer { position += byteCount }
            return type.scalar(in: bytes, at: position)
        }
    }

    private mutating func readArray(of key: String, depth: Int) throws(GGUFError) -> GGUFValue {
        let elementType = try valueType(of: key)
        let rawCount = try integer(UInt64.self, of: key)
        // A string takes at least its 8-byte length, an inner array at least its 12-byte head.
        let elementByteCount = elementType.scalarByteCount ?? (elementType == .string ? 8 : 12)
        guard let count = Int(exactly: rawCount), count <= (bytes.count - position) / elementByteCount else {
            let limit = UInt64((bytes.count - position) / elementByteCount)
            throw failure(.countTooLarge(part: "the length of \(key)", found: rawCount, limit: limit))
        }
        switch elementType {
        case .string:
            var offsets: [Int] = []
            offsets.reserveCapacity(count)
            for _ in 0..<count {
                offsets.append(position)
                _ = try stringRange(of: key)
            }
            return .stringArray(GGUFStringArray(file: file, lengthOffsets: offsets))
        case .array:
            guard depth < GGUFLimits.arrayDepth else {
                throw failure(.malformed(part: "the metadata key \(key)", reason: "nests arrays too deeply"))
            }
            for _ in 0..<count { _ = try readArray(of: key, depth: depth + 1) }
            return .nestedArray
        case .uint8, .int8, .uint16, .int16, .uint32, .int32, .float32, .bool, .uint64, .int64, .float64:
            defer { position += count * elementByteCount }
            return .numberArray(
                GGUFNumberArray(file: file, elementType: elementType, offset: position, count: count))
        }
    }

    // MARK: Primitives

    private mutating func integer<T: FixedWidthInteger & BitwiseCopyable>(
        _ type: T.Type, of part: @autoclosure () -> String
    ) throws(GGUFError) -> T {
        try need(1, of: MemoryLayout<T>.size, for: part())
        defer { position += MemoryLayout<T>.size }
        return T(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: T.self))
    }

    private mutating func count(_ part: String, limit: UInt64) throws(GGUFError) -> Int {
        let raw = try integer(UInt64.self, of: part)
        guard raw <= limit else { throw failure(.countTooLarge(part: part, found: raw, limit: limit)) }
        return Int(raw)
    }

    /// Checks that `count` × `byteCount` more bytes are there; both are small enough not to overflow.
    private func need(
        _ count: Int, of byteCount: Int, for part: @autoclosure () -> String
    ) throws(GGUFError) {
        let available = bytes.count - position
        guard count * byteCount <= available else {
            throw failure(
                .truncated(
                    part: part(), offset: position, neededByteCount: UInt64(count * byteCount),
                    availableByteCount: available))
        }
    }

    private mutating func stringRange(of part: @autoclosure () -> String) throws(GGUFError) -> Range<Int> {
        let length = try integer(UInt64.self, of: part())
        let available = bytes.count - position
        guard length <= UInt64(available) else {
            throw failure(
                .truncated(
                    part: part(), offset: position, neededByteCount: length, availableByteCount: available))
        }
        let range = position..<position + Int(length)
        position = range.upperBound
        return range
    }

    private mutating func name(of part: String) throws(GGUFError) -> String {
        let range = try stringRange(of: part)
        guard range.count <= GGUFLimits.nameByteCount else {
            throw failure(
                .countTooLarge(
                    part: "the length of \(part)", found: UInt64(range.count), limit: GGUFLimits.nameByteCount
                ))
        }
        guard !range.isEmpty, let name = String(validating: bytes[range], as: UTF8.self) else {
            throw failure(.malformed(part: part, reason: "is empty or not UTF-8"))
        }
        return name
    }
}
