// How large prompts are. Context helps, but the user waits while it is read, so a machine's prefill rate decides.
// No request waits for that to be known: prompts are small until then.

import SpecEngine
import Synchronization

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

/// The prompt size of a session, from the prefill rate once there is one. Any thread.
final class PromptSizeEstimate: Sendable {
    /// Fewer tokens read at once say little about the rate: the fixed costs of a pass weigh too much.
    static let minimumMeasuredTokenCount = 256

    private struct State {
        var tokenBudget: Int?
        var hasRequests = false
        var rate: Double?
    }

    private let state: Mutex<State>
    /// Ends the measurement when the engine is needed.
    private let measurement = CancellationFlag()

    /// - Parameter fixedTokenBudget: what the user asked for; nothing is measured then.
    init(fixedTokenBudget: Int?) {
        state = Mutex(State(tokenBudget: fixedTokenBudget))
    }

    /// Tokens for the next prompt; does not wait.
    var tokenBudget: Int { state.withLock { $0.tokenBudget } ?? PromptSizing.tokenCounts.lowerBound }

    /// Tokens that this machine reads in a second, as far as it was measured.
    var rate: Double? { state.withLock { $0.rate } }

    /// Whether the rate is known, or need not be.
    var isMeasured: Bool { state.withLock { $0.tokenBudget != nil } }

    /// Takes a size that was found before; one that is known stays.
    func use(tokenBudget: Int) {
        state.withLock { state in
            state.tokenBudget = state.tokenBudget ?? tokenBudget
            state.rate = state.rate ?? Double(tokenBudget) / PromptSizing.coldPromptSeconds
        }
    }

    /// A request came: a measurement that is under way ends, a later one does not start.
    func requestArrived() {
        state.withLock { $0.hasRequests = true }
        measurement.raise()
    }

    /// Reads arbitrary tokens, unless a request is there already or comes meanwhile.
    func measure(on engine: InferenceEngine) async {
        let count = Self.minimumMeasuredTokenCount
        guard state.withLock({ !$0.hasRequests && $0.tokenBudget == nil }), engine.positionLimit > count + 1
        else { return }
        // The first run brings the weights into memory; tokens differ, so that nothing is reused.
        for token in Int32(0)..<2 {
            // A failed measurement leaves the smallest size.
            let generation = try? await engine.generate(
                GenerationRequest(
                    prompt: [TokenID](repeating: TokenID(token), count: count), maximumTokens: 1,
                    sampling: .greedy, endTokens: [], cancellation: measurement))
            if token == 1, let generation { note(generation) }
        }
    }

    /// Takes the rate from a generation, the first that read enough tokens. Later ones change nothing: a prompt
    /// of another size cannot reuse what the engine holds.
    func note(_ generation: Generation) {
        guard generation.stopReason != .cancelled else { return }
        note(
            tokenCount: generation.promptTokenCount - generation.reusedTokenCount,
            prefillTime: generation.prefillTime)
    }

    func note(tokenCount: Int, prefillTime: Duration) {
        guard tokenCount >= Self.minimumMeasuredTokenCount, prefillTime > .zero else { return }
        let rate = Double(tokenCount) / (prefillTime / .seconds(1))
        state.withLock { state in
            state.rate = rate
            if state.tokenBudget == nil { state.tokenBudget = PromptSizing.tokenBudget(prefillRate: rate) }
        }
    }
}
