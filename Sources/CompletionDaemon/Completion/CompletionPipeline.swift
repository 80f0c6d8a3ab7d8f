// One cursor in, one completion out: repository context, prompt, generation under the stop rules, post-processing.
// `complete` and `serve` both go through here, so they give the same text for the same place.

import RepoContext
import SpecEngine
import Synchronization

/// The path from a cursor to a completion. A value; any number of calls may be under way, the engine takes them in
/// turn.
struct CompletionPipeline: Sendable {
    /// What is asked.
    struct Request: Sendable {
        var query: ContextQuery
        /// The client's name for the language.
        var languageID: String
        var maximumTokens: Int
        var sampling: SamplingParameters
        var cancellation: CancellationFlag
        /// How the editor indents, for a document that does not show it.
        var indentation: IndentationStyle?
        /// How long to wait before so many tokens are read; nil reads at once.
        var debounce: (@Sendable (_ newTokenCount: Int) -> Duration)?
    }

    /// What came of it.
    struct Result: Sendable {
        /// The text to insert; nil when there is nothing worth showing.
        var text: String?
        var generation: Generation
        var prompt: PromptResult
        /// The prompt's tokens as the engine read them.
        var tokens: [TokenID]
        /// From the call to the finished prompt, waiting included.
        var contextTime: Duration
        /// From the generated to the shown text.
        var processingTime = Duration.zero
        /// Waited on purpose.
        var waitingTime = Duration.zero
    }

    static let defaultMaximumTokens = 64

    let engine: InferenceEngine
    let context: RepositoryContext
    private let deadline: ContextDeadline
    let keptContext: KeptContext?

    /// - Parameters:
    ///   - deadline: shared by the pipelines of a session, since it counts what is stuck.
    ///   - keptContext: context that has been read and may stand in for one that would have to be.
    init(
        engine: InferenceEngine, context: RepositoryContext, deadline: ContextDeadline = ContextDeadline(),
        keptContext: KeptContext? = nil
    ) {
        self.engine = engine
        self.context = context
        self.deadline = deadline
        self.keptContext = keptContext
    }

    /// The completion at one cursor.
    ///
    /// - Throws: `RepoContextError` (`cancelled` where the request is before anything was generated, `overdue`
    ///   where context takes too long) and `EngineError`.
    func complete(_ request: Request) async throws -> Result {
        let clock = ContinuousClock()
        let start = clock.now
        let query = request.query
        let (prompt, tokens) = try await prompt(for: request)
        let contextTime = clock.now - start
        // The engine would find out by itself, but only in its turn.
        if request.cancellation.isRaised { throw RepoContextError.cancelled }

        let waitingTime = try await wait(for: request, tokens)

        let prefix = query.text[..<query.cursorOffset]
        let suffix = query.text[query.cursorOffset...]
        let rules = StopRules(prefix: prefix, suffix: suffix, languageID: request.languageID)
        let stop = GrowingStop(rules)
        var asked = GenerationRequest(
            prompt: tokens, maximumTokens: request.maximumTokens,
            sampling: request.sampling, endTokens: engine.controlTokens,
            shouldStop: { stop.shouldStop(generated: $0) }, cancellation: request.cancellation)
        asked.requiredPrefix = Array(prefix.suffix(heldBackByteCount(query)))
        let generation = try await engine.generate(asked)
        var text: String?
        let processing = clock.measure {
            guard generation.stopReason != .cancelled else { return }
            text = PostProcessor(
                prefix: prefix, suffix: suffix, stopRules: rules, indentation: request.indentation
            ).process(generation.text, isCut: generation.isCut)
        }
        return Result(
            text: text, generation: generation, prompt: prompt, tokens: tokens, contextTime: contextTime,
            processingTime: processing, waitingTime: waitingTime)
    }

    /// Waits as long as the request wants to before its prompt is read.
    private func wait(for request: Request, _ tokens: [TokenID]) async throws -> Duration {
        guard let debounce = request.debounce else { return .zero }
        let wait = debounce(tokens.count - (await engine.knownPrefixLength(of: tokens)))
        guard wait > .zero else { return .zero }
        try await Task.sleep(for: wait)
        if request.cancellation.isRaised { throw RepoContextError.cancelled }
        return wait
    }

    private func heldBackByteCount(_ query: ContextQuery) -> Int {
        TokenHealing.heldBackByteCount(before: query.text[..<query.cursorOffset], tokenizer: engine.tokenizer)
    }

    /// The prompt of a request, as `complete` reads it.
    ///
    /// - Parameter usesKeptContext: false for the prompt's own context, read or not.
    func prompt(
        for request: Request, usesKeptContext: Bool = true
    ) async throws -> (result: PromptResult, tokens: [TokenID]) {
        let room = engine.positionLimit - request.maximumTokens - 1
        guard room >= PromptBudget.minimumTotalTokenCount else {
            throw EngineError.noRoomForPrompt(
                maximumTokens: request.maximumTokens, limit: engine.positionLimit)
        }
        var limited = request.query.limited(to: room)
        limited.heldBackByteCount = heldBackByteCount(limited)
        let query = limited
        let prompt = try await prompt(for: query, cancellation: request.cancellation)
        let tokens = prompt.prompt.tokens.map { TokenID($0) }
        guard usesKeptContext, let keptContext else { return (prompt, tokens) }
        let candidate = KeptContext.Candidate(tokens: tokens, prompt: prompt, query: query)
        let chosen = try await keptContext.tokens(candidate, engine: engine) { [context, deadline] entry in
            try await deadline.run(path: query.filePath) { _ in
                await context.blobIDs(
                    of: entry.sources.map(\.path), beneath: entry.rootPath,
                    openDocuments: query.openDocuments)
            }
        }
        return (prompt, chosen)
    }

    private func prompt(
        for query: ContextQuery, cancellation: CancellationFlag
    ) async throws -> PromptResult {
        let tokenizer = EnginePromptTokenizer(tokenizer: engine.tokenizer)
        let restored = keptContext?.restored(for: query.filePath)
        return try await deadline.run(path: query.filePath) { [context] isAbandoned in
            if let restored { await context.recall(restored.texts(tokenizer), with: query.filePath) }
            var query = query
            query.isCancelled = { cancellation.isRaised || isAbandoned() }
            return try await context.prompt(for: query, tokenizer: tokenizer)
        }
    }
}

extension ContextQuery {
    fileprivate func limited(to tokenCount: Int) -> ContextQuery {
        var query = self
        query.tokenBudget = min(tokenBudget, tokenCount)
        return query
    }
}

extension KeptContext.Entry {
    /// Path and text of the files that it shows.
    fileprivate func texts(_ tokenizer: EnginePromptTokenizer) -> [(path: String, text: [UInt8])] {
        sources.filter { $0.tokenRange.upperBound <= tokens.count }.map { source in
            let bytes = tokenizer.tokenizer.decode(tokens[source.tokenRange])
            return (source.path, Array(bytes.drop { $0 != 0x0A }.dropFirst()))  // behind the line with the path
        }
    }
}

/// The stop rules as the engine asks them: with all the text each time, which only grows.
final class GrowingStop: Sendable {
    private let scan: Mutex<StopRules.Scan>

    init(_ rules: StopRules) {
        scan = Mutex(rules.scan())
    }

    func shouldStop(generated: [UInt8]) -> Bool {
        scan.withLock { $0.end(of: generated) != nil }
    }
}
