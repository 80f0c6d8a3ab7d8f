// `foretoken stats`: what became of the suggestions on this machine. The numbers are counted by `serve` and never
// leave the machine.

import ArgumentParser

struct StatsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stats",
        abstract: "Show how many suggestions were shown and taken, and how fast; kept on this machine only.")

    @Option(help: "Only the last so many days.")
    var days = 30

    @Flag(help: "Print JSON: the counts by day and language.")
    var json = false

    @Flag(help: "Forget all counts.")
    var clear = false

    func run() throws {
        do {
            guard days > 0 else { throw CommandError.usage("--days is \(days)", fix: "give 1 or more") }
            guard let store = UsageStore.inStateDirectory() else {
                throw CommandError.file("there is no home directory", fix: "set HOME or XDG_STATE_HOME")
            }
            try show(store)
        } catch let failure as UsageStore.Failure {
            throw CommandError.file(failure.description, fix: failure.fix).report(asJSON: json)
        } catch {
            throw CommandError(error).report(asJSON: json)
        }
    }

    private func show(_ store: UsageStore) throws {
        if clear { return try store.clear() }
        let history = try store.read()
        let kept = history.days.keys.sorted().suffix(days)
        if json {
            guard JSONOutput.write(history.days.filter { kept.contains($0.key) }) else {
                throw CommandError.outputFailed
            }
            return
        }
        var languages: [String: UsageCounts] = [:]
        for day in kept {
            for (language, counts) in history.days[day] ?? [:] {
                languages[language, default: UsageCounts()].add(counts)
            }
        }
        guard FileDescriptorOutput.write(UsageTable(languages: languages, dayCount: kept.count).text, to: 1) else {
            throw CommandError.outputFailed
        }
    }
}

/// The counts for a person.
struct UsageTable {
    let languages: [String: UsageCounts]
    let dayCount: Int

    var text: String {
        guard !languages.isEmpty else {
            return "nothing counted yet; foretoken serve counts while you type\n"
        }
        var total = UsageCounts()
        for counts in languages.values { total.add(counts) }
        let sorted = languages.sorted { ($1.value.shown, $0.key) < ($0.value.shown, $1.key) }
        let rows = sorted.map { Self.row($0.key.isEmpty ? "other" : $0.key, $0.value) }
        var lines = ["\(dayCount) \(dayCount == 1 ? "day" : "days") with use", Self.heading]
        lines += rows
        if rows.count > 1 { lines.append(Self.row("all", total)) }
        return lines.joined(separator: "\n") + "\n"
    }

    private static let widths = [14, 8, 10, 9, 9, 11, 8, 8, 8]
    private static let heading = line([
        "language", "shown", "accepted", "in part", "rate", "characters", "kept", "p50 ms", "p95 ms",
    ])

    private static func row(_ name: String, _ counts: UsageCounts) -> String {
        let taken = counts.accepted + counts.partiallyAccepted
        let rate = counts.shown > 0 ? "\(min(100, taken * 100 / counts.shown)) %" : "-"
        func latency(_ share: Double) -> String {
            guard let milliseconds = counts.latency.percentile(share) else { return "-" }
            return milliseconds < 10 ? "\((milliseconds * 10).rounded() / 10)" : "\(Int(milliseconds.rounded()))"
        }
        return line([
            name, "\(counts.shown)", "\(counts.accepted)", "\(counts.partiallyAccepted)", rate,
            "\(counts.acceptedCharacters)", "\(counts.keptCharacters)", latency(0.5), latency(0.95),
        ])
    }

    /// The first column to the left, numbers to the right.
    private static func line(_ cells: [String]) -> String {
        zip(cells, widths).enumerated().map { index, cell in
            let (text, width) = cell
            let padding = String(repeating: " ", count: max(0, width - text.count))
            return index == 0 ? text + padding : padding + text
        }.joined()
    }
}
