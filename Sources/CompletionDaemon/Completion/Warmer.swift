// Reads the prompts of the files that are worked in before anybody asks, and stores what was read: the work of
// `foretoken warm`. A file's last cursor is known from its snapshot; of other files the middle is taken, because the
// context there leaves room for the rest of the file at any cursor.

import RepoContext
import SpecEngine

/// Warms one work tree with one engine.
struct Warmer: Sendable {
    /// What there is to read.
    struct Target: Sendable {
        /// Absolute.
        var path: String
        var cursorOffset: Int
        var text: [UInt8]
    }

    /// What became of one file.
    struct Outcome: Sendable {
        let path: String
        let promptTokens: Int
        let reusedTokens: Int
        let computedTokens: Int
        let isStored: Bool
    }

    /// Tokens read between two looks at the progress.
    private static let sliceTokenCount = 512

    let engine: InferenceEngine
    let context: RepositoryContext
    let pipeline: CompletionPipeline
    let disk: SnapshotKeeper?
    let rootPath: String
    let tokenBudget: Int

    /// The files of the last prompts, then those that changed last.
    func targets(count: Int) async -> [Target] {
        let stored = disk?.store.entries() ?? []
        let known = stored.compactMap { entry in
            entry.origin.flatMap { $0.rootPath == rootPath && !$0.documentPath.isEmpty ? $0 : nil }
        }
        var places = known.map {
            (path: rootPath + "/" + $0.documentPath, cursor: Int?.some($0.cursorOffset))
        }
        places += await context.recentlyChangedFiles(beneath: rootPath, limit: 2 * count).map { ($0, nil) }
        var targets: [Target] = []
        for place in places where targets.count < count && !targets.contains(where: { $0.path == place.path })
        {
            // A file that is gone or no text is left out.
            guard let text = try? SourceFile.read(place.path), !text.isEmpty else { continue }
            targets.append(
                Target(
                    path: place.path, cursorOffset: min(place.cursor ?? Self.middle(of: text), text.count),
                    text: text))
        }
        return targets
    }

    private static func middle(of text: [UInt8]) -> Int {
        (text[(text.count / 2)...].firstIndex(of: 0x0A) ?? text.count / 2)
    }

    /// Reads the prompt of one file and stores it; nil when the file has none, or when it was ended.
    func warm(
        _ target: Target, flag: CancellationFlag, onProgress: (_ share: Double) -> Void
    ) async throws -> Outcome? {
        let query = ContextQuery(
            filePath: target.path, text: target.text, cursorOffset: target.cursorOffset,
            tokenBudget: tokenBudget)
        let request = CompletionPipeline.Request(
            query: query, languageID: LanguageID.guess(path: target.path),
            maximumTokens: CompletionPipeline.defaultMaximumTokens, sampling: .greedy, cancellation: flag)
        let prompt: CompletionPipeline.Prompt
        do {
            prompt = try await pipeline.prompt(for: request, usesKeptContext: false)
        } catch is RepoContextError {
            return nil
        }
        let tokens = prompt.tokens
        let reused = await engine.knownPrefixLength(of: tokens)
        var end = min(tokens.count, reused + Self.sliceTokenCount)
        while true {
            guard try await engine.prefetch(Array(tokens[..<end]), cancellation: flag).isComplete else {
                return nil
            }
            onProgress(Double(end) / Double(tokens.count))
            if end == tokens.count { break }
            end = min(tokens.count, end + Self.sliceTokenCount)
        }
        let record = PromptRecord(request, prompt)
        let isStored = await disk?.store(record, engine: engine, context: context) ?? false
        return Outcome(
            path: target.path, promptTokens: tokens.count, reusedTokens: reused,
            computedTokens: tokens.count - reused,
            isStored: isStored)
    }
}
