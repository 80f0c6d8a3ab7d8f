// `foretoken context FILE:LINE:COLUMN`: what the model would be shown for a place, and why. For people who wonder
// about a completion, and for checking the choice of context without running a model over it.

import ArgumentParser
import RepoContext
import SpecEngine

struct ContextCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "context",
        abstract: "Show which parts of the repository a completion at a place would see, and why.",
        discussion: """
            Lines and columns count from 1; columns are UTF-8 bytes. The list is ordered by value; "place" says where \
            a part stands in the prompt, 1 being the first. docs/CONTEXT.md explains the reasons.
            """)

    @Argument(help: ArgumentHelp("The place to complete.", valueName: "file:line:column"))
    var place: String

    @OptionGroup var engine: ReadingArguments

    @OptionGroup var prompt: ContextArguments

    @Flag(help: "Print one JSON object.")
    var json = false

    func run() async throws {
        let interrupt = InterruptFlag.install()
        do {
            try prompt.check()
            let cursor = try CursorArgument(place)
            let text = try SourceFile.read(cursor.path)
            let offset = try cursor.offset(in: text)
            let path = SourceFile.absolutePath(cursor.path)
            let loaded = try engine.configuration().load(fillsHoles: true)
            var budget = prompt.contextTokens
            if budget == nil {
                budget = PromptSizing.tokenBudget(prefillRate: await loaded.measurePrefillRate())
            }
            let context = RepositoryContext(
                RepositoryContext.Configuration(
                    cacheFolder: UserDirectories.cache, disabledSignals: Set(prompt.withoutSignal)
                ) { _ in })
            if !prompt.noContext { await context.prepare(file: path, isCancelled: { interrupt.isRaised }) }
            let tokenBudget = budget ?? PromptSizing.tokenCounts.lowerBound
            let result = try await context.prompt(
                for: ContextQuery(
                    filePath: path, text: text, cursorOffset: offset, tokenBudget: tokenBudget,
                    includeContext: !prompt.noContext, isCancelled: { interrupt.isRaised }),
                tokenizer: EnginePromptTokenizer(tokenizer: loaded.tokenizer))
            let report = ContextListing(result, tokenBudget: tokenBudget)
            guard json ? JSONOutput.write(report) : FileDescriptorOutput.write(report.table, to: 1) else {
                throw CommandError.outputFailed
            }
        } catch {
            throw CommandError(error).report(asJSON: json)
        }
    }
}
