// `foretoken serve`: the language server on standard input and output.

import ArgumentParser
import Logging
import RepoContext
import SpecEngine

#if canImport(Glibc)
    import Glibc
#endif

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract:
            "Serve completions to an editor over the Language Server Protocol (3.18) on stdin and stdout.")

    @OptionGroup var engine: EngineArguments

    @Option(
        help: ArgumentHelp(
            "Prompt size in tokens. Default: what this machine reads in 0.8 s.", valueName: "n"))
    var contextTokens: Int?

    @Flag(help: "Use the current file alone, without context from the repository.")
    var noContext = false

    @Option(help: ArgumentHelp("Generate at most this many tokens.", valueName: "n"))
    var maxTokens = CompletionPipeline.defaultMaximumTokens

    @Option(help: ArgumentHelp("trace, debug, info, notice, warning, error or critical.", valueName: "level"))
    var logLevel = DaemonLog.defaultLevel.rawValue

    @Flag(help: "Accepted because editors pass it; standard input and output are always used.")
    var stdio = false

    func run() async throws {
        do {
            let configuration = try serviceConfiguration()
            guard let level = Logger.Level(rawValue: logLevel) else {
                throw CommandError.usage("--log-level is '\(logLevel)'", fix: "see foretoken serve --help")
            }
            // Before any other output: from here on descriptor 1 belongs to the protocol alone.
            let streams = try StandardStreams.takeOver()
            DaemonLog.bootstrap(level: level)
            let code = await ServeSession.run(
                provider: CompletionService(configuration: configuration), input: streams.input,
                output: streams.output, options: ServerOptions(version: ForetokenVersion.current))
            // Not `exit`: the reader may still block on input, and nothing is left to flush.
            _exit(code)
        } catch {
            throw CommandError(error).report(asJSON: false)
        }
    }

    private func serviceConfiguration() throws(CommandError) -> CompletionService.Configuration {
        guard (1...EngineLimits.maximumTokens).contains(maxTokens) else {
            throw .usage(
                "--max-tokens is \(maxTokens)", fix: "choose between 1 and \(EngineLimits.maximumTokens)")
        }
        if let contextTokens, contextTokens < PromptBudget.minimumTotalTokenCount {
            throw .usage(
                "--context-tokens is \(contextTokens)",
                fix: "choose at least \(PromptBudget.minimumTotalTokenCount)")
        }
        return CompletionService.Configuration(
            engine: try engine.configuration(), contextTokens: contextTokens, includesContext: !noContext,
            maximumTokens: maxTokens)
    }
}
