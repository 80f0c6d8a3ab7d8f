// `foretoken eval repo` and `eval history`: cases from a git repository, at HEAD and from what its commits added.

import ArgumentParser
import CompletionEvaluation
import SpecEngine

/// What both have in common.
struct RepositoryEvaluationArguments: ParsableArguments {
    @Argument(
        help: ArgumentHelp(
            "The repository, or a folder or file of it: cases come from there, context from everywhere.",
            valueName: "dir"))
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
            let part = try RepositoryCases.part(of: root, at: SourceFile.absolutePath(folder))
            let name = root.split(separator: "/").last.map(String.init) ?? "root"
            try await evaluation.run(
                kind: kind, subject: part.isEmpty ? name : "\(name)/\(part)", repositoryRoot: root,
                defaultMaximumTokens: CompletionPipeline.defaultMaximumTokens, interrupt: interrupt
            ) {
                let cases = RepositoryCases(
                    folder: root,
                    options: RepositoryCaseOptions(
                        limit: evaluation.limit, seed: evaluation.seed, kinds: try parsedKinds(),
                        languages: try parsedLanguages(), part: part),
                    isCancelled: { interrupt.isRaised })
                let selection = try select(cases)
                guard !selection.cases.isEmpty else {
                    let first = selection.skipped.first.map { " (\($0.reason))" } ?? ""
                    throw EvaluationError(
                        .data, "there is no place to complete at in \(root)\(first)",
                        fix: kind == "history"
                            ? "it needs commits that add code to what is there; eval repo needs one commit"
                            : "commit source code, or allow more --kinds and --languages")
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
        guard !parsed.isEmpty else {
            throw CommandError.usage("--kinds names none", fix: "leave it out, or name one")
        }
        return parsed
    }

    private func parsedLanguages() throws -> Set<String> {
        guard let languages else { return [] }
        let names = languages.split(separator: ",").map { String($0).lowercased() }
        guard !names.isEmpty else {
            throw CommandError.usage("--languages names none", fix: "leave it out, or name one")
        }
        return Set(names)
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
