// `foretoken warm`: reads the repository's context at the current checkout and stores it, so that the first completion
// does not wait for it. Also what the git hooks start, detached and silent.

import ArgumentParser
import RepoContext
import SpecEngine

#if canImport(Glibc)
    import Glibc
#endif

struct WarmCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "warm", abstract: "Read the repository's context ahead, for the next completions.")

    @Argument(help: ArgumentHelp("A folder in the repository. Default: here.", valueName: "dir"))
    var folder = "."

    @OptionGroup var engine: ReadingArguments

    @OptionGroup var cache: CacheArguments

    @Option(
        help: ArgumentHelp(
            "Prompt size in tokens. Default: what this machine reads in 0.8 s.", valueName: "n"))
    var contextTokens: Int?

    @Option(help: ArgumentHelp("Read the prompts of this many files.", valueName: "n"))
    var files = PrefixKeeper.documentCount

    @Flag(help: "Print one JSON object.")
    var json = false

    @Option(help: ArgumentHelp("Called by this git hook.", visibility: .hidden))
    var hook: String?

    private struct File: Encodable {
        let path: String
        let promptTokens: Int
        let reusedTokens: Int
        let computedTokens: Int
        let isStored: Bool

        enum CodingKeys: String, CodingKey {
            case path
            case promptTokens = "prompt_tokens"
            case reusedTokens = "reused_tokens"
            case computedTokens = "computed_tokens"
            case isStored = "stored"
        }

        init(_ outcome: Warmer.Outcome) {
            path = outcome.path
            promptTokens = outcome.promptTokens
            reusedTokens = outcome.reusedTokens
            computedTokens = outcome.computedTokens
            isStored = outcome.isStored
        }
    }

    private struct Report: Encodable {
        let repository: String
        let head: String?
        let files: [File]
        let computedTokens: Int
        let seconds: Double

        enum CodingKeys: String, CodingKey {
            case repository, head, files, seconds
            case computedTokens = "computed_tokens"
        }
    }

    func run() async throws {
        let interrupt = InterruptFlag.install()
        if hook != nil { setsid() }
        _ = nice(10)
        do {
            try check()
            guard let report = try await warm(interrupt) else { return }
            if json {
                guard JSONOutput.write(report) else { throw CommandError.outputFailed }
            } else {
                StandardError.write(
                    "read \(report.computedTokens) tokens for \(report.files.count) files in \(report.seconds) s"
                )
            }
        } catch {
            throw CommandError(error).report(asJSON: json)
        }
    }

    private func check() throws(CommandError) {
        try cache.check()
        guard (1...64).contains(files) else {
            throw .usage("--files is \(files)", fix: "choose between 1 and 64")
        }
        if let contextTokens, contextTokens < PromptBudget.minimumTotalTokenCount {
            throw .usage(
                "--context-tokens is \(contextTokens)",
                fix: "choose at least \(PromptBudget.minimumTotalTokenCount)")
        }
    }

    /// Nil when there was nothing to do: a rebase is under way, or another process does it.
    private func warm(_ interrupt: CancellationFlag) async throws -> Report? {
        let path = SourceFile.absolutePath(folder)
        let folders = try? GitFolders.find(from: path)
        // Of a rebase only the end is worth reading; post-rewrite marks it.
        if let folders, folders.isRewriting, hook != nil, hook != "post-rewrite" { return nil }
        let context = RepositoryContext(
            RepositoryContext.Configuration(
                workspaceFolders: [path], cacheFolder: cache.directory
            ) { line in
                if !json { StandardError.write("foretoken: \(line)") }
            })
        let found = await context.report(forFile: path + "/x")
        let rootPath: String
        switch found.scope {
        case .repository(let root), .folder(let root): rootPath = root
        case .fileAlone:
            throw CommandError.usage(
                "\(path) is in no repository that can be read", fix: "see foretoken doctor")
        }
        guard let flight = try WarmFlight(workTreePath: rootPath, folder: UserDirectories.runtime) else {
            if hook == nil {
                StandardError.write("another process is warming \(rootPath) and was told to begin anew")
            }
            return nil
        }
        return try await withWarmer(context: context, rootPath: rootPath) { warmer in
            try await run(warmer, flight: flight, interrupt: interrupt)
        }
    }

    private func withWarmer(
        context: RepositoryContext, rootPath: String, _ body: (Warmer) async throws -> Report
    ) async throws -> Report {
        var configuration = try engine.configuration()
        configuration.cacheByteLimit = cache.byteLimit
        let loaded = try configuration.load()
        let disk = cache.directory.map { SnapshotKeeper(cacheDirectory: $0) }
        let calibration = Calibration(cacheDirectory: cache.directory)
        let key = Calibration.key(of: loaded)
        var budget = contextTokens ?? calibration.tokenBudget(for: key)
        if budget == nil {
            var rate = 0.0
            for _ in 0..<3 { rate = max(rate, await loaded.measurePrefillRate()) }
            let measured = PromptSizing.tokenBudget(prefillRate: rate)
            calibration.keep(measured, for: key)
            budget = measured
        }
        await disk?.attach(rootPath: rootPath, engine: loaded, context: context)
        let warmer = Warmer(
            engine: loaded, context: context,
            pipeline: CompletionPipeline(engine: loaded, context: context, keptContext: disk?.kept), disk: disk,
            rootPath: rootPath, tokenBudget: budget ?? PromptSizing.tokenCounts.lowerBound)
        return try await body(warmer)
    }

    /// Reads file after file; begins anew when a newer checkout comes, and ends without a trace when interrupted.
    private func run(_ warmer: Warmer, flight: WarmFlight, interrupt: CancellationFlag) async throws -> Report
    {
        let start = ContinuousClock.now
        let bar = ProgressBar(isShown: !json && hook == nil && isatty(2) == 1)
        defer { bar.clear() }
        var outcomes: [Warmer.Outcome] = []
        var computed = 0
        repeat {
            flight.renew()
            outcomes = []
            await warmer.context.prepare(file: warmer.rootPath + "/x", isCancelled: { interrupt.isRaised })
            let targets = await warmer.targets(count: files)
            for (index, target) in targets.enumerated() where !flight.isOutdated {
                let outcome = try await warmer.warm(target, flag: interrupt) { share in
                    bar.show((Double(index) + share) / Double(targets.count), of: target.path)
                }
                if interrupt.isRaised { throw InterruptFlag.error }
                computed += outcome?.computedTokens ?? 0
                if let outcome { outcomes.append(outcome) }
            }
        } while flight.isOutdated
        let head = await warmer.context.report(forFile: warmer.rootPath + "/x").head
        return Report(
            repository: warmer.rootPath, head: head, files: outcomes.map(File.init), computedTokens: computed,
            seconds: ((ContinuousClock.now - start) / .seconds(1) * 100).rounded() / 100)
    }
}

/// One line on a terminal that is written over.
private struct ProgressBar {
    private static let width = 30
    let isShown: Bool

    func show(_ share: Double, of path: String) {
        guard isShown else { return }
        let filled = min(Self.width, max(0, Int(share * Double(Self.width))))
        let name = path.split(separator: "/").last ?? ""
        let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: Self.width - filled)
        FileDescriptorOutput.write("\r\u{1B}[K\(bar) \(Int(share * 100)) % \(name.prefix(40))", to: 2)
    }

    func clear() {
        if isShown { FileDescriptorOutput.write("\r\u{1B}[K", to: 2) }
    }
}
