// An engine behind an OpenAI-compatible endpoint, in the role of ours: it gets the prompts that we would read and its
// text goes through the same rules. The model file named here gives the tokenizer, nothing more.

import CompletionEvaluation
import SpecEngine

/// The server that the user named.
struct RemoteEngineOptions: Sendable {
    let endpoint: CompletionEndpoint
    let promptForm: EndpointPrompt

    /// The same server for each worker.
    func engines(tokenizerFrom settings: EngineConfiguration, count: Int) throws -> [any EvaluationEngine] {
        let (tokenizer, limit) = try PromptModel.load(explicitPath: settings.modelPath)
        let engine = RemoteEngine(
            endpoint: endpoint, promptForm: promptForm, tokenizer: tokenizer,
            positionLimit: limit)
        return [any EvaluationEngine](repeating: engine, count: count)
    }
}

/// A server as an engine.
struct RemoteEngine: EvaluationEngine {
    let endpoint: CompletionEndpoint
    let promptForm: EndpointPrompt
    let tokenizer: Tokenizer
    let positionLimit: Int
    var constrainsTokens: Bool { false }

    func answer(_ question: EngineQuestion) async throws -> EngineAnswer {
        let request = EndpointRequest(
            prompt: prompt(question), suffix: promptForm == .suffix ? text(question.suffix) : nil,
            maximumTokens: question.maximumTokens, temperature: question.sampling.temperature,
            seed: question.sampling.seed, wantsProbabilities: question.recordsMargins)
        let answer = try await send(request, question)
        let isComparable = promptForm == .tokens
        return EngineAnswer(
            text: answer.text, tokens: answer.tokens, logProbabilities: answer.logProbabilities,
            margins: answer.margins, stopReason: answer.stopReason,
            promptTokenCount: isComparable ? answer.promptTokens : nil,
            reusedTokenCount: answer.reusedTokens ?? 0, generatedTokenCount: answer.generatedTokens ?? 0,
            firstTokenTime: answer.firstTokenTime, totalTime: answer.totalTime, attempts: answer.attempts)
    }

    private func prompt(_ question: EngineQuestion) -> AnyJSON {
        switch promptForm {
        case .tokens: .array(question.prompt.map { .number(Double($0.rawValue)) })
        case .text: .string(text(tokenizer.decode(question.prompt, renderingControlTokens: true)))
        case .suffix: .string(text(question.prefix))
        }
    }

    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    /// The transfer blocks, so it has a thread of its own.
    private func send(_ request: EndpointRequest, _ question: EngineQuestion) async throws -> EndpointAnswer {
        try await withCheckedThrowingContinuation { continuation in
            let isStarted = BlockingThread.start(name: "eval-http") {
                continuation.resume(
                    with: Result {
                        try endpoint.complete(
                            request, isCancelled: { question.cancellation.isRaised },
                            shouldStop: { question.shouldStop?($0) ?? false })
                    })
            }
            if !isStarted {
                continuation.resume(
                    throwing: EvaluationError(.data, "no thread could be started", fix: "check ulimit -u"))
            }
        }
    }
}
