// What was measured for each prompt, kept line by line as it comes, and the figures of a run.

import RepoContext

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// One prompt, answered with plain and with speculative decoding.
package struct SpeedRecord: Codable, Sendable, Equatable {
    /// Times in milliseconds; both runs began with an empty cache.
    package struct Run: Codable, Sendable, Equatable {
        package let prefill: Double
        package let decode: Double
        package var total: Double { prefill + decode }

        package init(prefill: Double, decode: Double) {
            self.prefill = prefill
            self.decode = decode
        }
    }

    package let id: String
    package let task: String
    package let promptTokens: Int
    package let outputTokens: Int
    package let stopReason: String
    package let rounds: Int
    package let emitted: Int
    package let plain: Run
    package let speculative: Run

    package init(
        id: String, task: String, promptTokens: Int, outputTokens: Int, stopReason: String, rounds: Int,
        emitted: Int,
        plain: Run, speculative: Run
    ) {
        self.id = id
        self.task = task
        self.promptTokens = promptTokens
        self.outputTokens = outputTokens
        self.stopReason = stopReason
        self.rounds = rounds
        self.emitted = emitted
        self.plain = plain
        self.speculative = speculative
    }
}

/// The figures of some prompts.
package struct SpeedSummary: Encodable, Sendable {
    package let task: String
    package let count: Int
    package let promptTokens: Double
    package let outputTokens: Double
    /// Tokens emitted per pass of the target.
    package let meanAcceptedLength: Double
    /// Output tokens per second of decoding.
    package let plainRate: Double
    package let speculativeRate: Double
    /// By how much the time from question to last token shrank, prefill included: 1 − Σ speculative / Σ plain.
    package let latencyReduction: Double
    /// The mean of that over prompts, with its interval.
    package let latencyReductionPerPrompt: Estimate?

    package init(task: String, _ records: [SpeedRecord]) {
        func sum(_ value: (SpeedRecord) -> Double) -> Double { records.reduce(0) { $0 + value($1) } }
        let count = Double(max(1, records.count))
        self.task = task
        self.count = records.count
        promptTokens = sum { Double($0.promptTokens) } / count
        outputTokens = sum { Double($0.outputTokens) } / count
        let rounds = sum { Double($0.rounds) }
        meanAcceptedLength = rounds > 0 ? sum { Double($0.emitted) } / rounds : 0
        let tokens = sum { Double($0.outputTokens) }
        plainRate = tokens * 1_000 / max(1e-9, sum(\.plain.decode))
        speculativeRate = tokens * 1_000 / max(1e-9, sum(\.speculative.decode))
        latencyReduction = 1 - sum(\.speculative.total) / max(1e-9, sum(\.plain.total))
        latencyReductionPerPrompt = Estimate(
            records.map { 1 - $0.speculative.total / max(1e-9, $0.plain.total) })
    }

    /// All prompts, then each task.
    package static func summaries(_ records: [SpeedRecord]) -> [SpeedSummary] {
        [SpeedSummary(task: "all", records)]
            + Dictionary(grouping: records, by: \.task).sorted { $0.key < $1.key }
            .map { SpeedSummary(task: $0.key, $0.value) }
    }

    package static func markdown(_ summaries: [SpeedSummary], title: String, skipped: [SkippedInput])
        -> String
    {
        var lines = [
            "# Speed: \(title)", "",
            "Every text was the same with plain and with speculative decoding, token for token.", "",
            "| task | prompts | prompt tokens | output tokens | τ | plain tok/s | speculative tok/s "
                + "| latency reduction |",
            "| --- | --- | --- | --- | --- | --- | --- | --- |",
        ]
        for each in summaries {
            let cells = [
                each.task, "\(each.count)", MarkdownReport.number(each.promptTokens, 0),
                MarkdownReport.number(each.outputTokens, 0),
                MarkdownReport.number(each.meanAcceptedLength, 2),
                MarkdownReport.number(each.plainRate, 1), MarkdownReport.number(each.speculativeRate, 1),
                MarkdownReport.percent(each.latencyReduction),
            ]
            lines.append("| " + cells.joined(separator: " | ") + " |")
        }
        lines += skipped.map { "\n- skipped line \($0.line): \(MarkdownReport.code($0.reason))" }
        return lines.joined(separator: "\n") + "\n"
    }

    enum CodingKeys: String, CodingKey {
        case task, count
        case promptTokens = "prompt_tokens"
        case outputTokens = "output_tokens"
        case meanAcceptedLength = "mean_accepted_length"
        case plainRate = "plain_tokens_per_second"
        case speculativeRate = "speculative_tokens_per_second"
        case latencyReduction = "latency_reduction"
        case latencyReductionPerPrompt = "latency_reduction_per_prompt"
    }
}

/// The result of a run, as speed.json has it.
package struct SpeedReport: Encodable, Sendable {
    package let settings: [String: String]
    package let summaries: [SpeedSummary]
    package let records: [SpeedRecord]
    package let skipped: [SkippedInput]

    package init(settings: [String: String], records: [SpeedRecord], skipped: [SkippedInput]) {
        self.settings = settings
        summaries = SpeedSummary.summaries(records)
        self.records = records
        self.skipped = skipped
    }

    /// Writes speed.json and speed.md.
    package func write(to folder: String, title: String) throws {
        try RunFolder.replace(folder + "/speed.json", with: try ReportWriter.json(self))
        let text = SpeedSummary.markdown(summaries, title: title, skipped: skipped)
        try RunFolder.replace(folder + "/speed.md", with: Array(text.utf8))
    }
}

/// The records of a run as they come, with its settings. Replaced as a whole with each prompt, which costs nothing
/// beside answering one. Not Sendable: one task owns it.
package final class SpeedJournal {
    private struct Content: Codable {
        let settings: [String: String]
        var records: [SpeedRecord]
    }

    private let path: String
    private let lock: FileLock
    private var content: Content
    package var records: [SpeedRecord] { content.records }

    /// Takes up what an earlier run with the same settings left. Holds the folder's lock until it goes.
    ///
    /// - Throws: when another run is in the folder, or the same run is writing to it now.
    package init(folder: String, settings: [String: String]) throws {
        try RunFolder.make(folder)
        lock = try RunFolder.lock(folder)
        path = folder + "/speed-journal.json"
        content = Content(settings: settings, records: [])
        guard let data = FileManager.default.contents(atPath: path) else { return }
        guard let found = try? JSONDecoder().decode(Content.self, from: data), found.settings == settings
        else {
            throw EvaluationError(
                .usage, "\(path) belongs to another run", fix: "use another --output, or delete that folder")
        }
        content = found
    }

    package func append(_ record: SpeedRecord) throws {
        content.records.append(record)
        try RunFolder.replace(path, with: try ReportWriter.json(content))
    }
}
