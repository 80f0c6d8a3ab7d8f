// Turns the bytes of tokens, as they come, into text. A token can end inside a character; the detokenizer
// holds those bytes back until the rest arrives, so what it returns never ends in half a character. Bytes
// that cannot become well-formed UTF-8 are replaced by U+FFFD as Swift's own decoder does, at once.

/// Collects bytes and hands out whole characters.
package struct StreamingDetokenizer: Sendable {
    /// The start of a character whose end has not arrived: at most three bytes.
    private var pending: [UInt8] = []

    /// Room for the bytes of any usual token, so that none of them allocates.
    private static let reservedByteCount = 256

    package init() { pending.reserveCapacity(Self.reservedByteCount) }

    /// Whether part of a character is held back.
    package var hasPendingBytes: Bool { !pending.isEmpty }

    /// Adds bytes and returns all text that is complete now.
    package mutating func append(_ bytes: some Sequence<UInt8>) -> String {
        var text: [UInt8] = []
        append(bytes, to: &text)
        return String(decoding: text, as: UTF8.self)
    }

    /// Adds bytes and appends all text that is complete now to `text`; well-formed bytes allocate nothing where `text`
    /// has room.
    package mutating func append(_ bytes: some Sequence<UInt8>, to text: inout [UInt8]) {
        pending.append(contentsOf: bytes)
        let completeCount = pending.count - Self.incompleteSuffixByteCount(pending)
        guard completeCount > 0 else { return }
        // Not a slice: one that is alive when its bytes are removed would have them copied.
        pending.withUnsafeBufferPointer { pending in
            let complete = UnsafeBufferPointer(rebasing: pending[..<completeCount])
            if UTF8Decoder.isWellFormed(complete) {
                text.append(contentsOf: complete)
            } else {
                text.append(contentsOf: String(decoding: complete, as: UTF8.self).utf8)
            }
        }
        pending.removeFirst(completeCount)
    }

    /// Ends the text: what was held back, as U+FFFD, or nothing.
    package mutating func finish() -> String {
        defer { pending.removeAll() }
        return String(decoding: pending, as: UTF8.self)
    }

    /// How many bytes at the end are the beginning of a character that more bytes could complete.
    private static func incompleteSuffixByteCount(_ bytes: [UInt8]) -> Int {
        for suffixCount in 1...3 where suffixCount <= bytes.count {
            let start = bytes.count - suffixCount
            let lead = bytes[start]
            if lead & 0xC0 == 0x80 { continue }
            guard let byteCount = UTF8Decoder.sequenceByteCount(lead: lead), byteCount > suffixCount else {
                return 0
            }
            // The bytes between are continuation bytes; only the second can be out of its range.
            let isWellFormed = suffixCount == 1 || UTF8Decoder.isSecond(bytes[start + 1], after: lead)
            return isWellFormed ? suffixCount : 0
        }
        return 0
    }
}
