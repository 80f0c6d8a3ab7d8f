// Which suggestions were sent and what became of them. Editors that say so are believed (Protocol/CompletionFeedback);
// the others say nothing, so it is inferred from the edits that follow. Pure: times are handed in, events handed out.

#if canImport(Glibc)
    import Glibc
#endif

/// What became of a suggestion, for the statistics. Holds no text.
enum UsageEvent: Equatable, Sendable {
    case shown(languageID: String, characterCount: Int)
    case accepted(languageID: String, characterCount: Int)
    case partiallyAccepted(languageID: String, characterCount: Int)
    /// So many of the characters taken were still there a while later.
    case kept(languageID: String, characterCount: Int)
}

/// The suggestions of a session that may still be shown or taken.
struct SuggestionLedger {
    /// Older suggestions are forgotten: no editor shows them any more.
    static let maximumCount = 64
    /// What stood on the screen for less was not seen.
    static let shortestView = Duration.milliseconds(250)

    /// When is looked whether what was taken is still there (the first of the usual 30 s, 2, 5 and 10 minutes).
    static let keepingTime = Duration.seconds(30)
    /// In a larger document nobody looks.
    static let searchedByteCount = 1 << 20

    /// Text that was taken, and is looked for once.
    private struct Taken {
        let uri: DocumentURI
        let languageID: String
        let text: String
        let time: ContinuousClock.Instant
    }

    private struct Entry {
        let id: String
        let uri: DocumentURI
        let languageID: String
        let text: String
        let sent: ContinuousClock.Instant
        /// UTF-8 bytes at the beginning of `text` that are in the document by now.
        var consumedByteCount = 0
        /// Characters taken, not typed.
        var acceptedCharacterCount = 0
        var isShown = false
        var isClosed = false
    }

    /// The oldest first.
    private var entries: [Entry] = []
    private var sentCount = 0
    private var taken: [Taken] = []
    /// Editors that report once report always; from then on nothing is inferred.
    private var clientReports = false

    /// Notes the items of one answer, the best first; their ids in the same order.
    mutating func send(
        _ texts: [String], in document: DocumentSnapshot, now: ContinuousClock.Instant
    ) -> [String] {
        let ids = texts.indices.map { "\(sentCount + $0 + 1)" }
        sentCount += texts.count
        for (id, text) in zip(ids, texts) {
            entries.append(
                Entry(id: id, uri: document.uri, languageID: document.languageID, text: text, sent: now))
        }
        if entries.count > Self.maximumCount { entries.removeFirst(entries.count - Self.maximumCount) }
        return ids
    }

    // MARK: Reported

    mutating func noteShown(_ id: String) -> [UsageEvent] {
        clientReports = true
        return entries.firstIndex { $0.id == id }.map { show(at: $0) } ?? []
    }

    /// - Parameter utf16Length: all that was taken so far.
    mutating func notePartiallyAccepted(_ id: String, utf16Length: Int) -> [UsageEvent] {
        clientReports = true
        guard let index = entries.firstIndex(where: { $0.id == id && !$0.isClosed }) else { return [] }
        let taken = String(decoding: entries[index].text.utf16.prefix(max(0, utf16Length)), as: UTF16.self)
        let fresh = taken.count - entries[index].acceptedCharacterCount
        guard fresh > 0 else { return [] }
        entries[index].acceptedCharacterCount = taken.count
        take(String(taken.suffix(fresh)), at: index)
        return show(at: index)
            + [.partiallyAccepted(languageID: entries[index].languageID, characterCount: fresh)]
    }

    /// The whole suggestion was inserted. That the document's edit told so before is no second acceptance.
    mutating func noteAccepted(_ id: String) -> [UsageEvent] {
        entries.firstIndex { $0.id == id && !$0.isClosed }.map { accept(at: $0) } ?? []
    }

    // MARK: Inferred

    /// A document is about to change; `insertion` is the inserted text where the change is one insertion.
    mutating func noteEdit(
        of uri: DocumentURI, insertion: String?, now: ContinuousClock.Instant
    ) -> [UsageEvent] {
        // The first item of the last answer is the one on the screen.
        guard !clientReports, let last = entries.last(where: { $0.uri == uri }),
            let index = entries.firstIndex(where: { $0.uri == uri && $0.sent == last.sent }),
            !entries[index].isClosed
        else { return [] }
        var events: [UsageEvent] = []
        if now - entries[index].sent >= Self.shortestView { events += show(at: index) }
        let rest = entries[index].text.utf8.dropFirst(entries[index].consumedByteCount)
        guard let insertion, !insertion.isEmpty, rest.starts(with: insertion.utf8) else {
            entries[index].isClosed = true
            return events
        }
        // One character is typed; several at once come from accepting.
        if insertion.count > 1 {
            if insertion.utf8.count == rest.count { return events + accept(at: index) }
            entries[index].acceptedCharacterCount += insertion.count
            take(insertion, at: index)
            events += show(at: index)
            events.append(
                .partiallyAccepted(languageID: entries[index].languageID, characterCount: insertion.count))
        }
        entries[index].consumedByteCount += insertion.utf8.count
        if entries[index].consumedByteCount == entries[index].text.utf8.count { entries[index].isClosed = true }
        return events
    }

    // MARK: Kept

    private mutating func take(_ text: String, at index: Int) {
        guard !text.isEmpty else { return }
        taken.append(
            Taken(uri: entries[index].uri, languageID: entries[index].languageID, text: text, time: .now))
        if taken.count > Self.maximumCount { taken.removeFirst(taken.count - Self.maximumCount) }
    }

    /// What is left in a document of the texts that were taken a while ago; each is looked for once.
    mutating func noteKept(in document: DocumentSnapshot, now: ContinuousClock.Instant) -> [UsageEvent] {
        guard taken.contains(where: { $0.uri == document.uri && now - $0.time >= Self.keepingTime }) else { return [] }
        var events: [UsageEvent] = []
        taken.removeAll { entry in
            guard entry.uri == document.uri, now - entry.time >= Self.keepingTime else { return false }
            if document.bytes.count <= Self.searchedByteCount {
                let count = Self.keptCharacterCount(of: entry.text, in: document.bytes)
                events.append(.kept(languageID: entry.languageID, characterCount: count))
            }
            return true
        }
        return events
    }

    /// Characters of the lines that are still there as they were; indentation does not count.
    private static func keptCharacterCount(of text: String, in bytes: [UInt8]) -> Int {
        var count = 0
        for line in text.split(whereSeparator: \.isNewline) {
            let wanted = line.drop(while: \.isWhitespace)
            guard !wanted.isEmpty, !bytes.isEmpty else { continue }
            let isThere = contains(bytes, Array(wanted.utf8))
            if isThere { count += wanted.count }
        }
        return count
    }

    private static func contains(_ bytes: [UInt8], _ wanted: [UInt8]) -> Bool {
        bytes.withUnsafeBytes { bytes in
            wanted.withUnsafeBytes { wanted in
                var start = 0
                while bytes.count - start >= wanted.count,
                    let found = memchr(bytes.baseAddress! + start, Int32(wanted[0]), bytes.count - start)
                {
                    let place = UnsafeRawPointer(found) - bytes.baseAddress!
                    guard bytes.count - place >= wanted.count else { return false }
                    if memcmp(found, wanted.baseAddress!, wanted.count) == 0 { return true }
                    start = place + 1
                }
                return false
            }
        }
    }

    private mutating func show(at index: Int) -> [UsageEvent] {
        guard !entries[index].isShown else { return [] }
        entries[index].isShown = true
        return [.shown(languageID: entries[index].languageID, characterCount: entries[index].text.count)]
    }

    private mutating func accept(at index: Int) -> [UsageEvent] {
        let events = show(at: index)
        entries[index].isClosed = true
        let typed = entries[index].text.utf8.prefix(entries[index].consumedByteCount)
        let typedCount = String(decoding: typed, as: UTF8.self).count
        let counted = max(typedCount, entries[index].acceptedCharacterCount)
        take(String(entries[index].text.dropFirst(counted)), at: index)
        return events + [
            .accepted(
                languageID: entries[index].languageID,
                characterCount: max(0, entries[index].text.count - counted))
        ]
    }
}
