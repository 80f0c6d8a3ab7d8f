// GPT-2's byte alphabet: vocabularies are stored as text in which every byte is one printable character.
// Bytes that are printable in Latin-1 stand for themselves, the other 68 are written as U+0100 and up, in
// order. Reference: Radford et al. 2019 and its published encoder.

/// Translates between bytes and the characters that stand for them in a vocabulary.
enum ByteAlphabet {
    /// One more than the highest character of the alphabet: 256 + 68 shifted bytes.
    private static let characterCount = 324

    /// The byte that a character stands for, -1 for characters outside the alphabet.
    private static let byteOfCharacter: [Int16] = {
        var table = [Int16](repeating: -1, count: characterCount)
        var shiftedCount = 0
        for byte in 0..<256 {
            if isItself(byte) {
                table[byte] = Int16(byte)
            } else {
                table[256 + shiftedCount] = Int16(byte)
                shiftedCount += 1
            }
        }
        return table
    }()

    /// Printable in Latin-1, without the space, the no-break space and the soft hyphen.
    private static func isItself(_ byte: Int) -> Bool {
        (33...126).contains(byte) || (161...172).contains(byte) || (174...255).contains(byte)
    }

    /// Appends to `output` the bytes that `text` (UTF-8) stands for. Returns false, with `output` as it was,
    /// if a character is not in the alphabet.
    static func decode(_ text: UnsafeRawBufferPointer, into output: inout [UInt8]) -> Bool {
        let oldCount = output.count
        var index = 0
        while index < text.count {
            var character = Int(text[index])
            index += 1
            if character >= 0x80 {
                // Every character of the alphabet above ASCII takes two bytes.
                guard character & 0xE0 == 0xC0, index < text.count, text[index] & 0xC0 == 0x80 else {
                    output.removeSubrange(oldCount...)
                    return false
                }
                character = (character & 0x1F) << 6 | Int(text[index] & 0x3F)
                index += 1
            }
            guard character < characterCount, byteOfCharacter[character] >= 0 else {
                output.removeSubrange(oldCount...)
                return false
            }
            output.append(UInt8(byteOfCharacter[character]))
        }
        return true
    }
}
