// Repository context from before a restart. Which files a prompt shows depends on what the index knows, and right after
// a start it knows little; so the first prompt in a file takes the context that the file's snapshot was made with, as
// long as every file in it is still what it was. The next idle moment reads the context as it is now.

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
    var contextTokenCount: Int {
        prompt.segments.last { segment in
            if case .contextFile = segment.kind { return true }
            return false
        }?.tokenRange.upperBound ?? 0
    }

    /// The root that the prompt's paths are relative to.
    var rootPath: String? { scope.rootPath }
}

/// Contexts by absolute path of the document. Any thread.
final class KeptContext: Sendable {
    /// What a snapshot's prompt began with.
    struct Entry: Sendable {
        var rootPath: String
        var tokens: [TokenID]
        var sources: [SnapshotSource]
    }

    /// Documents remembered: as many as have snapshots that are worth a restart.
    static let maximumCount = 64

    private let entries = Mutex<[String: Entry]>([:])

    func keep(_ entry: Entry, for path: String) {
        entries.withLock { entries in
            if entries.count < Self.maximumCount || entries[path] != nil { entries[path] = entry }
        }
    }

    /// The context as it is now has been read.
    func forget(_ path: String) { entries.withLock { _ = $0.removeValue(forKey: path) } }

    /// `tokens`, or the same with the kept context in the place of its own.
    func tokens(
        _ tokens: [TokenID], of prompt: PromptResult, query: ContextQuery, context: RepositoryContext
    ) async -> [TokenID] {
        guard let entry = entries.withLock({ $0[query.filePath] }), prompt.rootPath == entry.rootPath else {
            return tokens
        }
        let count = prompt.contextTokenCount
        let own = tokens[count...]
        guard entry.tokens.count + own.count <= query.tokenBudget, !tokens.starts(with: entry.tokens) else {
            return tokens
        }
        let ids = await context.blobIDs(
            of: entry.sources.map(\.path), beneath: entry.rootPath, openDocuments: query.openDocuments)
        guard zip(ids, entry.sources).allSatisfy({ $0 == $1.blobID }) else {
            forget(query.filePath)
            return tokens
        }
        return entry.tokens + own
    }
}
