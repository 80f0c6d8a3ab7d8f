// What a session over LSP does not tell, computed for `foretoken demo` in its own process after the session: which
// files stand in the prompt, and what the model suggests when it sees the current file alone.

import RepoContext
import SpecEngine

/// The same places in this process: which files the prompt holds, and what comes without them.
struct DemoComparison {
    /// What the session cannot tell.
    struct Outcome {
        /// Files in the prompt; nil when this prompt is not the session's.
        var contextPaths: [String]?
        /// The completion from the file alone.
        var aloneText: String?
    }

    private let engine: InferenceEngine
    private let context: RepositoryContext
    private let root: String
    private let tokenBudget: Int

    init(engine: InferenceEngine, root: String, tokenBudget: Int) {
        self.engine = engine
        self.root = root
        self.tokenBudget = tokenBudget
        context = RepositoryContext(RepositoryContext.Configuration(workspaceFolders: [root]) { _ in })
    }

    /// - Parameter earlier: files visited before in the session, the newest first; they count as recently used.
    func compare(_ visit: DemoVisit, earlier: [String]) async throws -> Outcome {
        let path = "\(root)/\(visit.place.path)"
        await context.prepare(file: path)
        var query = ContextQuery(
            filePath: path, text: visit.place.text, cursorOffset: visit.place.offset,
            recentPaths: [path] + earlier,
            tokenBudget: tokenBudget)
        let prompt = try await context.prompt(
            for: query, tokenizer: EnginePromptTokenizer(tokenizer: engine.tokenizer))
        query.includeContext = false
        let alone = try await CompletionPipeline(engine: engine, context: context).complete(
            CompletionPipeline.Request(
                query: query, languageID: "swift", maximumTokens: CompletionPipeline.defaultMaximumTokens,
                sampling: .greedy, cancellation: CancellationFlag()))
        let isSamePrompt = visit.first.number("prompt_tokens") == Double(prompt.prompt.tokens.count)
        return Outcome(
            contextPaths: isSamePrompt ? prompt.contextPaths.map(\.string) : nil, aloneText: alone.text)
    }
}
