// Well-formed UTF-8, byte by byte (Unicode Standard, table 3-7). Used where text is cut at character bounds
// without making a String of it.

enum UTF8Decoder {
    /// The number of bytes that a lead byte announces; nil for bytes that begin no character.
    @inline(__always)
    static func sequenceByteCount(lead: UInt8) -> Int? {
        switch lead {
        case 0x00...0x7F: 1
        case 0xC2...0xDF: 2
        case 0xE0...0xEF: 3
        case 0xF0...0xF4: 4
        default: nil
        }
    }

    /// Whether `second` can follow `lead`: rules out overlong forms, surrogates and values above U+10FFFF.
    @inline(__always)
    static func isSecond(_ second: UInt8, after lead: UInt8) -> Bool {
        switch lead {
        case 0xE0: second >= 0xA0 && second <= 0xBF
        case 0xED: second >= 0x80 && second <= 0x9F
        case 0xF0: second >= 0x90 && second <= 0xBF
        case 0xF4: second >= 0x80 && second <= 0x8F
        default: second & 0xC0 == 0x80
        }
    }

    /// Whether all of `text` is whole, valid characters.
    static func isWellFormed(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        var index = 0
        while index < text.count {
            guard let next = scalar(in: text, at: index)?.next else { return false }
            index = next
        }
        return true
    }

    /// The scalar that starts at `index` and the index after it; nil if the bytes there are not well-formed.
    static func scalar(
        in text: UnsafeBufferPointer<UInt8>, at index: Int
    ) -> (scalar: Unicode.Scalar, next: Int)? {
        let lead = text[index]
        guard let byteCount = sequenceByteCount(lead: lead), index + byteCount <= text.count else {
            return nil
        }
        if byteCount == 1 { return (Unicode.Scalar(lead), index + 1) }
        guard isSecond(text[index + 1], after: lead) else { return nil }
        // A lead byte of n bytes carries 7 - n bits.
        var value = UInt32(lead) & (0x7F >> UInt32(byteCount))
        for offset in 1..<byteCount {
            let byte = text[index + offset]
            guard byte & 0xC0 == 0x80 else { return nil }
            value = value << 6 | UInt32(byte & 0x3F)
        }
        guard let scalar = Unicode.Scalar(value) else { return nil }
        return (scalar, index + byteCount)
    }
}
