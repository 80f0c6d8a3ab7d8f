// Joining the shards of one run. The result is what one run over all cases would have written, timings aside.

/// Joins journals.
package enum RunMerge {
    /// Writes the shards' answers into one journal.
    ///
    /// - Throws: when the folders are not the shards of one run, each once.
    package static func merge(_ folders: [String], into output: String) throws {
        let runs = try folders.map { (folder: $0, run: try JournalReader.run(in: $0)) }
        guard let first = runs.first?.run.header else {
            throw EvaluationError(.usage, "there is nothing to merge", fix: "name the shards' folders")
        }
        var merged = first
        merged.shard = .whole
        merged.shardCaseCount = first.caseCount
        for (folder, run) in runs {
            var header = run.header
            header.shard = first.shard
            header.fingerprint = first.fingerprint
            header.shardCaseCount = first.shardCaseCount
            guard header == first else {
                throw EvaluationError(
                    .data, "\(folder) is of another run (\(JournalReader.difference(header, first)))",
                    fix: "merge only shards of one run")
            }
        }
        let numbers = runs.map(\.run.header.shard.number).sorted()
        guard numbers == Array(1...first.shard.count) else {
            throw EvaluationError(
                .data,
                "of \(first.shard.count) shards these are there: "
                    + numbers.map(String.init).joined(separator: ", "),
                fix: "name each shard's folder once")
        }
        for (folder, run) in runs {
            let answers = run.records.count { $0.error == nil }
            let wanted = run.header.shardCaseCount * run.header.configurations.count
            guard answers == wanted else {
                throw EvaluationError(
                    .data, "\(folder) has \(answers) of \(wanted) answers",
                    fix: "run that shard again; it resumes")
            }
        }
        var hash = StableHash()
        for (_, run) in runs.sorted(by: { $0.run.header.shard.number < $1.run.header.shard.number }) {
            hash.add(run.header.fingerprint)
        }
        merged.fingerprint = hash.hexadecimal
        let journal = try RunJournal(folder: output, header: merged)
        for (_, run) in runs {
            for record in run.records
            where !journal.answered.contains(.init(configuration: record.configuration, id: record.id)) {
                try journal.append(record)
            }
        }
    }
}
