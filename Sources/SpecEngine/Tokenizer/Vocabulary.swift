// The list of tokens as bytes: id to bytes for decoding, bytes to id for building the merge table. All tokens
// share one byte array, so a vocabulary of a hundred thousand entries is four allocations.

/// What a vocabulary entry is for; raw values are GGUF's `token_type`.
package enum TokenKind: UInt8, Sendable {
    case normal = 1
    case unknown = 2
    case control = 3
    case userDefined = 4
    case unused = 5
    case byte = 6
}

/// The tokens of a vocabulary. Immutable.
package struct Vocabulary: Sendable {
    /// The bytes of all tokens, one after the other.
    private let storage: [UInt8]
    /// Token i is `storage[offsets[i] ..< offsets[i + 1]]`.
    private let offsets: [UInt32]
    private let kinds: [TokenKind]
    /// Open addressing over the normal tokens' bytes; -1 is an empty slot.
    private let slots: [Int32]
    /// Random and odd, so that no file can be made whose tokens all fall into one slot.
    private let hashMultiplier: UInt64

    /// More than any published vocabulary.
    static let maximumTokenCount = ModelConfiguration.Limits.vocabularySize

    /// How a token list spells the bytes of its normal tokens. All others are taken literally.
    enum Spelling {
        /// In GPT-2's byte alphabet.
        case byteAlphabet
        /// As they are, with U+2581 for a space; byte tokens as `<0x41>`.
        case sentencePiece
    }

    /// Decodes a token list.
    init(
        _ tokens: GGUFStringArray, spelling: Spelling, kinds: [TokenKind], path: String
    ) throws(TokenizerError) {
        precondition(kinds.count == tokens.count)
        guard tokens.count > 0, tokens.count <= Self.maximumTokenCount else {
            throw .inconsistent(path: path, reason: "it has \(tokens.count) tokens")
        }
        var storage: [UInt8] = []
        storage.reserveCapacity(tokens.count * 8)
        var offsets: [UInt32] = [0]
        offsets.reserveCapacity(tokens.count + 1)
        var isText = [Bool](repeating: false, count: tokens.count)
        for index in 0..<tokens.count {
            let text = tokens.bytes(at: index)
            switch (spelling, kinds[index]) {
            case (.byteAlphabet, .normal) where ByteAlphabet.decode(text, into: &storage):
                isText[index] = !text.isEmpty
            case (.sentencePiece, .normal):
                Self.decodeSpaces(text, into: &storage)
                isText[index] = !text.isEmpty
            case (.sentencePiece, .byte):
                guard let byte = Self.byte(spelledBy: text) else {
                    throw .inconsistent(path: path, reason: "token \(index) names no byte")
                }
                storage.append(byte)
            default:
                storage.append(contentsOf: text)
            }
            guard let offset = UInt32(exactly: storage.count) else {
                throw .inconsistent(path: path, reason: "its tokens take more than 4 GiB")
            }
            offsets.append(offset)
        }
        let hashMultiplier = UInt64.random(in: .min ... .max) | 1
        self.slots = Self.index(storage, offsets, isText, hashMultiplier)
        self.hashMultiplier = hashMultiplier
        self.storage = storage
        self.offsets = offsets
        self.kinds = kinds
    }

    package var count: Int { kinds.count }

    /// The bytes that the token stands for; a control token's are its literal text.
    package func bytes(of token: TokenID) -> ArraySlice<UInt8> {
        let index = Int(token.rawValue)
        return storage[Int(offsets[index])..<Int(offsets[index + 1])]
    }

    package func kind(of token: TokenID) -> TokenKind { kinds[Int(token.rawValue)] }

    /// The normal token that stands for exactly these bytes; the lowest id if there are several.
    package func token(for bytes: UnsafeRawBufferPointer) -> TokenID? {
        let mask = slots.count - 1
        var slot = Int(truncatingIfNeeded: Self.hash(bytes, hashMultiplier)) & mask
        while slots[slot] >= 0 {
            let candidate = TokenID(slots[slot])
            if self.bytes(of: candidate).elementsEqual(bytes) { return candidate }
            slot = (slot + 1) & mask
        }
        return nil
    }

    /// Calls `body` with each token whose bytes begin with `bytes`, or with which `bytes` begins; `coversAll` says that
    /// it is the former. Tokens without bytes are left out.
    func forEachToken(agreeingWith bytes: ArraySlice<UInt8>, _ body: (TokenID, _ coversAll: Bool) -> Void) {
        guard let first = bytes.first else { return }
        storage.withUnsafeBufferPointer { storage in
            bytes.withUnsafeBufferPointer { wanted in
                for index in kinds.indices {
                    let start = Int(offsets[index])
                    let count = Int(offsets[index + 1]) - start
                    guard count > 0, storage[start] == first else { continue }
                    let shared = min(count, wanted.count)
                    guard (1..<max(1, shared)).allSatisfy({ storage[start + $0] == wanted[$0] }) else { continue }
                    body(TokenID(Int32(index)), count >= wanted.count)
                }
            }
        }
    }

    // MARK: SentencePiece's spelling

    /// UTF-8 of U+2581, which stands for a space.
    private static let spaceMark: [UInt8] = [0xE2, 0x96, 0x81]

    private static func decodeSpaces(_ text: UnsafeRawBufferPointer, into output: inout [UInt8]) {
        var index = 0
        while index < text.count {
            if text.count - index >= 3, text[index..<index + 3].elementsEqual(spaceMark) {
                output.append(UInt8(ascii: " "))
                index += 3
            } else {
                output.append(text[index])
                index += 1
            }
        }
    }

    /// The byte of a token such as `<0x0A>`.
    private static func byte(spelledBy text: UnsafeRawBufferPointer) -> UInt8? {
        guard text.count == 6, text.starts(with: "<0x".utf8), text[5] == UInt8(ascii: ">") else { return nil }
        return UInt8(String(decoding: text[3..<5], as: UTF8.self), radix: 16)
    }

    // MARK: Hashing

    private static func index(
        _ storage: [UInt8], _ offsets: [UInt32], _ isText: [Bool], _ hashMultiplier: UInt64
    ) -> [Int32] {
        // At most half full.
        let slotCount = 1 << (Int.bitWidth - (isText.count * 2).leadingZeroBitCount)
        var slots = [Int32](repeating: -1, count: slotCount)
        storage.withUnsafeBytes { bytes in
            func text(_ token: Int) -> UnsafeRawBufferPointer {
                UnsafeRawBufferPointer(rebasing: bytes[Int(offsets[token])..<Int(offsets[token + 1])])
            }
            for token in 0..<isText.count where isText[token] {
                var slot = Int(truncatingIfNeeded: hash(text(token), hashMultiplier)) & (slotCount - 1)
                var isDuplicate = false
                while slots[slot] >= 0 {
                    isDuplicate = text(Int(slots[slot])).elementsEqual(text(token))
                    if isDuplicate { break }
                    slot = (slot + 1) & (slotCount - 1)
                }
                if !isDuplicate { slots[slot] = Int32(token) }
            }
        }
        return slots
    }

    private static func hash(_ bytes: UnsafeRawBufferPointer, _ multiplier: UInt64) -> UInt64 {
        var hash = UInt64(truncatingIfNeeded: bytes.count) &* multiplier
        var index = 0
        while index + 8 <= bytes.count {
            hash = (hash ^ bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)) &* multiplier
            hash ^= hash >> 29
            index += 8
        }
        var rest: UInt64 = 0
        while index < bytes.count {
            rest = rest << 8 | UInt64(bytes[index])
            index += 1
        }
        hash = (hash ^ rest) &* multiplier
        return hash ^ (hash >> 32)
    }
}
