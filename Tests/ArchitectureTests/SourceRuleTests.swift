// Rules for source files that no compiler checks: how a file begins, how long it gets, and calls that a daemon
// must not make.

import Testing

@Suite("Source files")
struct SourceRuleTests {
    private let checkout: Checkout

    init() throws { checkout = try Checkout.shared.get() }

    private static let maximumLineCount = 500
    private static let maximumColumnCount = 120

    @Test("No product code prints on the protocol's stream, traps on purpose or forces a try")
    func forbiddenCalls() {
        let rules = [
            ("print(", "write to the log, or with FileDescriptorOutput in a command"),
            ("debugPrint(", "write to the log"),
            ("fatalError(", "throw a typed error, or use precondition for a mistake of the programmer"),
            ("try!", "handle the error"),
        ]
        for file in checkout.swiftSources {
            for (line, text) in file.codeLines {
                for (call, advice) in rules where mentions(text, call) {
                    Issue.record("\(file.path):\(line) uses \(call.filter { $0 != "(" }): \(advice)")
                }
            }
        }
    }

    @Test("The time of day, which may jump, is read only beside files' times, for their names and for the day of a count")
    func wallClock() {
        let calls = ["time(nil)", "time(NULL)", "CLOCK_REALTIME", "gettimeofday(", "Date()", "Date.now", "SystemClock"]
        // How old a file is can be said by the clock alone that dated it; a day is one of the calendar.
        let allowed = [
            "Sources/SpecEngine/Memory/MemoryShare.swift", "Sources/SpecEngine/Snapshots/SnapshotStore.swift",
            "Sources/RepoContext/Index/IndexCache.swift",
            "Sources/CompletionDaemon/Completion/ChecksumCache.swift",
            "Sources/CompletionDaemon/Observability/UsageStore.swift",
            "Sources/CompletionDaemon/Completion/WeightsFolder.swift",
            "Sources/CompletionDaemon/Observability/TranscriptRecorder.swift",
        ]
        for file in checkout.sources where !allowed.contains(file.path) {
            for (line, text) in file.codeLines {
                for call in calls where mentions(text, call) {
                    Issue.record("\(file.path):\(line) reads the time of day: use ContinuousClock or CLOCK_MONOTONIC")
                }
            }
        }
    }

    /// Whether the call stands there as a word of its own, not as the end of a longer name.
    private func mentions(_ text: Substring, _ call: String) -> Bool {
        text.ranges(of: call).contains { range in
            guard range.lowerBound > text.startIndex else { return true }
            let before = text[text.index(before: range.lowerBound)]
            return !before.isLetter && !before.isNumber && before != "_" && before != "."
        }
    }

    @Test("Every source file begins with a comment that says what it is")
    func openingComment() {
        for file in checkout.sources + checkout.swiftTests {
            #expect(
                file.text.hasPrefix("//") || file.text.hasPrefix("/*"),
                "\(file.path) begins without a comment: say in two to five sentences what it is and is not")
        }
    }

    @Test("No source file is longer than 500 lines or wider than 120 columns")
    func sizes() {
        for file in checkout.sources {
            #expect(
                file.lines.count <= Self.maximumLineCount,
                "\(file.path) has \(file.lines.count) lines: split it by responsibility")
            for (index, line) in file.lines.enumerated() where line.count > Self.maximumColumnCount {
                Issue.record("\(file.path):\(index + 1) has \(line.count) columns: break the line")
            }
        }
    }
}
