// One case from question to record: prompt, engine, the stop rules and the post-processing of the daemon. What is
// recorded is the text that an editor would show.

import CompletionEvaluation
import RepoContext
import SpecEngine

/// Runs cases of one configuration on one engine, one at a time.
struct CaseRunner {
    let entry: Sweep.Entry
    let engine: any EvaluationEngine
    let prompts: CasePrompts
    let recordsMargins: Bool
    let cancellation: CancellationFlag

    /// The record of a case; a failure of the case is in it.
    ///
    /// - Throws: when the run was interrupted.
    func run(_ subject: EvaluationCase) async throws -> CaseRecord {
        var record = CaseRecord(subject, configuration: entry.name)
        do {
            try await answer(subject, &record)
        } catch {
            if cancellation.isRaised { throw InterruptFlag.error }
            record.error = CommandError(error).message
        }
        if cancellation.isRaised { throw InterruptFlag.error }
        return record
    }

    private func answer(_ subject: EvaluationCase, _ record: inout CaseRecord) async throws {
        let configuration = entry.configuration
        let room = engine.positionLimit - configuration.maximumTokens - 1
        guard room >= PromptBudget.minimumTotalTokenCount else {
            throw EngineError.noRoomForPrompt(
                maximumTokens: configuration.maximumTokens, limit: engine.positionLimit)
        }
        let heldBack = heldBackByteCount(subject)
        let prompt = try await prompts.prompt(
            for: subject, room: room, heldBackByteCount: heldBack, cancellation: cancellation)
        record.promptTokens = prompt.tokens.count
        record.promptFingerprint = Self.fingerprint(prompt.tokens)
        record.contextPaths = prompt.contextPaths

        // A data set's row says where its answer ends; in a file that is for the daemon's rules.
        let rules = subject.kind == .infill ? nil : Self.rules(for: subject)
        var shouldStop: (@Sendable ([UInt8]) -> Bool)?
        if let rules { shouldStop = { rules.shouldStop(generated: $0) } }
        let answer = try await engine.answer(
            EngineQuestion(
                prompt: prompt.tokens, prefix: prompt.prefix, suffix: prompt.suffix,
                maximumTokens: configuration.maximumTokens,
                sampling: try SamplingParameters(
                    temperature: configuration.temperature, seed: Self.seed(of: subject)),
                shouldStop: shouldStop, recordsMargins: recordsMargins, cancellation: cancellation,
                requiredPrefix: Array(subject.prefix.suffix(heldBack))))
        if cancellation.isRaised { return }
        let isCut = answer.generatedTokenCount >= configuration.maximumTokens
        record.got = Self.shownText(answer.text, subject: subject, rules: rules, isCut: isCut)
        record.stopReason = answer.stopReason
        record.tokens = answer.tokens
        record.logProbabilities = answer.logProbabilities
        record.margins = answer.margins
        record.timings.contextMilliseconds = prompt.time.milliseconds
        record.timings.firstTokenMilliseconds = answer.firstTokenTime.map { (prompt.time + $0).milliseconds }
        record.timings.totalMilliseconds = (prompt.time + answer.totalTime).milliseconds
        record.timings.reusedTokens = answer.reusedTokenCount
        record.timings.generatedTokens = answer.generatedTokenCount
        record.timings.speculation = answer.speculation
        record.timings.attempts = answer.attempts
        record.isPromptConfirmed = answer.promptTokenCount != nil
        guard answer.promptTokenCount ?? prompt.tokens.count == prompt.tokens.count else {
            throw EvaluationError(
                .broken,
                "the engine read a prompt of \(answer.promptTokenCount ?? 0) tokens, "
                    + "sent were \(prompt.tokens.count)",
                fix: "use a server with the same model file")
        }
    }

    static func rules(for subject: EvaluationCase) -> StopRules {
        StopRules(
            prefix: subject.prefix[...], suffix: subject.suffix[...],
            languageID: LanguageID.guess(path: subject.path))
    }

    /// As the daemon does; a data set's rows end at bytes, which its own scores expect.
    private func heldBackByteCount(_ subject: EvaluationCase) -> Int {
        guard entry.configuration.healsTokens, engine.constrainsTokens, subject.kind != .infill else { return 0 }
        return TokenHealing.heldBackByteCount(before: subject.prefix[...], tokenizer: engine.tokenizer)
    }

    static func shownText(
        _ generated: [UInt8], subject: EvaluationCase, rules: StopRules?, isCut: Bool = false
    ) -> String {
        guard let rules else { return String(decoding: generated, as: UTF8.self) }
        return PostProcessor(prefix: subject.prefix[...], suffix: subject.suffix[...], stopRules: rules)
            .process(generated, isCut: isCut) ?? ""
    }

    private static func fingerprint(_ tokens: [TokenID]) -> String {
        var hash = StableHash()
        for token in tokens { withUnsafeBytes(of: token.rawValue.littleEndian) { hash.add($0) } }
        return hash.hexadecimal
    }

    /// Each case has random numbers of its own, whatever ran before it.
    private static func seed(of subject: EvaluationCase) -> UInt64 {
        var hash = StableHash()
        hash.add(subject.id)
        return hash.value
    }
}
