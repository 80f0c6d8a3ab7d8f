// `foretoken eval speed`: what speculative decoding gives on long prompts with long answers. Every prompt is answered
// twice from an empty cache, plain and speculative; the texts must be the same or the command fails.

import ArgumentParser
import CompletionEvaluation
import SpecEngine

struct EvalSpeedCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "speed",
        abstract: "Measure speculative against plain decoding on LongBench and AIME rows.")

    @Argument(help: ArgumentHelp("Rows of LongBench or AIME, one JSON object per line.", valueName: "file"))
    var file: String

    @Option(help: ArgumentHelp("Folder for speed.json and speed.md.", valueName: "dir"))
    var output: String

    @Option(help: ArgumentHelp("Draw at most this many rows.", valueName: "n"))
    var limit = 30

    @Option(help: ArgumentHelp("Seed of the draw.", valueName: "n"))
    var seed: UInt64 = 1

    @Option(
        help: ArgumentHelp(
            "Generate at most this many tokens, as far as the model's context allows.", valueName: "n"))
    var maxTokens = 512

    @Option(
        help: ArgumentHelp(
            "Cut longer prompts in the middle. Default: what the model has room for.", valueName: "n"))
    var contextTokens: Int?

    @Flag(help: "Do not stop where the model would: the lengths that were asked for.")
    var ignoreEnd = false

    @Flag(help: "Ask without the model's chat template.")
    var plainPrompt = false

    @OptionGroup var engine: EngineArguments

    func run() async throws {
        let interrupt = InterruptFlag.install()
        do {
            try check()
            try RunFolder.check(output)
            let (tasks, skipped, fingerprint) = try SpeedTask.draw(path: file, limit: limit, seed: seed)
            for each in skipped.prefix(10) {
                StandardError.write("skipped line \(each.line): \(each.reason)")
            }
            guard !tasks.isEmpty else {
                throw EvaluationError(
                    .data, "\(file) has no row that can be used",
                    fix: "its rows need dataset and context, or problem; dataset is one of "
                        + SpeedTask.names.joined(separator: ", "))
            }
            let bench = try SpeedRun(self, interrupt: interrupt)
            let journal = try SpeedJournal(folder: output, settings: bench.settings(rows: fingerprint))
            let done = Set(journal.records.map(\.id))
            for (place, task) in tasks.enumerated() where !done.contains(task.id) {
                let record = try await bench.measure(task, speculativeFirst: !place.isMultiple(of: 2))
                try journal.append(record)
                let reduction = 100 * (1 - record.speculative.total / record.plain.total)
                StandardError.write(
                    "\(place + 1)/\(tasks.count) \(task.id): \(record.promptTokens) + \(record.outputTokens) tokens, "
                        + "\(Int(reduction.rounded())) % sooner")
            }
            let report = SpeedReport(
                settings: bench.settings(rows: fingerprint), records: journal.records, skipped: skipped)
            let title = file.split(separator: "/").last.map(String.init) ?? file
            try report.write(to: output, title: title)
            FileDescriptorOutput.write(
                SpeedSummary.markdown(report.summaries, title: title, skipped: skipped), to: 1)
        } catch {
            throw CommandError(error).report(asJSON: false)
        }
    }

    private func check() throws(CommandError) {
        guard (1...EngineLimits.maximumTokens).contains(maxTokens) else {
            throw .usage(
                "--max-tokens is \(maxTokens)", fix: "choose between 1 and \(EngineLimits.maximumTokens)")
        }
        guard limit > 0 else { throw .usage("--limit is \(limit)", fix: "choose at least 1") }
        guard !engine.reference else {
            throw .usage("the float reference does not speculate", fix: "leave --reference out")
        }
        if let contextTokens, contextTokens < 16 {
            throw .usage("--context-tokens is \(contextTokens)", fix: "choose at least 16")
        }
    }
}

/// One engine and the two ways to decode.
private struct SpeedRun {
    private let engine: InferenceEngine
    private let mode: SpeculationMode
    private let command: EvalSpeedCommand
    private let template: ChatTemplate?
    private let interrupt: CancellationFlag

    init(_ command: EvalSpeedCommand, interrupt: CancellationFlag) throws {
        var configuration = try command.engine.configuration()
        // What would be measured with speculation off?
        mode = command.engine.speculation == .off ? .auto : command.engine.speculation
        var options = configuration.speculation
        options.mode = mode
        // The same prompt runs twice: its own answer must not be the draft.
        options.usesLastCompletion = false
        configuration.speculation = .off
        configuration.speculationAlternatives = [options]
        engine = try configuration.load(fillsHoles: false)
        // A template that cannot be read is like none.
        let program = try? GGUFFile.open(engine.modelPath).metadata.string("tokenizer.chat_template")
        template = command.plainPrompt ? nil : program.flatMap { $0 }.flatMap(ChatTemplate.recognise)
        self.command = command
        self.interrupt = interrupt
    }

    func settings(rows fingerprint: String) -> [String: String] {
        [
            "rows": fingerprint, "limit": "\(command.limit)", "seed": "\(command.seed)",
            "max_tokens": "\(command.maxTokens)",
            "context_tokens": command.contextTokens.map { "\($0)" } ?? "model",
            "speculation": mode.rawValue, "ignore_end": "\(command.ignoreEnd)",
            "chat_template": template?.name ?? "none", "threads": "\(engine.threadCount)",
            "isa": engine.instructionSet.description,
            "model": engine.modelPath.split(separator: "/").last.map(String.init) ?? engine.modelPath,
        ]
    }

    func measure(_ task: SpeedTask, speculativeFirst: Bool) async throws -> SpeedRecord {
        let prompt = prompt(for: task)
        var plain: Generation?
        if !speculativeFirst { plain = try await generate(prompt, alternative: nil) }
        let speculative = try await generate(prompt, alternative: 0)
        let reference = if let plain { plain } else { try await generate(prompt, alternative: nil) }
        guard reference.tokens == speculative.tokens else {
            let place = zip(reference.tokens, speculative.tokens).prefix { $0 == $1 }.count
            throw EvaluationError(
                .broken, "\(task.id): plain and speculative decoding differ from token \(place) on",
                fix: "please report this: speculation must not change a text")
        }
        return SpeedRecord(
            id: task.id, task: task.task, promptTokens: prompt.count, outputTokens: reference.tokens.count,
            stopReason: reference.stopReason.rawValue, rounds: speculative.speculation?.rounds ?? 0,
            emitted: speculative.speculation?.emitted ?? 0,
            plain: .init(
                prefill: reference.prefillTime.milliseconds, decode: reference.decodeTime.milliseconds),
            speculative: .init(
                prefill: speculative.prefillTime.milliseconds, decode: speculative.decodeTime.milliseconds))
    }

    /// From an empty cache.
    private func generate(_ prompt: [TokenID], alternative: Int?) async throws -> Generation {
        let other = TokenID(prompt[0].rawValue == 0 ? 1 : 0)
        _ = try await engine.generate(
            GenerationRequest(
                prompt: [other], maximumTokens: 1, sampling: .greedy, endTokens: [], cancellation: interrupt))
        let request = GenerationRequest(
            prompt: prompt, maximumTokens: min(command.maxTokens, engine.positionLimit - prompt.count),
            sampling: .greedy, endTokens: command.ignoreEnd ? [] : engine.controlTokens,
            cancellation: interrupt)
        let generation =
            if let alternative {
                try await engine.generate(request, alternative: alternative)
            } else {
                try await engine.generate(request)
            }
        if generation.stopReason == .cancelled { throw InterruptFlag.error }
        return generation
    }

    /// The prompt's tokens, cut in the middle when there are too many: instructions stand at both ends.
    private func prompt(for task: SpeedTask) -> [TokenID] {
        let wrap = task.isCode ? nil : template
        let before = engine.tokenizer.encode(wrap?.before ?? "", parsingSpecialTokens: true)
        let after = engine.tokenizer.encode(wrap?.after ?? "", parsingSpecialTokens: true)
        let text = engine.tokenizer.encode(task.prompt, parsingSpecialTokens: false)
        let limit = min(
            command.contextTokens ?? .max,
            engine.positionLimit - min(command.maxTokens, engine.positionLimit / 2))
        let room = max(2, limit - before.count - after.count)
        guard text.count > room else { return before + text + after }
        return before + text.prefix(room / 2) + text.suffix(room - room / 2) + after
    }
}
