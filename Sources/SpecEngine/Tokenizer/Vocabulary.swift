// The vocabulary as bytes: what each token stands for, and which token a byte string is. A GGUF file of the
// `gpt2` family spells tokens in the byte-level alphabet (a printable character for every byte); here they are
// turned back into bytes once, at load. Not a Dictionary of String: two byte strings may be one Swift String.

/// Tokens and their bytes. Immutable; usable from any thread.
struct Vocabulary: Sendable {
    /// What GGUF's `tokenizer.ggml.token_type` says of a token that is structure, not text.
    static let controlType = 3

    private let bytes: [UInt8]  // of all tokens, one after the other
    private let ends: [Int32]  // ends[i] is where token i's bytes end
    private let isControl: [Bool]

    var count: Int { ends.count }

    init(_ file: GGUFFile) throws(GGUFError) {
        let tokens = try file.metadata.requiredStringArray("tokenizer.ggml.tokens")
        let types = try file.metadata.numberArray("tokenizer.ggml.token_type")
        if let types, types.count != tokens.count {
            throw GGUFError(
                path: file.path,
                problem: .invalidValue(
                    key: "tokenizer.ggml.token_type", expected: "\(tokens.count) entries",
                    found: "\(types.count)"))
        }
        var bytes: [UInt8] = []
        var ends: [Int32] = []
        var isControl: [Bool] = []
        bytes.reserveCapacity(tokens.count * 8)
        ends.reserveCapacity(tokens.count)
        isControl.reserveCapacity(tokens.count)
        for index in 0..<tokens.count {
            let control = types?.integer(at: index) == Self.controlType
            let spelling = tokens.bytes(at: index)
            if control {
                bytes.append(contentsOf: spelling)
            } else if !ByteLevelAlphabet.decode(spelling, into: &bytes) {
                throw GGUFError(
                    path: file.path,
                    problem: .malformed(
                        part: "token \(index) of the vocabulary",
                        reason: "is not spelled in the byte-level alphabet"))
            }
            guard let end = Int32(exactly: bytes.count) else {
                throw GGUFError(
                    path: file.path,
                    problem: .malformed(part: "the vocabulary", reason: "has more than 2 GiB of text"))
            }
            ends.append(end)
            isControl.append(control)
        }
        self.bytes = bytes
        self.ends = ends
        self.isControl = isControl
    }

    /// Whether the token is structure, such as `<|fim_prefix|>`.
    func isControl(_ token: TokenID) -> Bool { isControl[Int(token.rawValue)] }

    /// The token's bytes; for a control token its spelling.
    func bytes(of token: TokenID) -> ArraySlice<UInt8> {
        let index = Int(token.rawValue)
        return bytes[(index == 0 ? 0 : Int(ends[index - 1]))..<Int(ends[index])]
    }
}

/// GPT-2's spelling of bytes as printable characters: printable Latin-1 bytes stand for themselves, the other
/// 68 for U+0100 onwards in ascending order.
enum ByteLevelAlphabet {
    /// The byte that a character below U+0144 spells, or -1.
    private static let byteOfScalar: [Int16] = {
        var table = [Int16](repeating: -1, count: 0x144)
        var next = 0x100
        for byte in 0..<256 {
            let isPrintable =
                (33...126).contains(byte) || (161...172).contains(byte) || (174...255).contains(byte)
            if isPrintable {
                table[byte] = Int16(byte)
            } else {
                table[next] = Int16(byte)
                next += 1
            }
        }
        return table
    }()

    /// Appends the bytes that a UTF-8 spelling stands for; false where a character is outside the alphabet.
    static func decode(_ spelling: UnsafeRawBufferPointer, into bytes: inout [UInt8]) -> Bool {
        var index = 0
        while index < spelling.count {
            var scalar = Int(spelling[index])
            index += 1
            if scalar >= 0x80 {
                // All characters of the alphabet beyond ASCII take two bytes.
                guard scalar & 0xE0 == 0xC0, index < spelling.count else { return false }
                scalar = (scalar & 0x1F) << 6 | Int(spelling[index]) & 0x3F
                index += 1
            }
            guard scalar < byteOfScalar.count, byteOfScalar[scalar] >= 0 else { return false }
            bytes.append(UInt8(byteOfScalar[scalar]))
        }
        return true
    }
}
