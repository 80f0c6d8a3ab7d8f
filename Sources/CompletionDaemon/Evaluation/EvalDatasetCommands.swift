// `foretoken eval crosscodeeval FILE` and the other published data sets: one command each, one body for all.

import ArgumentParser
import CompletionEvaluation
import SpecEngine

/// What they have in common.
struct DatasetEvaluationArguments: ParsableArguments {
    /// Data sets expect up to a function's length.
    static let defaultMaximumTokens = 256

    @Argument(help: ArgumentHelp("The data set: one JSON object per line.", valueName: "file"))
    var file: String

    @OptionGroup var evaluation: EvaluationArguments

    func run(format name: String) async throws {
        let interrupt = InterruptFlag.install()
        do {
            guard let format = DatasetFormat.named(name) else {
                throw EvaluationError(
                    .usage, "there is no data set format \(name)", fix: "see foretoken eval --help")
            }
            try await evaluation.run(
                kind: name, subject: file.split(separator: "/").last.map(String.init) ?? file,
                repositoryRoot: nil,
                defaultMaximumTokens: Self.defaultMaximumTokens, interrupt: interrupt
            ) {
                let selection = try format.cases(path: file, limit: evaluation.limit, seed: evaluation.seed)
                guard !selection.cases.isEmpty else {
                    let first = selection.skipped.first.map { " (line \($0.line): \($0.reason))" } ?? ""
                    throw EvaluationError(
                        .data, "\(file) has no row that can be used\(first)",
                        fix: "check that it is \(format.title) as JSON Lines")
                }
                return selection
            }
        } catch {
            throw CommandError(error).report(asJSON: false)
        }
    }
}

struct EvalCrossCodeEvalCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "crosscodeeval", abstract: "Complete the rows of CrossCodeEval.")
    @OptionGroup var arguments: DatasetEvaluationArguments
    func run() async throws { try await arguments.run(format: "crosscodeeval") }
}

struct EvalRepoBenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "repobench", abstract: "Complete the rows of RepoBench v1.1.")
    @OptionGroup var arguments: DatasetEvaluationArguments
    func run() async throws { try await arguments.run(format: "repobench") }
}

struct EvalLongBenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "longbench", abstract: "Complete the rows of LongBench's LCC and RepoBench-P.")
    @OptionGroup var arguments: DatasetEvaluationArguments
    func run() async throws { try await arguments.run(format: "longbench") }
}

struct EvalRepoEvalCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "repoeval", abstract: "Complete the rows of RepoEval.")
    @OptionGroup var arguments: DatasetEvaluationArguments
    func run() async throws { try await arguments.run(format: "repoeval") }
}

struct EvalSAFIMCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "safim", abstract: "Complete the rows of SAFIM.")
    @OptionGroup var arguments: DatasetEvaluationArguments
    func run() async throws { try await arguments.run(format: "safim") }
}

struct EvalHumanEvalInfillingCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "humaneval-infilling", abstract: "Complete the rows of HumanEval-Infilling.")
    @OptionGroup var arguments: DatasetEvaluationArguments
    func run() async throws { try await arguments.run(format: "humaneval-infilling") }
}
