// The options that every evaluation of completions has, and how a run is made of them.

import ArgumentParser
import CompletionEvaluation
import SpecEngine

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
#if canImport(Glibc)
    import Glibc
#endif

struct EvaluationArguments: ParsableArguments {
    static let workerCounts = 1...64
    static let maximumLimit = 1_000_000

    @Option(help: ArgumentHelp("Folder for the journal and the reports; made if need be.", valueName: "dir"))
    var output: String

    @Option(help: ArgumentHelp("Draw at most this many cases.", valueName: "n"))
    var limit = 200

    @Option(help: ArgumentHelp("Seed of the draw.", valueName: "n"))
    var seed: UInt64 = 1

    @Option(
        help: ArgumentHelp("Run this part of the cases only, such as 2/8; see eval merge.", valueName: "k/n"))
    var shard: String?

    @Option(help: ArgumentHelp("Run this many cases at once.", valueName: "n"))
    var jobs = 1

    @Option(help: ArgumentHelp("Prompt size in tokens.", valueName: "n"))
    var contextTokens: Int?

    @Option(
        help: ArgumentHelp("Generate at most this many tokens. Default: as the editor's.", valueName: "n"))
    var maxTokens: Int?

    @Flag(help: "Use the file alone, without other files.")
    var noContext = false

    @Option(
        help: ArgumentHelp(
            "Change a setting, such as signal.sibling=off. Repeatable.", valueName: "name=value"))
    var set: [String] = []

    @Option(
        help: ArgumentHelp("Try several values, such as context=on,off. Repeatable.", valueName: "name=a,b"))
    var sweep: [String] = []

    @Flag(help: "Record how close each token's choice was.")
    var margins = false

    @OptionGroup var engine: EngineArguments
    @OptionGroup var endpoint: EndpointArguments

    func check() throws {
        guard (1...Self.maximumLimit).contains(limit) else {
            throw CommandError.usage("--limit is \(limit)", fix: "choose between 1 and \(Self.maximumLimit)")
        }
        guard Self.workerCounts.contains(jobs) else {
            throw CommandError.usage(
                "--jobs is \(jobs)",
                fix: "choose between \(Self.workerCounts.lowerBound) and \(Self.workerCounts.upperBound)")
        }
        _ = try parsedShard()
    }

    private func parsedShard() throws -> Shard {
        guard let shard else { return .whole }
        guard let parsed = Shard(shard) else {
            throw CommandError.usage(
                "--shard is '\(shard)'", fix: "write for example 2/8: the second of eight parts")
        }
        return parsed
    }

    private func configurations(defaultMaximumTokens: Int) throws -> Sweep {
        var settings: [String] = []
        if let contextTokens { settings.append("context-tokens=\(contextTokens)") }
        settings.append("max-tokens=\(maxTokens ?? defaultMaximumTokens)")
        if noContext { settings.append("context=off") }
        if engine.reference { settings.append("reference=on") }
        settings.append("speculation=\(engine.speculation.rawValue)")
        return try Sweep(base: RunConfiguration(), settings: settings + set, sweeps: sweep)
    }

    /// Runs cases and writes the reports.
    func run(
        kind: String, subject: String, repositoryRoot: String?, defaultMaximumTokens: Int,
        interrupt: CancellationFlag, select: () throws -> CaseSelection
    ) async throws {
        try check()
        let sweep = try configurations(defaultMaximumTokens: defaultMaximumTokens)
        let remote = try endpoint.options()
        let base = try engine.configuration()
        // A missing model and an unusable folder are told before minutes are spent on the history.
        try RunFolder.check(output)
        let models = try sweep.entries.map { entry in
            try Self.modelPath(entry.configuration.model ?? base.modelPath)
        }
        var selection = try select()
        if interrupt.isRaised { throw InterruptFlag.error }
        report(selection)
        let shard = try parsedShard()
        let header = RunHeader(
            version: ForetokenVersion.current, kind: kind, subject: subject, selection: selection,
            limit: limit,
            seed: seed, shard: shard, engine: try Self.engineName(remote, models: models),
            sweep: sweep.withoutFolders())
        selection.keep(shard)
        let meter = EnergyMeter()
        let run = EvaluationRun(
            header: header, cases: selection.cases, sweep: sweep, repositoryRoot: repositoryRoot,
            folder: output,
            workerCount: jobs, recordsMargins: margins,
            engines: EvaluationEngines(base: base, remote: remote),
            cancellation: interrupt)
        do {
            try await run.run()
        } catch let error as CommandError where error.exitCode == ExitStatus.interrupted {
            StandardError.write("interrupted: the same command goes on from here")
            throw error
        }
        try EvaluationReports.write(folder: output, energyJoules: meter.joules())
    }

    /// The model's path, once it is known to be a model file.
    private static func modelPath(_ explicitPath: String?) throws -> String {
        let path = try ModelLocator.locate(explicitPath: explicitPath).path
        do throws(GGUFError) {
            _ = try GGUFFile.open(path)
        } catch {
            throw EngineError.model(error)
        }
        return path
    }

    private func report(_ selection: CaseSelection) {
        for each in selection.skipped.prefix(10) {
            StandardError.write("skipped\(each.line > 0 ? " line \(each.line)" : ""): \(each.reason)")
        }
        if selection.skipped.count > 10 {
            StandardError.write("skipped \(selection.skipped.count) in all; the report lists them")
        }
        for (name, count) in selection.unknownFields.sorted(by: { $0.key < $1.key }) {
            StandardError.write("unknown field \(name) in \(count) rows; it is not used")
        }
        StandardError.write("\(selection.cases.count) cases of \(selection.candidateCount) candidates")
    }

    /// Recognisable, but without a folder of this machine.
    private static func engineName(_ remote: RemoteEngineOptions?, models: [String]) throws -> String {
        let files = try Set(models).sorted().map { path in
            let name = path.split(separator: "/").last.map(String.init) ?? path
            var status = stat()
            guard stat(path, &status) == 0 else {
                throw CommandError.file("\(path) cannot be read", fix: "check --model")
            }
            return "\(name) (\(status.st_size) bytes)"
        }.joined(separator: ", ")
        guard let remote else { return "foretoken with \(files)" }
        return "\(remote.endpoint.url), prompts as \(remote.promptForm.rawValue), tokenizer of \(files)"
    }
}

/// The options that choose another engine.
struct EndpointArguments: ParsableArguments {
    @Option(
        name: .customLong("engine"),
        help: ArgumentHelp(
            "Ask an OpenAI-compatible server instead, such as http://127.0.0.1:8080/v1.", valueName: "url"))
    var url: String?

    @Option(help: ArgumentHelp("The model's name at the server.", valueName: "name"))
    var engineModel: String?

    @Option(help: ArgumentHelp("How prompts are sent: tokens, text or suffix.", valueName: "form"))
    var enginePrompt = EndpointPrompt.tokens

    @Option(help: ArgumentHelp("File with the server's key, readable by you alone.", valueName: "path"))
    var engineKeyFile: String?

    @Option(help: ArgumentHelp("Seconds that one answer may take.", valueName: "s"))
    var engineTimeout = 120

    @Option(help: ArgumentHelp("A JSON object whose members are added to every request.", valueName: "json"))
    var engineExtra: String?

    func options() throws -> RemoteEngineOptions? {
        guard let url else { return nil }
        guard (1...86_400).contains(engineTimeout) else {
            throw CommandError.usage(
                "--engine-timeout is \(engineTimeout)", fix: "choose between 1 and 86400 seconds")
        }
        var extra: [String: AnyJSON] = [:]
        if let engineExtra {
            guard let value = try? JSONDecoder().decode([String: AnyJSON].self, from: Data(engineExtra.utf8))
            else {
                throw CommandError.usage(
                    "--engine-extra is no JSON object",
                    fix: "write for example '{\"timings_per_token\":true}'")
            }
            extra = value
        }
        return RemoteEngineOptions(
            endpoint: CompletionEndpoint(
                url: try EndpointURL(url), model: engineModel, key: try EndpointKey.find(file: engineKeyFile),
                extra: extra, timeout: .seconds(engineTimeout)),
            promptForm: enginePrompt)
    }
}

extension EndpointPrompt: ExpressibleByArgument {}
