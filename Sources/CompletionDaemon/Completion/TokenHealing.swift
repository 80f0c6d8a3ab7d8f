// Where a prompt ends that is asked for inside a word. The tokens of a word's beginning are seldom the beginning of the
// word's tokens, so the prompt ends before the word, and the engine draws tokens that agree with what is typed of it
// (SpecEngine, `RequiredPrefix`). Pure. While a word is typed the prompt stays the same, so nothing is read anew.

import SpecEngine

/// Which bytes before a cursor are written again.
enum TokenHealing {
    /// More than this of one word is data, not a name; its tokens are what they are.
    static let maximumByteCount = 48
    /// How much of the line is looked at to cut it as the tokenizer does.
    private static let lineByteCount = 256

    /// Bytes directly before the end of `prefix` that belong to a word's last tokens, with a blank or a point before
    /// it where that is in the same token; 0 where the cursor is behind no word. Of a name with underscores only the
    /// last part is written again: tokenizers cut before them.
    static func heldBackByteCount(before prefix: ArraySlice<UInt8>, tokenizer: Tokenizer) -> Int {
        let line = TextLines.lastLine(of: prefix.suffix(lineByteCount))
        let word = line.reversed().prefix { TextLines.isWordByte($0) }.count
        guard word > 0, word <= maximumByteCount else { return 0 }
        // Bytes before the word decide how it is cut, bytes far before it do not.
        let start = line.dropLast(word).lastIndex(where: TextLines.isBlank) ?? line.startIndex
        let tokens = tokenizer.encode(Array(line[start...]), parsingSpecialTokens: false, isPart: true)
        var byteCount = 0
        for token in tokens.reversed() {
            byteCount = min(line.count, byteCount + tokenizer.bytes(of: token).count)
            if byteCount >= word || line[(line.endIndex - byteCount)...].first == UInt8(ascii: "_") { break }
        }
        // A token may begin inside a character, a prompt may not end there.
        while byteCount > 0, byteCount < line.count, line[line.endIndex - byteCount] & 0xC0 == 0x80 { byteCount += 1 }
        return byteCount
    }
}
