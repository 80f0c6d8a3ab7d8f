// `foretoken complete FILE:LINE:COLUMN`: one completion, for scripts, for trying things out, and for checking the
// engine against another one.

import ArgumentParser
import RepoContext
import SpecEngine

#if canImport(Glibc)
    import Glibc
#endif

struct CompleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "complete",
        abstract: "Print the completion at a place in a file.",
        discussion: """
            Lines and columns count from 1; columns are UTF-8 bytes, and one past the end of the line is its end. \
            With --prompt-file the file's bytes are the whole prompt, special tokens recognised, nothing trimmed.
            """)

    @Argument(help: ArgumentHelp("The place to complete.", valueName: "file:line:column"))
    var place: String?

    @OptionGroup var engine: EngineArguments

    @OptionGroup var prompt: PromptArguments

    @Option(help: ArgumentHelp("0 takes the most probable token each time.", valueName: "t"))
    var temperature: Float = 0

    @Option(help: ArgumentHelp("Seed of the random numbers.", valueName: "n"))
    var seed: UInt64 = 0

    @Option(
        help: ArgumentHelp(
            "Continue the bytes of this file instead (- for standard input).", valueName: "path"))
    var promptFile: String?

    @Flag(help: "Print one JSON object.")
    var json = false

    func run() async throws {
        let interrupt = InterruptFlag.install()
        do {
            try check()
            let start = ContinuousClock.now
            let result: Output
            if let promptFile {
                result = try await completePrompt(promptFile, interrupt)
            } else {
                result = try await completePlace(interrupt)
            }
            if result.generation.stopReason == .cancelled {
                throw InterruptFlag.error
            }
            guard write(result, start: start) else { throw CommandError.outputFailed }
        } catch {
            throw CommandError(error).report(asJSON: json)
        }
    }

    private struct Output {
        var text: [UInt8]
        var generation: Generation
        var contextTime: Duration
        var loadTime: Duration
    }

    private func check() throws(CommandError) {
        guard (place == nil) != (promptFile == nil) else {
            throw .usage(
                "give either FILE:LINE:COLUMN or --prompt-file", fix: "see foretoken complete --help")
        }
        try prompt.check()
    }

    private func load(fillsHoles: Bool) throws -> (InferenceEngine, Duration) {
        let configuration = try engine.configuration()
        let start = ContinuousClock.now
        let engine = try configuration.load(fillsHoles: fillsHoles)
        return (engine, ContinuousClock.now - start)
    }

    // MARK: The two kinds of prompt

    private func completePlace(_ interrupt: CancellationFlag) async throws -> Output {
        let cursor = try CursorArgument(place!)
        let text = try SourceFile.read(cursor.path)
        let offset = try cursor.offset(in: text)
        let path = SourceFile.absolutePath(cursor.path)
        let sampling = try SamplingParameters(temperature: temperature, seed: seed)
        let (engine, loadTime) = try load(fillsHoles: true)
        var budget = prompt.contextTokens
        if budget == nil { budget = PromptSizing.tokenBudget(prefillRate: await engine.measurePrefillRate()) }

        let contextStart = ContinuousClock.now
        let context = RepositoryContext(
            RepositoryContext.Configuration(
                cacheFolder: UserDirectories.cache, disabledSignals: Set(prompt.withoutSignal)
            ) {
                StandardError.write("foretoken: \($0)")
            })
        if !prompt.noContext { await context.prepare(file: path, isCancelled: { interrupt.isRaised }) }
        let query = ContextQuery(
            filePath: path, text: text, cursorOffset: offset, tokenBudget: budget!,
            includeContext: !prompt.noContext
        )
        let prepareTime = ContinuousClock.now - contextStart
        let result = try await CompletionPipeline(engine: engine, context: context).complete(
            CompletionPipeline.Request(
                query: query, languageID: LanguageID.guess(path: path), maximumTokens: prompt.maxTokens,
                sampling: sampling, cancellation: interrupt))
        return Output(
            text: Array((result.text ?? "").utf8), generation: result.generation,
            contextTime: prepareTime + result.contextTime, loadTime: loadTime)
    }

    private func completePrompt(_ path: String, _ interrupt: CancellationFlag) async throws -> Output {
        let bytes = try SourceFile.readBytes(path == "-" ? "/dev/stdin" : path)
        let sampling = try SamplingParameters(temperature: temperature, seed: seed)
        let (engine, loadTime) = try load(fillsHoles: false)
        let generation = try await engine.generate(
            GenerationRequest(
                prompt: engine.tokenizer.encode(bytes, parsingSpecialTokens: true),
                maximumTokens: prompt.maxTokens,
                sampling: sampling, endTokens: engine.tokenizer.specialTokens.endOfText,
                cancellation: interrupt))
        return Output(
            text: engine.tokenizer.decode(generation.tokens), generation: generation, contextTime: .zero,
            loadTime: loadTime)
    }

    // MARK: Output

    private struct JSONResult: Encodable {
        struct Timings: Encodable {
            let load: Double
            let context: Double
            let prefill: Double
            let decode: Double
            let total: Double
        }
        let text: String
        let tokenIDs: [Int32]
        let stopReason: String
        let promptTokens: Int
        let reusedTokens: Int
        let timings: Timings
        let speculation: SpeculationResult?

        enum CodingKeys: String, CodingKey {
            case text, speculation
            case tokenIDs = "token_ids"
            case stopReason = "stop_reason"
            case promptTokens = "prompt_tokens"
            case reusedTokens = "reused_tokens"
            case timings = "timings_ms"
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(text, forKey: .text)
            try container.encode(tokenIDs, forKey: .tokenIDs)
            try container.encode(stopReason, forKey: .stopReason)
            try container.encode(promptTokens, forKey: .promptTokens)
            try container.encode(reusedTokens, forKey: .reusedTokens)
            try container.encode(timings, forKey: .timings)
            try container.encode(speculation, forKey: .speculation)  // null after plain decoding
        }
    }

    private func write(_ output: Output, start: ContinuousClock.Instant) -> Bool {
        guard json else {
            return FileDescriptorOutput.write(output.text + (output.text.isEmpty ? [] : [0x0A]), to: 1)
        }
        let generation = output.generation
        return JSONOutput.write(
            JSONResult(
                text: String(decoding: output.text, as: UTF8.self),
                tokenIDs: generation.tokens.map(\.rawValue),
                stopReason: generation.stopReason.rawValue, promptTokens: generation.promptTokenCount,
                reusedTokens: generation.reusedTokenCount,
                timings: JSONResult.Timings(
                    load: output.loadTime.milliseconds, context: output.contextTime.milliseconds,
                    prefill: generation.prefillTime.milliseconds, decode: generation.decodeTime.milliseconds,
                    total: (ContinuousClock.now - start).milliseconds),
                speculation: generation.speculation.map(SpeculationResult.init)))
    }
}

/// Turns the first SIGINT into a cancellation; a second one ends the process as usual.
enum InterruptFlag {
    private static let flag = CancellationFlag()

    /// What a command ends with after SIGINT.
    static let error = CommandError(
        exitCode: ExitStatus.interrupted, code: "interrupted", message: "interrupted", fix: "")

    static var isRaised: Bool { flag.isRaised }

    static func install() -> CancellationFlag {
        _ = flag  // made before the handler can run: the handler only stores to an atomic
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in
            InterruptFlag.flag.raise()
            signal(SIGINT, SIG_DFL)
        }
        action.sa_flags = 0  // no SA_RESTART: a blocked read ends with EINTR
        sigaction(SIGINT, &action, nil)
        return flag
    }
}
