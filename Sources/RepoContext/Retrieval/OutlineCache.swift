// Outlines of the files that queries looked at lately, so that typing on reads and cuts nothing anew. An outline is
// believed as long as its file's identity is the same. Owned by Checkout; `index` thread only.

/// The text of a candidate, cut into snippets.
struct OutlinedText {
    var outline: SnippetOutline
    /// `identifierHash` of the text.
    var hash: UInt64
    /// The id of a git blob with the text; nil where it could not be computed.
    var blobID: String?
}

/// A bounded store of outlines.
struct OutlineCache {
    /// Files kept; more than two queries in different places look at.
    static let maximumCount = 96
    /// Bytes of text kept.
    static let maximumByteCount = 8 << 20

    private var entries: [RelativePath: (key: ContentKey, text: OutlinedText, lastUse: UInt64)] = [:]
    private var useCount: UInt64 = 0
    private var byteCount = 0

    /// The outline of a path if it was made from this content.
    mutating func find(_ path: RelativePath, key: ContentKey) -> OutlinedText? {
        guard let entry = entries[path], entry.key == key else { return nil }
        useCount += 1
        entries[path]?.lastUse = useCount
        return entry.text
    }

    /// Cuts a text and keeps the outline.
    mutating func add(_ path: RelativePath, key: ContentKey, text: [UInt8]) -> OutlinedText {
        let made = OutlinedText(
            outline: SnippetOutline(text, language: SourceLanguage(path: path) ?? .other),
            hash: identifierHash(text[...]), blobID: GitObjectID(blobWith: text)?.description)
        remove(path)
        useCount += 1
        entries[path] = (key, made, useCount)
        byteCount += text.count
        while entries.count > OutlineCache.maximumCount || byteCount > OutlineCache.maximumByteCount,
            let oldest = entries.min(by: { $0.value.lastUse < $1.value.lastUse })?.key, oldest != path
        {
            remove(oldest)
        }
        return made
    }

    private mutating func remove(_ path: RelativePath) {
        guard let old = entries.removeValue(forKey: path) else { return }
        byteCount -= old.text.outline.text.count
    }
}
