// How far a run is, on standard error: a line that is written over on a terminal, one line for every tenth elsewhere.

import CompletionEvaluation

#if canImport(Glibc)
    import Glibc
#endif

/// Shows progress. A value; one task owns it.
struct EvaluationProgress {
    private static let barWidth = 24

    private let total: Int
    private let resumed: Int
    private let isTerminal = isatty(2) == 1
    private let start = ContinuousClock.now
    private var done: Int
    private var exact = 0.0
    private var failed = 0
    private var lastShown = ContinuousClock.now - .seconds(60)
    private var lastTenth = 0

    /// - Parameter resumed: answers that were there before.
    init(total: Int, resumed: Int) {
        self.total = total
        self.resumed = resumed
        done = resumed
        if resumed > 0 { StandardError.write("resuming: \(resumed) of \(total) answers are there") }
    }

    mutating func note(_ record: CaseRecord) {
        done += 1
        if record.error == nil {
            exact +=
                CaseMetrics(expected: record.expected, got: record.got, kind: record.kind, path: record.path)
                .exactMatch
        } else {
            failed += 1
        }
        show()
    }

    private mutating func show() {
        let now = ContinuousClock.now
        let tenth = total == 0 ? 10 : done * 10 / total
        let isDue = isTerminal ? now - lastShown > .milliseconds(200) || done == total : tenth > lastTenth
        guard isDue else { return }
        lastShown = now
        lastTenth = tenth
        let ran = done - resumed
        let perCase = (now - start) / .seconds(1) / Double(max(1, ran))
        let left = Int((perCase * Double(total - done)).rounded())
        let filled = total == 0 ? Self.barWidth : done * Self.barWidth / total
        let bar =
            String(repeating: "█", count: filled) + String(repeating: "░", count: Self.barWidth - filled)
        var line = "\(bar) \(done)/\(total), \(Self.time(left)) left"
        if ran > failed { line += ", exact \(Int((100 * exact / Double(ran - failed)).rounded())) %" }
        if failed > 0 { line += ", \(failed) failed" }
        FileDescriptorOutput.write(isTerminal ? "\r\u{1B}[K\(line)" : "\(line)\n", to: 2)
        if isTerminal, done == total { FileDescriptorOutput.write("\n", to: 2) }
    }

    private static func time(_ seconds: Int) -> String {
        let minutes = seconds / 60
        let rest = seconds % 60
        return minutes >= 60
            ? "\(minutes / 60) h \(minutes % 60) min" : "\(minutes):\(rest < 10 ? "0" : "")\(rest)"
    }
}
