// What an evaluation asks of an engine, and our own engine in that role. Another engine behind a URL is the other one
// (RemoteEngine).

import CompletionEvaluation
import SpecEngine

/// One prompt to continue.
struct EngineQuestion: Sendable {
    let prompt: [TokenID]
    /// Text before and after the cursor, for engines that lay out prompts themselves.
    let prefix: [UInt8]
    let suffix: [UInt8]
    let maximumTokens: Int
    let sampling: SamplingParameters
    /// Nil goes on to the end of the text.
    let shouldStop: (@Sendable ([UInt8]) -> Bool)?
    let recordsMargins: Bool
    let cancellation: CancellationFlag
    /// See `GenerationRequest.requiredPrefix`; engines that cannot constrain tokens are not given any.
    var requiredPrefix: [UInt8] = []
}

/// What came back.
struct EngineAnswer: Sendable {
    var text: [UInt8]
    var tokens: [Int32] = []
    var logProbabilities: [Float] = []
    var margins: [Float] = []
    var stopReason: String
    /// What the engine says it read; nil where it does not say.
    var promptTokenCount: Int?
    var reusedTokenCount = 0
    var generatedTokenCount = 0
    /// From the question to the first token and to the end.
    var firstTokenTime: Duration?
    var totalTime: Duration
    var speculation: CaseRecord.Speculation?
    var attempts = 1
}

/// Continues prompts, one at a time.
protocol EvaluationEngine: Sendable {
    var tokenizer: Tokenizer { get }
    /// Positions of prompt and completion together.
    var positionLimit: Int { get }
    /// Whether `EngineQuestion.requiredPrefix` is heeded.
    var constrainsTokens: Bool { get }
    func answer(_ question: EngineQuestion) async throws -> EngineAnswer
}

/// The engine of this program.
struct LocalEngine: EvaluationEngine {
    let engine: InferenceEngine

    var tokenizer: Tokenizer { engine.tokenizer }
    var positionLimit: Int { engine.positionLimit }
    var constrainsTokens: Bool { true }

    func answer(_ question: EngineQuestion) async throws -> EngineAnswer {
        var request = GenerationRequest(
            prompt: question.prompt, maximumTokens: question.maximumTokens, sampling: question.sampling,
            endTokens: engine.controlTokens, shouldStop: question.shouldStop,
            cancellation: question.cancellation)
        request.recordsMargins = question.recordsMargins
        request.requiredPrefix = question.requiredPrefix
        let generation = try await engine.generate(request)
        return EngineAnswer(
            text: generation.text, tokens: generation.tokens.map(\.rawValue),
            logProbabilities: generation.logProbabilities, margins: generation.margins,
            stopReason: generation.stopReason.rawValue, promptTokenCount: generation.promptTokenCount,
            reusedTokenCount: generation.reusedTokenCount, generatedTokenCount: generation.tokens.count,
            firstTokenTime: generation.prefillTime, totalTime: generation.prefillTime + generation.decodeTime,
            speculation: generation.speculation.map(CaseRecord.Speculation.init))
    }
}

extension CaseRecord.Speculation {
    init(_ telemetry: SpeculationTelemetry) {
        self.init(
            rounds: telemetry.rounds, emitted: telemetry.emitted, drafted: telemetry.drafted,
            accepted: telemetry.accepted, draftedByDepth: telemetry.draftedByDepth,
            acceptedByDepth: telemetry.acceptedByDepth)
    }
}
