// The open documents of a session, kept equal to the editor's by applying its notifications in order. It
// takes whatever a client sends: a change that makes no sense is applied as far as it does and reported,
// never refused, because a refused edit would make every later one wrong. Server loop only.

/// Something odd about a notification, for the log.
enum DocumentProblem: Equatable, Sendable {
    case notOpen
    case alreadyOpen
    case positionOutsideText(changeIndex: Int)
    case versionNotNewer(current: Int64, received: Int64)
    case documentTooLarge(byteCount: Int, limit: Int)
    case tooManyDocuments(limit: Int)
    case textDropped(DocumentURI, totalByteCount: Int, limit: Int)
    case textUnavailable
    /// The edits of one message, and the bytes that applying them could move.
    case tooManyEdits(count: Int, byteCount: Int, limit: Int)
}

extension DocumentProblem: CustomStringConvertible {
    var description: String {
        switch self {
        case .notOpen: "it is not open; expected didOpen first"
        case .alreadyOpen: "it was already open; its text is replaced"
        case .positionOutsideText(let index): "change \(index) has a range outside the text; it was clamped"
        case .versionNotNewer(let current, let received):
            "version \(received) does not follow version \(current); the change is applied all the same"
        case .documentTooLarge(let byteCount, let limit):
            "\(byteCount) bytes are over the limit of \(limit) for a document; it gets no completions"
        case .tooManyDocuments(let limit): "over \(limit) documents are open; it gets no completions"
        case .textDropped(let uri, let total, let limit):
            "open documents hold \(total) bytes, over the limit of \(limit); \(uri) gets no completions "
                + "until it is opened again"
        case .tooManyEdits(let count, let byteCount, let limit):
            "\(count) edits in one message could move \(byteCount) bytes, over the limit of \(limit); it gets no "
                + "completions until it is opened again"
        case .textUnavailable: "its text is not held; the change is ignored"
        }
    }
}

/// All open documents.
struct DocumentStore {
    private struct Entry {
        /// Nil: open in the editor, but its text is over a limit.
        var snapshot: DocumentSnapshot?
        let languageID: String
        /// From a counter of touches; the largest is the most recent.
        var lastTouch: UInt64
    }

    /// An edit moves the text and the line starts behind it. Edits of one message may move this many bytes of text
    /// together, which takes a second or two (10,000 edits of 800 kB, or 500 of the largest document). Beyond it
    /// the text is let go: applying the edits would keep the server from everything else.
    static let movedByteCountPerMessage = 8 << 30

    private let limits: Limits
    private let maximumMovedByteCount: Int
    private var entries: [DocumentURI: Entry] = [:]
    private var touchCount: UInt64 = 0
    private var textByteCount = 0
    /// Paths of touched files, the most recent first, closed ones included.
    private(set) var recentPaths: [String] = []
    private(set) var recentEdits = RecentEdits()

    init(limits: Limits, maximumMovedByteCount: Int = movedByteCountPerMessage) {
        self.limits = limits
        self.maximumMovedByteCount = maximumMovedByteCount
    }

    /// The document's present text, nil when it is not open or not held.
    func snapshot(_ uri: DocumentURI) -> DocumentSnapshot? {
        entries[uri]?.snapshot
    }

    /// The other open documents, the most recently touched first, within the limit.
    func openDocuments(except uri: DocumentURI) -> [DocumentSnapshot] {
        entries.filter { $0.key != uri && $0.value.snapshot != nil }.values
            .sorted { $0.lastTouch > $1.lastTouch }
            .prefix(limits.contextDocumentCount)
            .compactMap(\.snapshot)
    }

    // MARK: Notifications

    mutating func open(_ document: DidOpenParams.TextDocument) -> [DocumentProblem] {
        var problems: [DocumentProblem] = []
        if entries[document.uri] != nil {
            remove(document.uri)
            problems.append(.alreadyOpen)
        }
        guard entries.count < limits.openDocumentCount else {
            return problems + [.tooManyDocuments(limit: limits.openDocumentCount)]
        }
        let languageID = document.languageId ?? ""
        entries[document.uri] = Entry(snapshot: nil, languageID: languageID, lastTouch: 0)
        problems += setText(document.uri, Array(document.text.utf8), version: document.version)
        touch(document.uri)
        return problems + dropTextOverLimit(keeping: document.uri)
    }

    mutating func change(_ params: DidChangeParams, encoding: PositionEncoding) -> [DocumentProblem] {
        let uri = params.textDocument.uri
        guard entries[uri] != nil else { return [.notOpen] }
        var problems: [DocumentProblem] = []
        // No copy of the entry is kept here: a second reference to the text would make each edit copy it.
        if let current = entries[uri]?.snapshot?.version, let received = params.textDocument.version,
            received <= current
        {
            problems.append(.versionNotNewer(current: current, received: received))
        }
        // What stands before a change of the whole text leaves nothing behind.
        let first = params.contentChanges.lastIndex { $0.range == nil } ?? 0
        if let problem = excess(of: params.contentChanges[first...], in: uri) {
            textByteCount -= entries[uri]?.snapshot?.bytes.count ?? 0
            entries[uri]?.snapshot = nil
            touch(uri)
            return problems + [problem]
        }
        for (index, change) in params.contentChanges.enumerated().dropFirst(first) {
            if let range = change.range {
                problems += applyEdit(uri, range, change.text, changeIndex: index, encoding: encoding)
            } else {
                problems += setText(uri, Array(change.text.utf8), version: params.textDocument.version)
            }
        }
        entries[uri]?.snapshot?.setVersion(params.textDocument.version)
        touch(uri)
        return problems + dropTextOverLimit(keeping: uri)
    }

    /// The problem with edits that would take too long, told from their number and the text's largest size.
    private func excess(
        of changes: ArraySlice<DidChangeParams.ContentChange>, in uri: DocumentURI
    ) -> DocumentProblem? {
        var byteCount = changes.first?.range == nil ? 0 : entries[uri]?.snapshot?.bytes.count ?? 0
        for change in changes { byteCount += change.text.utf8.count }
        let (moved, isOverflow) = changes.count.multipliedReportingOverflow(by: byteCount)
        // One change is what the reading of the message itself costs.
        guard changes.count > 1, isOverflow || moved > maximumMovedByteCount else { return nil }
        return .tooManyEdits(
            count: changes.count, byteCount: isOverflow ? .max : moved, limit: maximumMovedByteCount)
    }

    mutating func save(_ uri: DocumentURI) -> [DocumentProblem] {
        guard entries[uri] != nil else { return [.notOpen] }
        touch(uri)
        return []
    }

    mutating func close(_ uri: DocumentURI) -> [DocumentProblem] {
        guard entries[uri] != nil else { return [.notOpen] }
        remove(uri)
        return []
    }

    /// The user is working in this document.
    mutating func touch(_ uri: DocumentURI) {
        guard entries[uri] != nil else { return }
        touchCount += 1
        entries[uri]?.lastTouch = touchCount
        guard let path = uri.filePath, recentPaths.first != path else { return }
        recentPaths.removeAll { $0 == path }
        recentPaths.insert(path, at: 0)
        if recentPaths.count > limits.recentPathCount { recentPaths.removeLast() }
    }

    // MARK: Text

    private mutating func setText(_ uri: DocumentURI, _ bytes: [UInt8], version: Int64?) -> [DocumentProblem]
    {
        guard let entry = entries[uri] else { return [] }
        textByteCount -= entry.snapshot?.bytes.count ?? 0
        guard bytes.count <= limits.documentByteCount else {
            entries[uri]?.snapshot = nil
            return [.documentTooLarge(byteCount: bytes.count, limit: limits.documentByteCount)]
        }
        textByteCount += bytes.count
        let known = version ?? entry.snapshot?.version
        entries[uri]?.snapshot = DocumentSnapshot(
            uri: uri, languageID: entry.languageID, version: known, bytes: bytes)
        return []
    }

    private mutating func applyEdit(
        _ uri: DocumentURI, _ range: PositionRange, _ text: String, changeIndex: Int,
        encoding: PositionEncoding
    ) -> [DocumentProblem] {
        guard let target = entries[uri]?.snapshot?.resolve(range, encoding: encoding) else {
            return [.textUnavailable]
        }
        if let path = uri.filePath {
            recentEdits.note(path: path, range: range, text: text)
        }
        // In place through the dictionary: the bytes are copied only if a running completion holds them.
        entries[uri]?.snapshot?.replaceText(in: target.bytes, with: text)
        textByteCount += text.utf8.count - target.bytes.count
        var problems: [DocumentProblem] = []
        if target.wasClamped { problems.append(.positionOutsideText(changeIndex: changeIndex)) }
        if let byteCount = entries[uri]?.snapshot?.bytes.count, byteCount > limits.documentByteCount {
            textByteCount -= byteCount
            entries[uri]?.snapshot = nil
            problems.append(.documentTooLarge(byteCount: byteCount, limit: limits.documentByteCount))
        }
        return problems
    }

    private mutating func remove(_ uri: DocumentURI) {
        textByteCount -= entries[uri]?.snapshot?.bytes.count ?? 0
        entries[uri] = nil
    }

    private mutating func dropTextOverLimit(keeping kept: DocumentURI) -> [DocumentProblem] {
        var problems: [DocumentProblem] = []
        while textByteCount > limits.openTextByteCount {
            let candidates = entries.filter { $0.key != kept && $0.value.snapshot != nil }
            guard let oldest = candidates.min(by: { $0.value.lastTouch < $1.value.lastTouch }) else { break }
            problems.append(
                .textDropped(oldest.key, totalByteCount: textByteCount, limit: limits.openTextByteCount))
            textByteCount -= oldest.value.snapshot?.bytes.count ?? 0
            entries[oldest.key]?.snapshot = nil
        }
        return problems
    }
}
