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
        /// Raised when nobody wants the answer any more. Time that has run out is the deadline's business.
        var cancellation: CancellationFlag
        /// How the editor indents, for a document that does not show it.
        var indentation: IndentationStyle?
        /// How long to wait before so many tokens are read; nil reads at once.
        var debounce: (@Sendable (_ newTokenCount: Int) -> Duration)?
        /// When the answer comes too late; nil for an answer that is waited for.
        var deadline: AnswerDeadline?
        /// Whether something newer has come, which ends what goes on behind a late answer; nil where nothing does.
        var isOutdated: (@Sendable () -> Bool)?
    }

    /// What the engine reads for a request.
    struct Prompt: Sendable {
        /// With the context of its own.
        var result: PromptResult
        var tokens: [TokenID]
        /// The context in the tokens where it is not the prompt's own.
        var borrowed: KeptContext.Entry?
    }

    /// What came of it.
    struct Result: Sendable {
        /// The text to insert; nil when there is nothing worth showing.
        var text: String?
        var generation: Generation
        var prompt: Prompt
        /// From the call to the finished prompt, waiting included.
        var contextTime: Duration
        /// From the generated to the shown text.
        var processingTime = Duration.zero
        /// Waited on purpose.
        var waitingTime = Duration.zero
        /// Whether the deadline ended it: the text is a part of what there would have been.
        var isOverdue = false

        /// Whether the deadline came before the prompt was read.
        var isUnread: Bool { isOverdue && generation.tokens.isEmpty }

        /// What is remembered of it.
        func record(of request: Request) -> PromptRecord {
            var record = PromptRecord(request, prompt)
            if generation.stopReason == .cancelled, generation.tokens.isEmpty {
                record.readTokenCount = generation.reusedTokenCount + generation.computedTokenCount
            }
            return record
        }
    }

    static let defaultMaximumTokens = 64

    let engine: InferenceEngine
    let context: RepositoryContext
    private let contextDeadline: ContextDeadline
    let keptContext: KeptContext?

    /// - Parameters:
    ///   - contextDeadline: shared by the pipelines of a session, since it counts what is stuck.
    ///   - keptContext: context that has been read and may stand in for one that would have to be.
    init(
        engine: InferenceEngine, context: RepositoryContext,
        contextDeadline: ContextDeadline = ContextDeadline(), keptContext: KeptContext? = nil
    ) {
        self.engine = engine
        self.context = context
        self.contextDeadline = contextDeadline
        self.keptContext = keptContext
    }

    /// The completion at one cursor.
    ///
    /// - Throws: `RepoContextError` (`cancelled` where the request is before anything was generated, `overdue`
    ///   where context takes too long) and `EngineError`.
    func complete(_ request: Request) async throws -> Result {
        let clock = ContinuousClock()
        let start = clock.now
        let prompt = try await prompt(for: request)
        let contextTime = clock.now - start
        // The engine would find out by itself, but only in its turn.
        if request.isCancelled { throw RepoContextError.cancelled }
        var result = Result(generation: Generation(), prompt: prompt, contextTime: contextTime)
        var newTokenCount = await newTokenCount(prompt.tokens)
        // What cannot be read in time anyway is not waited for: reading goes on behind the answer.
        if request.deadline?.allowsReading(newTokenCount) ?? true {
            result.waitingTime = try await wait(for: request, newTokenCount)
            newTokenCount = await self.newTokenCount(prompt.tokens)
        }
        guard request.deadline?.allowsReading(newTokenCount) ?? true else {
            result.generation = .unread(promptTokenCount: prompt.tokens.count, newTokenCount: newTokenCount)
            result.isOverdue = true
            return result
        }
        let query = request.query
        let rules = StopRules(
            prefix: query.text[..<query.cursorOffset], suffix: query.text[query.cursorOffset...],
            languageID: request.languageID)
        result.generation = try await generate(request, prompt.tokens, rules)
        result.isOverdue = result.generation.stopReason == .cancelled && request.isOverdue
        result.processingTime = clock.measure {
            result.text = Self.text(of: result.generation, isOverdue: result.isOverdue, request, rules)
        }
        return result
    }

    private func generate(
        _ request: Request, _ tokens: [TokenID], _ rules: StopRules
    ) async throws -> Generation {
        let query = request.query
        let stop = GrowingStop(rules)
        var asked = GenerationRequest(
            prompt: tokens, maximumTokens: request.maximumTokens,
            sampling: request.sampling, endTokens: engine.controlTokens,
            shouldStop: { [deadline = request.deadline] in
                deadline?.noteWriting()
                return stop.shouldStop(generated: $0)
            }, cancellation: request.deadline?.stop ?? request.cancellation)
        asked.requiredPrefix = Array(query.text[..<query.cursorOffset].suffix(heldBackByteCount(query)))
        return try await engine.generate(asked)
    }

    /// What is shown of a generation: of one that the deadline ended its whole lines, of a cancelled one nothing.
    static func text(
        of generation: Generation, isOverdue: Bool, _ request: Request, _ rules: StopRules
    ) -> String? {
        guard isOverdue || generation.stopReason != .cancelled else { return nil }
        let query = request.query
        return PostProcessor(
            prefix: query.text[..<query.cursorOffset], suffix: query.text[query.cursorOffset...], stopRules: rules,
            indentation: request.indentation
        ).process(generation.text, isCut: generation.isCut || isOverdue, keepsHalfLine: !isOverdue)
    }

    /// Waits as long as the request wants to before its prompt is read, and as its deadline allows.
    private func wait(for request: Request, _ newTokenCount: Int) async throws -> Duration {
        guard let debounce = request.debounce else { return .zero }
        var wait = debounce(newTokenCount)
        if let deadline = request.deadline { wait = min(wait, deadline.longestWait(beforeReading: newTokenCount)) }
        guard wait > .zero else { return .zero }
        try await Task.sleep(for: wait)
        if request.isCancelled { throw RepoContextError.cancelled }
        return wait
    }

    /// Tokens that the engine would have to read.
    private func newTokenCount(_ tokens: [TokenID]) async -> Int {
        tokens.count - (await engine.knownPrefixLength(of: tokens))
    }

    private func heldBackByteCount(_ query: ContextQuery) -> Int {
        TokenHealing.heldBackByteCount(before: query.text[..<query.cursorOffset], tokenizer: engine.tokenizer)
    }

    /// The prompt of a request, as `complete` reads it.
    ///
    /// - Parameter usesKeptContext: false for the prompt's own context, read or not.
    func prompt(for request: Request, usesKeptContext: Bool = true) async throws -> Prompt {
        let room = engine.positionLimit - request.maximumTokens - 1
        guard room >= PromptBudget.minimumTotalTokenCount else {
            throw EngineError.noRoomForPrompt(
                maximumTokens: request.maximumTokens, limit: engine.positionLimit)
        }
        var limited = request.query.limited(to: room)
        limited.heldBackByteCount = heldBackByteCount(limited)
        let query = limited
        let prompt = try await prompt(for: query, isCancelled: { request.isCancelled })
        let tokens = prompt.prompt.tokens.map { TokenID($0) }
        guard usesKeptContext, let keptContext else { return Prompt(result: prompt, tokens: tokens) }
        let candidate = KeptContext.Candidate(tokens: tokens, prompt: prompt, query: query)
        let chosen = try await keptContext.choose(candidate, engine: engine) { [context, contextDeadline] entry in
            try await contextDeadline.run(path: query.filePath) { _ in
                await context.blobIDs(
                    of: entry.sources.map(\.path), beneath: entry.rootPath,
                    openDocuments: query.openDocuments)
            }
        }
        return Prompt(result: prompt, tokens: chosen.tokens, borrowed: chosen.borrowed)
    }

    private func prompt(
        for query: ContextQuery, isCancelled: @escaping @Sendable () -> Bool
    ) async throws -> PromptResult {
        let tokenizer = EnginePromptTokenizer(tokenizer: engine.tokenizer)
        let restored = keptContext?.restored(for: query.filePath)
        return try await contextDeadline.run(path: query.filePath) { [context] isAbandoned in
            if let restored { await context.recall(restored.texts(tokenizer), with: query.filePath) }
            var query = query
            query.isCancelled = { isCancelled() || isAbandoned() }
            return try await context.prompt(for: query, tokenizer: tokenizer)
        }
    }
}

extension CompletionPipeline.Request {
    /// Whether the deadline ended it, and nobody else.
    fileprivate var isOverdue: Bool { !cancellation.isRaised && deadline?.hasPassed ?? false }

    /// Whether nobody waits for what comes of it. Behind an answer that came too early its work goes on until something
    /// newer comes.
    fileprivate var isCancelled: Bool { cancellation.isRaised || (isOverdue && isOutdated?() ?? false) }
}

extension Generation {
    /// Of a prompt that was not begun.
    fileprivate static func unread(promptTokenCount: Int, newTokenCount: Int) -> Generation {
        var generation = Generation()
        generation.promptTokenCount = promptTokenCount
        generation.reusedTokenCount = promptTokenCount - newTokenCount
        generation.stopReason = .cancelled
        return generation
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
