// Repository context that has been read: in this session, for other files, or before a restart. A prompt whose own
// context would have to be read first takes one of these instead, as far as every file in it still says the same, and
// the next idle moment reads its own. So a request waits for the tokens of its file, never for those of the others.

import RepoContext
import SpecEngine
import Synchronization

extension PromptScope {
    /// Nil for a file alone.
    var rootPath: String? {
        switch self {
        case .repository(let rootPath), .folder(let rootPath): rootPath
        case .fileAlone: nil
        }
    }
}

extension PromptResult {
    /// Leading tokens that show other files.
    var contextTokenCount: Int { prompt.contextOrigins.last?.tokenRange.upperBound ?? 0 }

    /// The files that they show, with the text that each had.
    var contextSources: [SnapshotSource] {
        prompt.contextOrigins.map { origin in
            let file = selection[origin.file]
            return SnapshotSource(
                path: file.path.string, blobID: file.blobID ?? "", tokenRange: origin.tokenRange)
        }
    }

    /// The root that the prompt's paths are relative to.
    var rootPath: String? { scope.rootPath }
}

/// Contexts by the document that they were made for. Any thread.
final class KeptContext: Sendable {
    /// What a prompt began with.
    struct Entry: Sendable {
        var rootPath: String
        /// Whose prompt it was, absolute.
        var documentPath: String
        var tokens: [TokenID]
        /// In the order of their tokens.
        var sources: [SnapshotSource]
        /// From a snapshot, and not yet read anew in this session.
        var isRestored = false

        /// Its leading files, those within so many tokens. A snapshot may name any ranges, also behind its tokens.
        func limited(to tokenCount: Int) -> Entry {
            let tokenCount = min(tokenCount, tokens.count)
            var entry = self
            entry.tokens = Array(tokens[..<tokenCount])
            entry.sources.removeAll { $0.tokenRange.upperBound > tokenCount }
            return entry
        }
    }

    /// A prompt to be.
    struct Candidate {
        var tokens: [TokenID]
        var prompt: PromptResult
        var query: ContextQuery

        /// What follows the context.
        fileprivate var own: ArraySlice<TokenID> { tokens[prompt.contextTokenCount...] }
    }

    /// Documents remembered: as many as have snapshots that are worth a restart.
    static let maximumCount = 64
    /// Contexts of other documents that are compared, the last used first.
    static let comparedCount = 12
    /// Context tokens that may be read while somebody waits: about what a keystroke costs.
    static let allowedTokenCount = 128
    /// What a token of a file counts that the prompt's own context does not show, beside one that it shows.
    private static let otherFileShare = 0.15

    /// The last used last.
    private let entries = Mutex<[Entry]>([])

    /// In the place of what was known of its document.
    func keep(_ entry: Entry) {
        entries.withLock { Self.keep(entry, in: &$0) }
    }

    private static func keep(_ entry: Entry, in entries: inout [Entry]) {
        entries.removeAll { $0.documentPath == entry.documentPath }
        entries.append(entry)
        if entries.count > maximumCount { entries.removeFirst() }
    }

    /// What a snapshot held, for a document of which nothing newer is known.
    func restore(_ entry: Entry) {
        entries.withLock { entries in
            // Under one lock: what is read meanwhile is newer than any snapshot.
            if !entries.contains(where: { $0.documentPath == entry.documentPath }) { Self.keep(entry, in: &entries) }
        }
    }

    /// The context that a snapshot gave for a document, once; its files are where the next prompt should have them.
    func restored(for documentPath: String) -> Entry? {
        entries.withLock { $0.first { $0.documentPath == documentPath && $0.isRestored } }
    }

    /// A document's prompt is known to have no context.
    func forget(_ documentPath: String) {
        entries.withLock { $0.removeAll { $0.documentPath == documentPath } }
    }

    /// The tokens of every context that may be borrowed; they stay in memory.
    var sequences: [[TokenID]] { entries.withLock { $0.map(\.tokens) } }

    // MARK: Choosing

    /// What is read for a prompt.
    struct Choice: Sendable {
        var tokens: [TokenID]
        /// The context that stands in for the prompt's own, as far as it does; nil where that is its own.
        var borrowed: Entry?
    }

    /// Says which blobs the files of a context would be now, in their order.
    typealias BlobSource = @Sendable (Entry) async throws -> [String?]

    /// The candidate's tokens, or its own part behind a context that the engine has.
    ///
    /// - Throws: what `blobIDs` throws.
    func choose(
        _ candidate: Candidate, engine: InferenceEngine, blobIDs: BlobSource
    ) async throws -> Choice {
        let unchanged = Choice(tokens: candidate.tokens)
        guard let rootPath = candidate.prompt.rootPath, candidate.query.includeContext else { return unchanged }
        let restored = restored(for: candidate.query.filePath)
        let count = candidate.prompt.contextTokenCount
        let known = await engine.knownPrefixLength(of: candidate.tokens)
        guard restored != nil || count - known > Self.allowedTokenCount else { return unchanged }
        let own = Entry(
            rootPath: rootPath, documentPath: "", tokens: Array(candidate.tokens[..<count]),
            sources: candidate.prompt.contextSources)
        var best: (score: Double, entry: Entry)?
        for entry in [own] + others(for: candidate.query.filePath, rootPath: rootPath) {
            let ids = try await blobIDs(entry)
            let tokenCount = await usableCount(of: entry, blobIDs: ids, candidate, engine: engine)
            // Right after a start the index knows too little to say what is good.
            let isWhole = entry.documentPath == restored?.documentPath && tokenCount == entry.tokens.count
            let score = isWhole ? Double.infinity : Self.score(of: entry, tokenCount, for: candidate)
            if tokenCount >= Self.allowedTokenCount, score > best?.score ?? 0 {
                best = (score, entry.limited(to: tokenCount))
            }
        }
        // Where nothing has been read there is nothing to take.
        guard let entry = best?.entry else { return unchanged }
        let tokens = entry.tokens + candidate.own
        return Choice(tokens: tokens, borrowed: tokens == candidate.tokens ? nil : entry)
    }

    private func others(for documentPath: String, rootPath: String) -> [Entry] {
        let all = entries.withLock { $0.filter { $0.rootPath == rootPath } }
        let newest = all.reversed().prefix(Self.comparedCount)
        let mine = all.filter { entry in
            entry.documentPath == documentPath && !newest.contains { $0.documentPath == documentPath }
        }
        return mine + newest
    }

    /// Leading tokens of a context, up to the end of a file, that the engine has, that fit, and that show other files
    /// as they are.
    private func usableCount(
        of entry: Entry, blobIDs: [String?], _ candidate: Candidate, engine: InferenceEngine
    ) async -> Int {
        let query = candidate.query
        let known = await engine.knownPrefixLength(of: entry.tokens + [candidate.own.first].compactMap(\.self))
        let limit = min(known + Self.allowedTokenCount, query.tokenBudget - candidate.own.count)
        var count = 0
        for (source, id) in zip(entry.sources, blobIDs) {
            guard source.tokenRange.upperBound <= limit, id == source.blobID else { break }
            count = source.tokenRange.upperBound
        }
        return count
    }

    /// How much of what the prompt's own context shows is in the leading tokens of another one.
    private static func score(of entry: Entry, _ tokenCount: Int, for candidate: Candidate) -> Double {
        let wanted = Set(candidate.prompt.selection.map(\.path.string))
        return entry.sources.filter { $0.tokenRange.upperBound <= tokenCount }.reduce(1) { sum, source in
            // The document as another one's context has it says nothing new.
            if entry.rootPath + "/" + source.path == candidate.query.filePath { return sum }
            return sum + Double(source.tokenRange.count) * (wanted.contains(source.path) ? 1 : otherFileShare)
        }
    }
}
