// Decoding of single UTF-8 characters by the Unicode standard's table 3-7 (no overlong forms, no surrogates).

enum UTF8Sequence {
    /// The character at `index` and its length in bytes, or nil where the bytes are not valid UTF-8.
    static func decode(_ text: UnsafeBufferPointer<UInt8>, at index: Int) -> (Unicode.Scalar, Int)? {
        let first = UInt32(text[index])
        if first < 0x80 { return (Unicode.Scalar(UInt8(first)), 1) }
        let length = expectedLength(UInt8(first))
        guard length > 1, index + length <= text.count else { return nil }
        var value = first & (0x7F >> UInt32(length))
        for offset in 1..<length {
            let byte = text[index + offset]
            guard byte & 0xC0 == 0x80 else { return nil }
            value = value << 6 | UInt32(byte & 0x3F)
        }
        let smallest: UInt32 = length == 2 ? 0x80 : length == 3 ? 0x800 : 0x10000
        guard value >= smallest, let scalar = Unicode.Scalar(value) else { return nil }
        return (scalar, length)
    }

    /// The length that a leading byte announces; 0 where it cannot lead.
    static func expectedLength(_ first: UInt8) -> Int {
        switch first {
        case 0x00...0x7F: 1
        case 0xC2...0xDF: 2
        case 0xE0...0xEF: 3
        case 0xF0...0xF4: 4
        default: 0
        }
    }

    /// Whether `bytes` could still become one valid character by appending bytes.
    static func isIncomplete(_ bytes: [UInt8]) -> Bool {
        guard let first = bytes.first, expectedLength(first) > bytes.count else { return false }
        for (index, byte) in bytes.enumerated().dropFirst() {
            guard byte & 0xC0 == 0x80 else { return false }
            guard index == 1 else { continue }
            switch first {  // what the second byte may be after these leading bytes
            case 0xE0: if byte < 0xA0 { return false }
            case 0xED: if byte > 0x9F { return false }
            case 0xF0: if byte < 0x90 { return false }
            case 0xF4: if byte > 0x8F { return false }
            default: break
            }
        }
        return true
    }
}
