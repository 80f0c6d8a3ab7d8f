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
package struct FileRecord: Sendable, Equatable {
    /// Distinct identifiers as `identifierTerm`, rising; at most `maximumTermCount`.
    package var terms: [UInt32]
    /// Beside each term: how often it stands in the file (at most 127), and `definingBit` where the file defines it.
    package var weights: [UInt8]
    /// Identifiers in the file, each occurrence counted: its length as BM25 sees it.
    package var identifierCount: Int
    /// Files that it names.
    package var imports: [ImportReference]
    package var byteCount: Int
    /// Written by a tool, minified, or without text for us: never worth a place in a prompt.
    package var isUnhelpful: Bool

    /// Average line length above which a file counts as minified or data: prose and code stay under 120.
    static let maximumMeanLineByteCount = 300
    /// Terms kept per file. A file with more is a table; half a megabyte of source has some 4,000.
    static let maximumTermCount = 4_096
    /// Set in a weight where the file defines the term.
    static let definingBit: UInt8 = 0x80

    /// A record for a file that is not read (binary, too large, secret).
    static let withoutText = FileRecord(
        terms: [], weights: [], identifierCount: 0, imports: [], byteCount: 0, isUnhelpful: true)

    /// Scans a text in one pass over its tokens.
    static func scan(_ bytes: [UInt8], language: SourceLanguage) -> FileRecord {
        let lineCount = bytes.reduce(into: 1) { count, byte in count += byte == 0x0A ? 1 : 0 }
        let isUnhelpful = bytes.count / lineCount > maximumMeanLineByteCount || isGenerated(bytes)
        guard !isUnhelpful else {
            var record = withoutText
            record.byteCount = bytes.count
            return record
        }
        let tokens = SourceLexer.tokens(bytes, language: language)
        let defined =
            language == .plainText ? [] : DefinitionScanner.definitions(in: tokens, language: language)
        let (terms, weights, count) = counted(tokens, defined: defined)
        return FileRecord(
            terms: terms, weights: weights, identifierCount: count,
            imports: ImportScanner.references(in: bytes, tokens: tokens, language: language),
            byteCount: bytes.count, isUnhelpful: false)
    }

    private static func counted(
        _ tokens: [SourceToken], defined: [Definition]
    ) -> (terms: [UInt32], weights: [UInt8], count: Int) {
        var all: [UInt32] = []
        all.reserveCapacity(tokens.count / 2)
        for token in tokens where token.kind == .identifier && token.end - token.start >= 2 {
            all.append(identifierTerm(token.hash))
        }
        all.sort()
        let definedTerms = defined.map { identifierTerm($0.name) }.sorted()
        var terms: [UInt32] = []
        var weights: [UInt8] = []
        var definedPlace = 0
        var place = 0
        while place < all.count, terms.count < maximumTermCount {
            let term = all[place]
            var end = place + 1
            while end < all.count, all[end] == term { end += 1 }
            while definedPlace < definedTerms.count, definedTerms[definedPlace] < term { definedPlace += 1 }
            let isDefined = definedPlace < definedTerms.count && definedTerms[definedPlace] == term
            terms.append(term)
            weights.append(UInt8(min(127, end - place)) | (isDefined ? definingBit : 0))
            place = end
        }
        return (terms, weights, all.count)
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

/// The 32-bit name of an identifier in the index. Two of a repository's some hundred thousand identifiers may share
/// one; with a query's hundred names the odds of meeting such a pair are one in a few hundred, and it moves a score.
func identifierTerm(_ hash: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: hash ^ (hash >> 32)) }
