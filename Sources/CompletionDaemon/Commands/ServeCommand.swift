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

    @Option(
        help: ArgumentHelp(
            "Answer requests that an editor makes by itself within this time, with what there is; 0 never hurries.",
            valueName: "ms"))
    var answerWithin = Int(AnswerDeadline.standardLimit.milliseconds)

    @Option(
        name: .customLong("clientProcessId"),
        help: ArgumentHelp("End when this process ends; editors pass it.", valueName: "pid"))
    var clientProcessID: Int64?

    @Option(
        help: ArgumentHelp(
            "Write what editor and server say to each other into a new file in this folder.", valueName: "dir"))
    var record: String?

    @Flag(help: "Record the texts of files and suggestions, too, not only their shape.")
    var recordContents = false

    @Flag(help: "Count nothing for foretoken stats.")
    var noStatistics = false

    @Flag(help: "Accepted because editors pass it; standard input and output are always used.")
    var stdio = false

    func run() async throws {
        do {
            let configuration = try serviceConfiguration()
            guard let level = Logger.Level(rawValue: logLevel) else {
                throw CommandError.usage("--log-level is '\(logLevel)'", fix: "see foretoken serve --help")
            }
            guard record != nil || !recordContents else {
                throw CommandError.usage(
                    "--record-contents without --record", fix: "name a folder with --record DIR")
            }
            let recorder = try record.map { try makeRecorder(inFolder: $0) }
            // Before any other output: from here on descriptor 1 belongs to the protocol alone.
            let streams = try StandardStreams.takeOver()
            DaemonLog.bootstrap(level: level)
            var options = ServerOptions(version: ForetokenVersion.current)
            options.usage = noStatistics ? nil : UsageStore.inStateDirectory().map { UsageRecorder(store: $0) }
            options.usage?.start()
            options.clientProcessID = clientProcessID
            options.recorder = recorder
            let settings = SettingsStore(userFilePath: SettingsStore.defaultUserFilePath())
            let code = await ServeSession.run(
                provider: GatingProvider(
                    CachingProvider(service(configuration, remote: settings.userSettings.remoteEngine)),
                    settings: settings, usage: options.usage),
                input: streams.input,
                output: streams.output, options: options)
            // Not `exit`: the reader may still block on input, and nothing is left to flush.
            _exit(code)
        } catch {
            throw CommandError(error).report(asJSON: false)
        }
    }

    private func makeRecorder(inFolder folder: String) throws(CommandError) -> TranscriptRecorder {
        do {
            return try TranscriptRecorder.inFolder(folder, keepsContents: recordContents)
        } catch {
            throw CommandError.file("\(error)", fix: "choose another folder for --record")
        }
    }

    /// This machine's engine, unless the user's settings.json names another one.
    private func service(
        _ configuration: CompletionService.Configuration, remote: RemoteEngineSettings?
    ) -> any CompletionProvider {
        guard let remote else { return CompletionService(configuration: configuration) }
        return RemoteCompletionService(
            configuration: RemoteCompletionService.Configuration(
                engine: remote, modelPath: configuration.engine.modelPath,
                contextTokens: configuration.contextTokens, includesContext: configuration.includesContext,
                disabledSignals: configuration.disabledSignals, maximumTokens: configuration.maximumTokens,
                cacheDirectory: configuration.cacheDirectory))
    }

    private func serviceConfiguration() throws(CommandError) -> CompletionService.Configuration {
        try prompt.check()
        try cache.check()
        guard (0...60_000).contains(answerWithin) else {
            throw .usage("--answer-within is \(answerWithin)", fix: "choose between 0 and 60000 milliseconds")
        }
        var engine = try engine.configuration()
        engine.cacheByteLimit = cache.byteLimit
        engine.cacheDirectory = cache.directory
        return CompletionService.Configuration(
            engine: engine, contextTokens: prompt.contextTokens,
            includesContext: !prompt.noContext, disabledSignals: Set(prompt.withoutSignal),
            maximumTokens: prompt.maxTokens, cacheDirectory: cache.directory,
            runtimeDirectory: UserDirectories.runtime,
            automaticLimit: answerWithin > 0 ? .milliseconds(answerWithin) : nil)
    }
}
