// The session must not outlive the editor.

import Glibc
import Synchronization
import Testing

@testable import CompletionDaemon

struct ParentWatchTests {
    @Test("The end of the watched process is noticed, of a zombie too", .timeLimit(.minutes(10)))
    func ends() async throws {
        var process = pid_t()
        var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("sleep"), strdup("600"), nil]
        defer { for argument in arguments { free(argument) } }
        try #require(posix_spawnp(&process, "sleep", nil, nil, &arguments, nil) == 0)
        let (ended, continuation) = AsyncStream<Void>.makeStream()
        ParentWatch.start(processID: Int64(process), interval: .milliseconds(5)) {
            continuation.yield()
            continuation.finish()
        }
        kill(process, SIGKILL)
        for await _ in ended {}
        var status: Int32 = 0
        waitpid(process, &status, 0)
    }

    @Test("A process that is not there is not waited for", arguments: [-1, 0, Int64(Int32.max), Int64.max])
    func absent(processID: Int64) {
        ParentWatch.start(processID: processID, interval: .milliseconds(1)) {
            Issue.record("called for process \(processID)")
        }
    }

    @Test("What cannot be seen at first is watched from the first clear look on", .timeLimit(.minutes(10)))
    func unclearAtFirst() async {
        let sights = Mutex<[ParentWatch.Sight]>([
            .unclear, .unclear, .running(start: 5), .unclear, .running(start: 5), .running(start: 6),
        ])
        let (ended, continuation) = AsyncStream<Void>.makeStream()
        ParentWatch.start(
            processID: 1, interval: .milliseconds(1),
            look: { _ in sights.withLock { $0.isEmpty ? .unclear : $0.removeFirst() } },
            { continuation.finish() })
        for await _ in ended {}
        let areSeen = sights.withLock { $0.isEmpty }
        #expect(areSeen)
    }

    @Test("That no file can be opened says nothing about the process")
    func descriptorsUsedUp() {
        #expect(ParentWatch.look(at: getpid()) != .unclear)
        #expect(ParentWatch.look(at: pid_t.max) == .gone)
        #expect(ParentWatch.sight(afterFailureToOpen: EMFILE) == .unclear)
        #expect(ParentWatch.sight(afterFailureToOpen: ENFILE) == .unclear)
        #expect(ParentWatch.sight(afterFailureToOpen: ENOENT) == .gone)
    }
}
