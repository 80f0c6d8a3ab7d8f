// One document as it was at one moment. A value: it can go to any task, and an edit that follows makes a new
// one (the text is copied only when an older snapshot is still alive).

/// An open document's text and what is known about it.
struct DocumentSnapshot: Sendable {
    let uri: DocumentURI
    /// The absolute path of a `file:` document; nil for untitled and virtual ones.
    let path: String?
    /// The client's name for the language; empty when it gave none.
    let languageID: String
    /// The client's number for this state of the text, if it sends one.
    fileprivate(set) var version: Int64?
    /// UTF-8.
    fileprivate(set) var bytes: [UInt8]
    fileprivate(set) var lineTable: LineTable

    init(uri: DocumentURI, languageID: String, version: Int64?, bytes: [UInt8]) {
        self.uri = uri
        self.path = uri.filePath
        self.languageID = languageID
        self.version = version
        self.bytes = bytes
        self.lineTable = LineTable(bytes)
    }

    /// Replaces the whole text.
    mutating func replaceText(_ text: [UInt8], version: Int64?) {
        self = DocumentSnapshot(
            uri: uri, languageID: languageID, version: version ?? self.version, bytes: text)
    }

    /// Replaces a range of bytes; both ends lie on character boundaries.
    mutating func replaceText(in range: Range<Int>, with text: String) {
        bytes.replaceSubrange(range, with: text.utf8)
        lineTable.replace(range, insertedByteCount: text.utf8.count, newBytes: bytes)
    }

    /// Notes the version that the last edit led to.
    mutating func setVersion(_ version: Int64?) {
        self.version = version ?? self.version
    }

    /// The wire position of a byte offset.
    func position(of offset: Int, encoding: PositionEncoding) -> Position {
        lineTable.position(of: offset, in: bytes, encoding: encoding)
    }

    /// The byte offset of a wire position.
    func resolve(_ position: Position, encoding: PositionEncoding) -> LineTable.Resolution {
        lineTable.resolve(position, in: bytes, encoding: encoding)
    }

    /// The bytes of a wire range, with its ends in order.
    func resolve(
        _ range: PositionRange, encoding: PositionEncoding
    ) -> (bytes: Range<Int>, wasClamped: Bool) {
        let start = resolve(range.start, encoding: encoding)
        let end = resolve(range.end, encoding: encoding)
        let isReversed = end.offset < start.offset
        return (
            isReversed ? end.offset..<start.offset : start.offset..<end.offset,
            start.wasClamped || end.wasClamped || isReversed
        )
    }
}
