// A 64-bit checksum at memory speed, against bytes that a disk or a crash has changed. Not cryptographic: whoever can
// write into the user's cache directory needs no collision.

/// Eight independent lanes of multiply and rotate, folded at the end (the construction of xxHash, other constants).
enum StripedChecksum {
    private static let multiplier: UInt64 = 0x9E37_79B9_7F4A_7C15
    private static let finisher: UInt64 = 0xD6E8_FEB8_6659_FD93

    static func of(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        var lanes = SIMD8<UInt64>(1, 2, 3, 4, 5, 6, 7, 8) &* multiplier
        let wholeCount = bytes.count / 64
        if let base = bytes.baseAddress {
            for index in 0..<wholeCount {
                let words = (base + index * 64).loadUnaligned(as: SIMD8<UInt64>.self)
                lanes = (lanes ^ words) &* multiplier
                lanes ^= lanes &>> 29
            }
        }
        var sum = UInt64(bytes.count) &* finisher
        for lane in 0..<8 { sum = mixed(sum ^ lanes[lane]) }
        for byte in bytes[(wholeCount * 64)...] { sum = mixed(sum ^ UInt64(byte)) }
        return sum
    }

    private static func mixed(_ value: UInt64) -> UInt64 {
        let product = (value ^ value >> 32) &* finisher
        return product ^ product >> 29
    }

    /// 16 hexadecimal digits, for file names.
    static func name(_ bytes: [UInt8]) -> String {
        let sum = bytes.withUnsafeBytes(of)
        let digits = Array("0123456789abcdef")
        return String((0..<16).map { digits[Int(sum >> (60 - 4 * UInt64($0)) & 15)] })
    }
}
