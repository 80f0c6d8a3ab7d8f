// The options that size prompts and completions, shared by the commands that complete.

import ArgumentParser
import RepoContext
import SpecEngine

struct PromptArguments: ParsableArguments {
    @Option(help: ArgumentHelp("Generate at most this many tokens.", valueName: "n"))
    var maxTokens = CompletionPipeline.defaultMaximumTokens

    @OptionGroup var context: ContextArguments

    var contextTokens: Int? { context.contextTokens }
    var noContext: Bool { context.noContext }
    var withoutSignal: [ContextSignal] { context.withoutSignal }

    func check() throws(CommandError) {
        guard (1...EngineLimits.maximumTokens).contains(maxTokens) else {
            throw .usage(
                "--max-tokens is \(maxTokens)", fix: "choose between 1 and \(EngineLimits.maximumTokens)")
        }
        try context.check()
    }
}

/// The options that say what is in a prompt.
struct ContextArguments: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Prompt size in tokens. Default: what this machine reads in 0.8 s.", valueName: "n"))
    var contextTokens: Int?

    @Flag(help: "Use the file alone, without context from the repository.")
    var noContext = false

    @Option(
        help: ArgumentHelp(
            "Choose context without this signal (repeatable): \(ContextSignal.names).", valueName: "name"))
    var withoutSignal: [ContextSignal] = []

    func check() throws(CommandError) {
        if let contextTokens, contextTokens < PromptBudget.minimumTotalTokenCount {
            throw .usage(
                "--context-tokens is \(contextTokens)",
                fix: "choose at least \(PromptBudget.minimumTotalTokenCount)")
        }
    }
}

extension ContextSignal: ExpressibleByArgument {}
