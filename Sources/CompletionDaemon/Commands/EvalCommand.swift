// `foretoken eval KIND …`: how good completions are, on the user's own repository and on published data sets. The
// kinds are in Evaluation/.

import ArgumentParser

struct EvalCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "eval", abstract: "Measure completion quality and speed, offline.",
        discussion: """
            A run writes journal.jsonl, report.json, report.md and report.html into --output. Interrupted or killed, \
            it goes on where it was when it is started again with the same arguments.
            """,
        subcommands: [
            EvalRepoCommand.self, EvalHistoryCommand.self, EvalCrossCodeEvalCommand.self,
            EvalRepoBenchCommand.self, EvalLongBenchCommand.self, EvalRepoEvalCommand.self,
            EvalSAFIMCommand.self,
            EvalHumanEvalInfillingCommand.self, EvalSpeedCommand.self, EvalMergeCommand.self,
            EvalCompareCommand.self,
            EvalReportCommand.self,
        ])
}
