// `foretoken eval repo` and `eval history`: cases from a git repository, at HEAD and from what its commits added.

import ArgumentParser
import CompletionEvaluation
import SpecEngine

/// What both have in common.
struct RepositoryEvaluationArguments: ParsableArguments {
    @Argument(help: ArgumentHelp("A folder of the repository.", valueName: "dir"))
    var folder = "."

    @Option(
        help: ArgumentHelp(
            "Only these kinds of cases: rest_of_line, line, span, block, function_body.", valueName: "a,b"))
    var kinds: String?

    @Option(help: ArgumentHelp("Only these languages, such as swift,python.", valueName: "a,b"))
    var languages: String?

    @OptionGroup var evaluation: EvaluationArguments

    func run(
        kind: String, _ select: (RepositoryCases) throws -> CaseSelection
    ) async throws {
        let interrupt = InterruptFlag.install()
        do {
            let (root, _) = try RepositoryCases.locate(SourceFile.absolutePath(folder))
            try await evaluation.run(
                kind: kind, subject: root.split(separator: "/").last.map(String.init) ?? "root",
                repositoryRoot: root,
                defaultMaximumTokens: CompletionPipeline.defaultMaximumTokens, interrupt: interrupt
            ) {
                let cases = RepositoryCases(
                    folder: root,
                    options: RepositoryCaseOptions(
                        limit: evaluation.limit, seed: evaluation.seed, kinds: try parsedKinds(),
                        languages: Set(
                            (languages ?? "").split(separator: ",").map { String($0).lowercased() })),
                    isCancelled: { interrupt.isRaised })
                let selection = try select(cases)
                guard !selection.cases.isEmpty else {
                    throw EvaluationError(
                        .data, "there is no place to complete at in \(root)",
                        fix: "commit source code, or allow more --kinds and --languages")
                }
                return selection
            }
        } catch {
            throw CommandError(error).report(asJSON: false)
        }
    }

    private func parsedKinds() throws -> Set<CaseKind> {
        guard let kinds else { return Set(CaseKind.repositoryKinds) }
        var parsed = Set<CaseKind>()
        for name in kinds.split(separator: ",") {
            guard let kind = CaseKind(rawValue: String(name)), CaseKind.repositoryKinds.contains(kind) else {
                throw CommandError.usage(
                    "there is no kind '\(name)'",
                    fix: "choose of " + CaseKind.repositoryKinds.map(\.rawValue).joined(separator: ", "))
            }
            parsed.insert(kind)
        }
        return parsed
    }
}

struct EvalRepoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "repo", abstract: "Complete at random places of your repository's HEAD.")

    @OptionGroup var arguments: RepositoryEvaluationArguments

    func run() async throws { try await arguments.run(kind: "repo") { try $0.atHead() } }
}

struct EvalHistoryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "history", abstract: "Complete what commits added, with the parent commit as context.")

    @OptionGroup var arguments: RepositoryEvaluationArguments

    func run() async throws { try await arguments.run(kind: "history") { try $0.fromHistory() } }
}
