// The key-value section of a GGUF file with typed access. Strings and arrays stay in the mapped file and are
// read when asked for: a vocabulary's hundred thousand strings cost one offset each at load and nothing more.

/// One metadata value, already checked to lie inside the file.
package enum GGUFValue: Sendable {
    case unsigned(UInt64)
    case signed(Int64)
    case float(Double)
    case bool(Bool)
    case string(GGUFString)
    case stringArray(GGUFStringArray)
    case numberArray(GGUFNumberArray)
    /// An array of arrays: legal, used by no model read here, its contents are checked and not kept.
    case nestedArray

    fileprivate var typeName: String {
        switch self {
        case .unsigned, .signed: "an integer"
        case .float: "a float"
        case .bool: "a bool"
        case .string: "a string"
        case .stringArray: "an array of strings"
        case .numberArray(let array): array.isFloat ? "an array of floats" : "an array of integers"
        case .nestedArray: "an array of arrays"
        }
    }
}

/// A string inside the mapped file, as bytes (GGUF promises UTF-8; a file may break the promise).
package struct GGUFString: Sendable {
    fileprivate let file: MappedFile
    fileprivate let range: Range<Int>

    init(file: MappedFile, range: Range<Int>) {
        self.file = file
        self.range = range
    }

    /// The bytes; valid while the file object lives.
    package var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: file.bytes[range]) }

    /// The text, invalid UTF-8 replaced.
    package var text: String { String(decoding: bytes, as: UTF8.self) }
}

/// An array of strings inside the mapped file.
package struct GGUFStringArray: Sendable {
    private let file: MappedFile
    /// Where each string's 8-byte length stands; the parser has checked that length and bytes lie in the
    /// file.
    private let lengthOffsets: [Int]

    init(file: MappedFile, lengthOffsets: [Int]) {
        self.file = file
        self.lengthOffsets = lengthOffsets
    }

    package var count: Int { lengthOffsets.count }

    /// The bytes of string `index`; valid while the file object lives.
    package func bytes(at index: Int) -> UnsafeRawBufferPointer {
        let offset = lengthOffsets[index]
        let all = file.bytes
        let length = Int(UInt64(littleEndian: all.loadUnaligned(fromByteOffset: offset, as: UInt64.self)))
        return UnsafeRawBufferPointer(rebasing: all[offset + 8..<offset + 8 + length])
    }

    /// The text of string `index`, invalid UTF-8 replaced.
    package func string(at index: Int) -> String { String(decoding: bytes(at: index), as: UTF8.self) }
}

/// An array of numbers (or bools) inside the mapped file.
package struct GGUFNumberArray: Sendable {
    private let file: MappedFile
    private let elementType: GGUFValueType
    private let offset: Int
    package let count: Int

    /// `elementType` is a scalar and `count` elements of it lie in the file from `offset`.
    init(file: MappedFile, elementType: GGUFValueType, offset: Int, count: Int) {
        precondition(elementType.scalarByteCount != nil)
        self.file = file
        self.elementType = elementType
        self.offset = offset
        self.count = count
    }

    package var isFloat: Bool { elementType == .float32 || elementType == .float64 }

    /// Element `index` as an integer; nil for floats and for values beyond `Int`.
    package func integer(at index: Int) -> Int? {
        switch scalar(at: index) {
        case .unsigned(let value): Int(exactly: value)
        case .signed(let value): Int(exactly: value)
        case .bool(let value): value ? 1 : 0
        case .float, .string, .stringArray, .numberArray, .nestedArray: nil
        }
    }

    /// Element `index` as a float.
    package func float(at index: Int) -> Double {
        switch scalar(at: index) {
        case .unsigned(let value): Double(value)
        case .signed(let value): Double(value)
        case .float(let value): value
        case .bool(let value): value ? 1 : 0
        case .string, .stringArray, .numberArray, .nestedArray: .nan
        }
    }

    private func scalar(at index: Int) -> GGUFValue {
        precondition(index >= 0 && index < count)
        let byteCount = elementType.scalarByteCount ?? 0
        return elementType.scalar(in: file.bytes, at: offset + index * byteCount)
    }
}

/// All metadata of one file. The accessors return nil for an absent key and throw for a value of another
/// type.
package struct GGUFMetadata: Sendable {
    private let path: String
    private let values: [String: GGUFValue]

    init(path: String, values: [String: GGUFValue]) {
        self.path = path
        self.values = values
    }

    /// The keys, sorted.
    package var keys: [String] { values.keys.sorted() }

    package subscript(key: String) -> GGUFValue? { values[key] }

    package func string(_ key: String) throws(GGUFError) -> String? {
        switch values[key] {
        case nil: return nil
        case .string(let string): return string.text
        case .some(let other): throw wrongType(key, "a string", other)
        }
    }

    /// A non-negative integer of any width.
    package func uint(_ key: String) throws(GGUFError) -> UInt64? {
        switch values[key] {
        case nil: return nil
        case .unsigned(let value): return value
        case .signed(let value) where value >= 0: return UInt64(value)
        case .some(let other): throw wrongType(key, "a non-negative integer", other)
        }
    }

    /// A float; an integer value is accepted and converted.
    package func float(_ key: String) throws(GGUFError) -> Double? {
        switch values[key] {
        case nil: return nil
        case .float(let value): return value
        case .unsigned(let value): return Double(value)
        case .signed(let value): return Double(value)
        case .some(let other): throw wrongType(key, "a float", other)
        }
    }

    package func bool(_ key: String) throws(GGUFError) -> Bool? {
        switch values[key] {
        case nil: return nil
        case .bool(let value): return value
        case .some(let other): throw wrongType(key, "a bool", other)
        }
    }

    package func stringArray(_ key: String) throws(GGUFError) -> GGUFStringArray? {
        switch values[key] {
        case nil: return nil
        case .stringArray(let array): return array
        case .some(let other): throw wrongType(key, "an array of strings", other)
        }
    }

    package func numberArray(_ key: String) throws(GGUFError) -> GGUFNumberArray? {
        switch values[key] {
        case nil: return nil
        case .numberArray(let array): return array
        case .some(let other): throw wrongType(key, "an array of numbers", other)
        }
    }

    package func requiredString(_ key: String) throws(GGUFError) -> String {
        try required(key, string(key))
    }

    package func requiredUInt(_ key: String) throws(GGUFError) -> UInt64 {
        try required(key, uint(key))
    }

    package func requiredFloat(_ key: String) throws(GGUFError) -> Double {
        try required(key, float(key))
    }

    package func requiredStringArray(_ key: String) throws(GGUFError) -> GGUFStringArray {
        try required(key, stringArray(key))
    }

    private func required<Value>(_ key: String, _ value: Value?) throws(GGUFError) -> Value {
        guard let value else { throw GGUFError(path: path, problem: .missingKey(key)) }
        return value
    }

    private func wrongType(_ key: String, _ expected: String, _ found: GGUFValue) -> GGUFError {
        GGUFError(path: path, problem: .wrongType(key: key, expected: expected, found: found.typeName))
    }
}
