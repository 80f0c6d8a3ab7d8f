// The protocol's side of progress: what the client is asked and told, and when.

import Synchronization
import TestSupport
import Testing

@testable import CompletionDaemon

@Suite("Work done progress")
struct WorkDoneProgressTests {
    private final class Sink: MessageSink {
        let bodies = Mutex<[JSONTree]>([])
        var isOpen: Bool { true }

        func send(_ body: [UInt8]) {
            if let tree = try? JSONTree(parsing: body) { bodies.withLock { $0.append(tree) } }
        }

        var all: [JSONTree] { bodies.withLock { $0 } }
    }

    @Test("Nothing is shown before the client agrees, and nothing at all when it does not")
    func agreement() {
        let sink = Sink()
        let progress = WorkDoneProgress(sink: sink, logger: DaemonLog.logger("test"))
        let first = progress.begin("Reading")
        first.report(percentage: 40)
        #expect(sink.all.map { $0["method"] } == ["window/workDoneProgress/create"])
        let id = RequestID.string(ExactString("foretoken/work/1"))
        #expect(!progress.answered(.number(1), isError: false))
        #expect(progress.answered(id, isError: false))
        first.report(percentage: 80)
        first.report(percentage: 70)
        first.end()
        first.report(percentage: 90)
        #expect(sink.all.dropFirst().map { $0.value(at: "params.value.kind") } == ["begin", "report", "end"])
        #expect(sink.all[1].value(at: "params.value.percentage") == 40)

        let second = progress.begin("Reading again")
        #expect(progress.answered(.string(ExactString("foretoken/work/2")), isError: true))
        second.report(percentage: 10)
        second.end()
        #expect(sink.all.count == 5, "only the second create request was added")
    }

    @Test("Works are shown beside each other, and one that ended before the answer is not shown")
    func several() {
        let sink = Sink()
        let progress = WorkDoneProgress(sink: sink, logger: DaemonLog.logger("test"))
        let works = ["Reading", "Loading"].map { progress.begin($0) }
        works[0].end()
        for number in [2, 1] {
            #expect(progress.answered(.string(ExactString("foretoken/work/\(number)")), isError: false))
        }
        works[1].end()
        let shown = sink.all.dropFirst(2)
        #expect(shown.map { $0.value(at: "params.value.kind") } == ["begin", "end"])
        #expect(shown.first?.value(at: "params.value.title") == "Loading")
    }

    @Test("A client that never answers is asked a bounded number of times")
    func bounded() {
        let sink = Sink()
        let progress = WorkDoneProgress(sink: sink, logger: DaemonLog.logger("test"))
        for _ in 0..<(WorkDoneProgress.maximumWorkCount + 5) { progress.begin("Reading").end() }
        #expect(sink.all.count == WorkDoneProgress.maximumWorkCount)
    }
}
