// What stands at the beginning of a snapshot file, and nothing of the file itself: which arithmetic made the keys and
// values, which tokens they stand for, which files those tokens were read from. docs/PREFIX_CACHE.md has the layout.

/// What must be equal for keys and values to have the same bits.
package struct SnapshotKey: Sendable, Equatable {
    /// Raised whenever any of the arithmetic before or in the cache changes its results (docs/NUMERICS.md).
    package static let numericVersion = 3

    /// SHA-256 of the model file.
    package let modelChecksum: String
    package let instructionSet: String
    package let blockByteCount: Int

    var text: String {
        "model \(modelChecksum) numeric \(Self.numericVersion) isa \(instructionSet) block \(blockByteCount)"
    }
}

/// A file whose text is in a snapshot's tokens.
package struct SnapshotSource: Sendable, Equatable {
    /// Relative to the repository's root.
    package var path: String
    /// The git blob, or empty where the text was not committed.
    package var blobID: String
    package var tokenRange: Range<Int>

    package init(path: String, blobID: String, tokenRange: Range<Int>) {
        self.path = path
        self.blobID = blobID
        self.tokenRange = tokenRange
    }
}

/// Whose prompt a snapshot holds.
package struct SnapshotOrigin: Sendable, Equatable {
    /// Absolute path of the repository's root.
    package var rootPath: String
    /// The file that was completed in, relative to the root; empty for repository context alone.
    package var documentPath: String
    /// Where the cursor was, in bytes of the document.
    package var cursorOffset: Int
    package var sources: [SnapshotSource]

    package init(rootPath: String, documentPath: String, cursorOffset: Int = 0, sources: [SnapshotSource]) {
        self.rootPath = rootPath
        self.documentPath = documentPath
        self.cursorOffset = cursorOffset
        self.sources = sources
    }
}

/// The header as a value.
struct SnapshotHeader: Sendable, Equatable {
    static let magic = Array("FTKKV\u{0}\u{0}\u{1}".utf8)
    static let pageByteCount = 4_096
    static let maximumByteCount = 8 << 20
    private static let fixedByteCount = 48

    var key: String
    var origin: SnapshotOrigin
    /// The whole sequence from position 0, blocks of other files included.
    var tokens: [TokenID]
    /// The first block that is in this file; those before it are in files of sequences that begin alike.
    var firstBlock: Int
    var blockByteCount: Int
    /// Of the blocks in this file.
    var checksums: [UInt64]

    /// Where the blocks begin, and how far they are apart.
    var dataOffset: Int { Self.wholePages(byteCount) }
    var blockStride: Int { Self.wholePages(blockByteCount) }
    var fileByteCount: Int { dataOffset + checksums.count * blockStride }

    private static func wholePages(_ count: Int) -> Int {
        (count + pageByteCount - 1) / pageByteCount * pageByteCount
    }

    private var strings: [String] {
        [key, origin.rootPath, origin.documentPath, "\(origin.cursorOffset)"]
            + origin.sources.flatMap {
                [$0.path, $0.blobID, "\($0.tokenRange.lowerBound)", "\($0.tokenRange.upperBound)"]
            }
    }

    private var byteCount: Int {
        Self.fixedByteCount + tokens.count * 4 + checksums.count * 8
            + strings.reduce(0) { $0 + $1.utf8.count + 1 }
    }

    // MARK: Bytes

    /// Magic, checksum of all that follows, then the fields, little-endian; padded to whole pages.
    func encoded() -> [UInt8] {
        var body: [UInt8] = []
        func append<Value: FixedWidthInteger>(_ value: Value) {
            withUnsafeBytes(of: value.littleEndian) { body.append(contentsOf: $0) }
        }
        append(UInt64(byteCount))
        append(UInt64(blockByteCount))
        append(UInt32(firstBlock))
        append(UInt32(checksums.count))
        append(UInt32(tokens.count))
        append(UInt32(strings.count))
        for checksum in checksums { append(checksum) }
        for token in tokens { append(token.rawValue) }
        for string in strings { body += Array(string.utf8) + [0] }
        let checksum = body.withUnsafeBytes(StripedChecksum.of)
        var bytes = Self.magic
        withUnsafeBytes(of: checksum.littleEndian) { bytes.append(contentsOf: $0) }
        bytes += body
        return bytes + [UInt8](repeating: 0, count: dataOffset - bytes.count)
    }

    /// Nil unless every byte is as `encoded` writes it. The bytes may be anything.
    init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= Self.fixedByteCount, bytes.prefix(8).elementsEqual(Self.magic) else {
            return nil
        }
        func load<Value: FixedWidthInteger>(_ offset: Int, as type: Value.Type) -> Value {
            Value(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: type))
        }
        guard let byteCount = Int(exactly: load(16, as: UInt64.self)),
            let blockByteCount = Int(exactly: load(24, as: UInt64.self)),
            (Self.fixedByteCount...min(bytes.count, Self.maximumByteCount)).contains(byteCount),
            (1...1 << 32).contains(blockByteCount),
            StripedChecksum.of(UnsafeRawBufferPointer(rebasing: bytes[16..<byteCount]))
                == load(8, as: UInt64.self)
        else { return nil }
        firstBlock = Int(load(32, as: UInt32.self))
        let blockCount = Int(load(36, as: UInt32.self))
        let tokenCount = Int(load(40, as: UInt32.self))
        let stringCount = Int(load(44, as: UInt32.self))
        let textOffset = Self.fixedByteCount + blockCount * 8 + tokenCount * 4
        guard textOffset <= byteCount, tokenCount > 0, blockCount > 0,
            firstBlock + blockCount == KVCache.blockCount(tokenCount)
        else { return nil }
        self.blockByteCount = blockByteCount
        checksums = (0..<blockCount).map { load(Self.fixedByteCount + $0 * 8, as: UInt64.self) }
        let tokensOffset = Self.fixedByteCount + blockCount * 8
        tokens = (0..<tokenCount).map { TokenID(load(tokensOffset + $0 * 4, as: Int32.self)) }
        let strings = bytes[textOffset..<byteCount].split(separator: 0, omittingEmptySubsequences: false)
            .dropLast()
            .map { String(decoding: $0, as: UTF8.self) }
        guard strings.count == stringCount, strings.count >= 4, strings.count % 4 == 0,
            let cursorOffset = Int(strings[3])
        else { return nil }
        key = strings[0]
        origin = SnapshotOrigin(
            rootPath: strings[1], documentPath: strings[2], cursorOffset: cursorOffset, sources: [])
        for index in stride(from: 4, to: strings.count, by: 4) {
            guard let start = Int(strings[index + 2]), let end = Int(strings[index + 3]), 0 <= start,
                start <= end,
                end <= tokenCount
            else { return nil }
            origin.sources.append(
                SnapshotSource(path: strings[index], blobID: strings[index + 1], tokenRange: start..<end))
        }
    }

    init(
        key: String, origin: SnapshotOrigin, tokens: [TokenID], firstBlock: Int, blockByteCount: Int,
        checksums: [UInt64]
    ) {
        self.key = key
        self.origin = origin
        self.tokens = tokens
        self.firstBlock = firstBlock
        self.blockByteCount = blockByteCount
        self.checksums = checksums
    }
}
