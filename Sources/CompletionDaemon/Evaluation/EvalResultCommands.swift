// `foretoken eval merge`, `compare` and `report`: what is done with finished runs.

import ArgumentParser
import CompletionEvaluation

struct EvalMergeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "merge", abstract: "Join the shards of one run and write its reports.")

    @Argument(help: ArgumentHelp("The shards' folders.", valueName: "dir"))
    var folders: [String]

    @Option(help: ArgumentHelp("Folder of the joined run.", valueName: "dir"))
    var output: String

    func run() throws {
        do {
            try RunMerge.merge(folders, into: output)
            try EvaluationReports.write(folder: output)
        } catch {
            throw CommandError(error).report(asJSON: false)
        }
    }
}

struct EvalCompareCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare", abstract: "Compare two runs over the same cases.",
        discussion: "Prints Markdown; --output also writes comparison.json and comparison.md.")

    @Argument(help: ArgumentHelp("A run's folder.", valueName: "a"))
    var a: String

    @Argument(help: ArgumentHelp("Another's.", valueName: "b"))
    var b: String

    @Option(help: ArgumentHelp("A's configuration, where it has several.", valueName: "name"))
    var configurationA: String?

    @Option(help: ArgumentHelp("B's configuration.", valueName: "name"))
    var configurationB: String?

    @Option(help: ArgumentHelp("Folder for the comparison.", valueName: "dir"))
    var output: String?

    func run() throws {
        do {
            let first = try answers(a, configurationA)
            let second = try answers(b, configurationB)
            let comparison = RunComparison(first.name, first.cases, second.name, second.cases)
            guard comparison.caseCount > 0 else {
                throw EvaluationError(
                    .data, "the two runs have no case in common", fix: "compare runs of one source and seed")
            }
            if let output { try ReportWriter.write(comparison, to: output) }
            FileDescriptorOutput.write(MarkdownReport.text(of: comparison), to: 1)
        } catch {
            throw CommandError(error).report(asJSON: false)
        }
    }

    private func answers(
        _ folder: String, _ configuration: String?
    ) throws -> (name: String, cases: [EvaluationReport.Case]) {
        let (header, records) = try JournalReader.run(in: folder)
        let names = header.configurations.map(\.name)
        guard let name = configuration ?? names.first, names.contains(name) else {
            throw EvaluationError(
                .usage, "\(folder) has no configuration '\(configuration ?? "")'",
                fix: "choose one of: " + names.joined(separator: "; "))
        }
        let label = names.count > 1 ? "\(folder) \(name)" : folder
        return (label, records.filter { $0.configuration == name }.map(ReportBuilder.measured))
    }
}

struct EvalReportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report", abstract: "Write a run's reports again from its journal.")

    @Argument(help: ArgumentHelp("The run's folder.", valueName: "dir"))
    var folder: String

    func run() throws {
        do {
            try EvaluationReports.write(folder: folder)
        } catch {
            throw CommandError(error).report(asJSON: false)
        }
    }
}
