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

    @OptionGroup var prompt: PromptArguments

    @OptionGroup var cache: CacheArguments

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
        try prompt.check()
        try cache.check()
        var engine = try engine.configuration()
        engine.cacheByteLimit = cache.byteLimit
        return CompletionService.Configuration(
            engine: engine, contextTokens: prompt.contextTokens,
            includesContext: !prompt.noContext, maximumTokens: prompt.maxTokens,
            cacheDirectory: cache.directory, runtimeDirectory: RuntimeDirectory.path())
    }
}
