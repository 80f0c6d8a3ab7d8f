// One cursor in, one completion out: repository context, prompt, generation under the stop rules, post-processing.
// `complete` and `serve` both go through here, so they give the same text for the same place.

import RepoContext
import SpecEngine

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
    }

    /// What came of it.
    struct Result: Sendable {
        /// The text to insert; nil when there is nothing worth showing.
        var text: String?
        var generation: Generation
        var prompt: PromptResult
        /// From the call to the finished prompt, waiting included.
        var contextTime: Duration
    }

    static let defaultMaximumTokens = 64

    let engine: InferenceEngine
    let context: RepositoryContext

    init(engine: InferenceEngine, context: RepositoryContext) {
        self.engine = engine
        self.context = context
    }

    /// The completion at one cursor.
    func complete(_ request: Request) async throws -> Result {
        let clock = ContinuousClock()
        let start = clock.now
        var query = request.query
        let room = engine.positionLimit - request.maximumTokens - 1
        guard room >= PromptBudget.minimumTotalTokenCount else {
            throw EngineError.noRoomForPrompt(
                maximumTokens: request.maximumTokens, limit: engine.positionLimit)
        }
        query.tokenBudget = min(query.tokenBudget, room)
        let prompt = try await context.prompt(
            for: query, tokenizer: EnginePromptTokenizer(tokenizer: engine.tokenizer))
        let contextTime = clock.now - start

        let prefix = query.text[..<query.cursorOffset]
        let suffix = query.text[query.cursorOffset...]
        let rules = StopRules(prefix: prefix, suffix: suffix, languageID: request.languageID)
        let generation = try await engine.generate(
            GenerationRequest(
                prompt: prompt.prompt.tokens.map { TokenID($0) }, maximumTokens: request.maximumTokens,
                sampling: request.sampling, endTokens: engine.controlTokens,
                shouldStop: { rules.shouldStop(generated: $0) }, cancellation: request.cancellation))
        let isWhole = generation.stopReason != .cancelled
        let text =
            isWhole
            ? PostProcessor(prefix: prefix, suffix: suffix, stopRules: rules).process(generation.text) : nil
        return Result(text: text, generation: generation, prompt: prompt, contextTime: contextTime)
    }
}

/// How large prompts are unless told otherwise.
enum PromptSizing {
    /// A cold prompt may take this long to read.
    static let coldPromptSeconds = 0.8
    static let tokenCounts = 512...4_096
    /// Sizes go in steps, so that small changes of the measured rate do not change prompts.
    static let step = 512

    /// Prompt tokens for a machine that reads `rate` tokens per second.
    static func tokenBudget(prefillRate rate: Double) -> Int {
        guard rate.isFinite, rate > 0 else { return tokenCounts.lowerBound }
        let tokens = Int(min(rate * coldPromptSeconds, Double(tokenCounts.upperBound)))
        return max(tokenCounts.lowerBound, tokens / step * step)
    }
}
