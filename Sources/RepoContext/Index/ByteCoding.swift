// Plain values to bytes and back, for the saved index. A reader gives nil at the first thing that does not fit.

/// Collects bytes.
struct ByteWriter {
    private(set) var bytes: [UInt8] = []

    mutating func word(_ value: UInt64) { withUnsafeBytes(of: value) { bytes += $0 } }

    mutating func words(_ values: [UInt64]) { for value in values { word(value) } }

    mutating func string(_ value: String) {
        var value = value
        value.withUTF8 { utf8 in
            withUnsafeBytes(of: UInt16(clamping: utf8.count)) { bytes += $0 }
            bytes += utf8.prefix(Int(UInt16.max))
        }
    }

    mutating func array<Element: BitwiseCopyable>(_ values: [Element]) {
        values.withUnsafeBytes { bytes += $0 }
    }

    mutating func imports(_ references: [ImportReference]) {
        word(UInt64(references.count))
        for reference in references {
            switch reference {
            case .path(let path):
                word(0)
                string(path)
            case .folder(let folder):
                word(1)
                string(folder)
            case .module(let components, let levelsUp, let names):
                word(2 + UInt64(levelsUp.map { $0 + 1 } ?? 0))
                strings(components)
                strings(names)
            }
        }
    }

    private mutating func strings(_ values: [String]) {
        word(UInt64(values.count))
        for value in values { string(value) }
    }
}

/// Takes bytes apart.
struct ByteReader {
    /// Components and names of one reference.
    private static let maximumStringCount = 4_096

    private let bytes: ArraySlice<UInt8>
    private var place: Int

    init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        place = bytes.startIndex
    }

    private mutating func take(_ count: Int) -> ArraySlice<UInt8>? {
        guard count >= 0, bytes.endIndex - place >= count else { return nil }
        defer { place += count }
        return bytes[place..<(place + count)]
    }

    private mutating func value<Value: BitwiseCopyable>(_ type: Value.Type) -> Value? {
        take(MemoryLayout<Value>.size)?.withUnsafeBytes { $0.loadUnaligned(as: type) }
    }

    mutating func word() -> UInt64? { value(UInt64.self) }

    mutating func words(_ count: Int) -> [UInt64]? {
        var words: [UInt64] = []
        for _ in 0..<count {
            guard let word = word() else { return nil }
            words.append(word)
        }
        return words
    }

    /// A number that says how many; nil above the bound.
    mutating func count(maximum: Int) -> Int? {
        guard let word = word(), word <= UInt64(maximum) else { return nil }
        return Int(word)
    }

    mutating func string() -> String? {
        guard let count = value(UInt16.self), let bytes = take(Int(count)) else { return nil }
        return String(validating: bytes, as: UTF8.self)
    }

    mutating func array<Element: BitwiseCopyable>(_ type: Element.Type, count: Int) -> [Element]? {
        guard let bytes = take(count * MemoryLayout<Element>.stride) else { return nil }
        return [Element](unsafeUninitializedCapacity: count) { buffer, filled in
            bytes.withUnsafeBytes { UnsafeMutableRawBufferPointer(buffer).copyMemory(from: $0) }
            filled = count
        }
    }

    mutating func imports() -> [ImportReference]? {
        guard let count = count(maximum: ImportScanner.maximumCount) else { return nil }
        var references: [ImportReference] = []
        for _ in 0..<count {
            guard let kind = word() else { return nil }
            if kind < 2 {
                guard let text = string() else { return nil }
                references.append(kind == 0 ? .path(text) : .folder(text))
            } else {
                guard kind < 1 << 16, let components = strings(), let names = strings() else { return nil }
                references.append(
                    .module(components, levelsUp: kind == 2 ? nil : Int(kind) - 3, names: names))
            }
        }
        return references
    }

    private mutating func strings() -> [String]? {
        guard let count = count(maximum: ByteReader.maximumStringCount) else { return nil }
        var strings: [String] = []
        for _ in 0..<count {
            guard let string = string() else { return nil }
            strings.append(string)
        }
        return strings
    }
}
