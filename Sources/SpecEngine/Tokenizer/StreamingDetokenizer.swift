// Token bytes to text as they arrive. A token may end inside a character; what is handed on never does.

/// Holds back the bytes of an unfinished character (three at most). A value per generation.
package struct StreamingDetokenizer: Sendable {
    private static let replacement: [UInt8] = [0xEF, 0xBF, 0xBD]  // U+FFFD
    private var pending: [UInt8] = []

    package init() { pending.reserveCapacity(4) }

    /// Appends the whole characters that are complete with `bytes`. Bytes that can never become a character are
    /// replaced by U+FFFD, as the Unicode standard recommends: one for each maximal invalid part.
    package mutating func append(_ bytes: some Sequence<UInt8>, to text: inout [UInt8]) {
        for byte in bytes {
            pending.append(byte)
            settle(&text)
        }
    }

    /// Drops an unfinished character at the end of the generation.
    package mutating func finish() { pending.removeAll(keepingCapacity: true) }

    private mutating func settle(_ text: inout [UInt8]) {
        let isComplete = pending.withUnsafeBufferPointer { UTF8Sequence.decode($0, at: 0)?.1 == $0.count }
        if isComplete {
            text.append(contentsOf: pending)
            pending.removeAll(keepingCapacity: true)
        } else if !UTF8Sequence.isIncomplete(pending) {
            text.append(contentsOf: Self.replacement)
            let last = pending.removeLast()
            let hadMore = !pending.isEmpty
            pending.removeAll(keepingCapacity: true)
            if hadMore {  // the byte that broke the character may begin another
                pending.append(last)
                settle(&text)
            }
        }
    }
}
