// The suggestions made lately, so that typing along one, deleting back and moving through the completion menu are
// answered without the model. It compares bytes, never meanings: an answer from here is a text that was computed for
// this very document, seen from another cursor. It knows neither the engine nor the protocol.

/// Recent suggestions by document text and cursor. A value; the owner locks it.
struct SuggestionCache {
    /// A cursor in a text.
    struct Place {
        let path: String
        let text: [UInt8]
        /// In bytes of `text`, on a character boundary.
        let offset: Int
    }

    /// Suggestions kept; the least recently used goes first. A user types in a few places.
    static let maximumCount = 32
    /// Document bytes that the entries may hold alive together. Most share one text.
    static let maximumByteCount = 32 << 20
    /// How far back from where a suggestion was made the cursor may have been deleted.
    static let maximumDeletedByteCount = 128
    /// After this the rest of the repository may have changed what a good suggestion is.
    static let lifetime = Duration.seconds(120)

    fileprivate struct Entry {
        let place: Place
        /// The best first; empty when there was nothing to suggest.
        let suggestions: [String]
        let made: ContinuousClock.Instant
    }

    /// The most recently used last.
    private var entries: [Entry] = []

    /// Keeps what was computed for a place, in place of what was known there.
    mutating func store(
        _ suggestions: [String], at place: Place, now: ContinuousClock.Instant = .now
    ) {
        guard place.text.count <= Self.maximumByteCount else { return }
        entries.removeAll { $0.place.offset == place.offset && $0.place.isSameDocument(as: place) }
        entries.append(Entry(place: place, suggestions: suggestions, made: now))
        var byteCount = entries.reduce(0) { $0 + $1.place.text.count }
        while entries.count > Self.maximumCount || byteCount > Self.maximumByteCount {
            byteCount -= entries.removeFirst().place.text.count
        }
    }

    /// What is known to come next at a place: an empty array when nothing does, nil when that is not known.
    ///
    /// What was computed for this place itself comes first, then a suggestion that the user types along, then one
    /// that the user deleted back from.
    mutating func suggestions(at place: Place, now: ContinuousClock.Instant = .now) -> [String]? {
        entries.removeAll { now - $0.made > Self.lifetime }
        for reach in [Reach.exact, .typedAlong, .deletedBack] {
            for index in entries.indices.reversed() {
                guard let found = entries[index].suggestions(at: place, reach: reach) else { continue }
                entries.append(entries.remove(at: index))
                return found
            }
        }
        return nil
    }

    /// Forgets what was suggested in a file.
    mutating func removeAll(in path: String) {
        entries.removeAll { $0.place.path == path }
    }

    mutating func removeAll() {
        entries = []
    }

    fileprivate enum Reach {
        case exact, typedAlong, deletedBack
    }
}

extension SuggestionCache.Entry {
    /// The suggestions as they look from `place`; nil where they say nothing about it.
    fileprivate func suggestions(
        at place: SuggestionCache.Place, reach: SuggestionCache.Reach
    ) -> [String]? {
        let moved = place.offset - self.place.offset
        guard place.path == self.place.path, place.text.count - self.place.text.count == moved else { return nil }
        switch reach {
        case .exact:
            return moved == 0 && place.text == self.place.text ? suggestions : nil
        case .typedAlong:
            guard moved > 0 else { return nil }
            let typed = place.text[self.place.offset..<place.offset]
            let rest = suggestions.compactMap { $0.dropping(typed) }
            return !rest.isEmpty && surroundingsMatch(place) ? rest : nil
        case .deletedBack:
            guard moved < 0, -moved <= SuggestionCache.maximumDeletedByteCount else { return nil }
            let deleted = self.place.text[place.offset..<self.place.offset]
            guard !suggestions.isEmpty, !deleted.contains(where: TextLines.isLineBreak), surroundingsMatch(place)
            else { return nil }
            return suggestions.map { String(decoding: deleted, as: UTF8.self) + $0 }
        }
    }

    /// Whether the texts differ only between the two cursors. Slices of one length compare as memory.
    private func surroundingsMatch(_ other: SuggestionCache.Place) -> Bool {
        let shared = min(place.offset, other.offset)
        return place.text[..<shared] == other.text[..<shared]
            && place.text[place.offset...] == other.text[other.offset...]
    }
}

extension SuggestionCache.Place {
    fileprivate func isSameDocument(as other: SuggestionCache.Place) -> Bool {
        path == other.path && text == other.text
    }
}

extension String {
    /// What is left behind a beginning; nil when it begins otherwise, or when nothing is left.
    fileprivate func dropping(_ beginning: ArraySlice<UInt8>) -> String? {
        guard utf8.count > beginning.count, utf8.starts(with: beginning) else { return nil }
        return String(decoding: utf8.dropFirst(beginning.count), as: UTF8.self)
    }
}
