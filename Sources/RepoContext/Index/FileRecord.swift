// What the index keeps of one file's content: not the text, only what ranking asks for. A record belongs to
// a content, not to a path, so that a checkout of another branch and back reads nothing twice.

/// Names one content: a blob, or a file of the work tree that git does not know in this state.
package enum ContentKey: Hashable, Sendable {
    case blob(GitObjectID)
    case file(FileStamp)
    /// The text of an open document, by length and hash.
    case document(byteCount: Int, hash: UInt64)
}

/// The scanned content of one file.
package struct FileRecord: Sendable {
    /// Names defined, in the order of the text; empty for what is not program text.
    package var definitions: [Definition]
    package var byteCount: Int
    /// Written by a tool, minified, or without text for us: never worth a place in a prompt.
    package var isUnhelpful: Bool

    /// Average line length above which a file counts as minified or data: prose and code stay under 120.
    static let maximumMeanLineByteCount = 300

    /// A record for a file that is not read (binary, too large, secret).
    static let withoutText = FileRecord(definitions: [], byteCount: 0, isUnhelpful: true)

    /// Scans a text.
    static func scan(_ bytes: [UInt8], language: SourceLanguage) -> FileRecord {
        let lineCount = bytes.reduce(into: 1) { count, byte in count += byte == 0x0A ? 1 : 0 }
        let isUnhelpful = bytes.count / lineCount > maximumMeanLineByteCount || isGenerated(bytes)
        let isScanned = language != .plainText && !isUnhelpful
        return FileRecord(
            definitions: isScanned ? DefinitionScanner.definitions(in: bytes, language: language) : [],
            byteCount: bytes.count, isUnhelpful: isUnhelpful
        )
    }

    /// The marks that generators leave in the first lines ("Code generated … DO NOT EDIT.", "@generated").
    private static func isGenerated(_ bytes: [UInt8]) -> Bool {
        let head = bytes.prefix(600).map { $0 >= 0x41 && $0 <= 0x5A ? $0 | 0x20 : $0 }
        if head.firstIndex(of: generatedTag, from: 0) != nil { return true }
        return head.firstIndex(of: doNotEdit, from: 0) != nil
            && head.firstIndex(of: generatedWord, from: 0) != nil
    }

    private static let generatedTag = Array("@generated".utf8)
    private static let generatedWord = Array("generated".utf8)
    private static let doNotEdit = Array("do not edit".utf8)
}
