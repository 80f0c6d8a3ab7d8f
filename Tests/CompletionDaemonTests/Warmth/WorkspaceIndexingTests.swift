// That the folders of a session are read before anybody asks, and that this can be seen and ended.

import RepoContext
import Synchronization
import TestSupport
import Testing

@testable import CompletionDaemon

@Suite("Workspace indexing", .timeLimit(.minutes(10)))
struct WorkspaceIndexingTests {
    /// What was shown, in its order; "end" for the end.
    private final class Shown: WorkProgress, WorkProgressReporter {
        let lines = Monitor<[String]>([])
        let atBeginning = Mutex<(@Sendable () -> Void)?>(nil)

        func begin(_ title: String) -> any WorkProgressReporter {
            lines.withLock { $0.append(title) }
            atBeginning.withLock { $0 }?()
            return self
        }

        func report(percentage: Int) { lines.withLock { $0.append("\(percentage)") } }
        func end() { lines.withLock { $0.append("end") } }

        func waitForEnd() async {
            _ = await BlockingThread.value { self.lines.wait { $0.last == "end" ? true : nil } }
        }
    }

    private static func shop() throws -> RepositoryFixture {
        let fixture = try RepositoryFixture(name: "shop")
        for number in 0..<40 { try fixture.write("part_\(number).py", "def part_\(number)():\n    pass\n") }
        try fixture.commit()
        return fixture
    }

    /// A context that reads one file in a step.
    private static func slowContext() -> RepositoryContext {
        RepositoryContext(.init(backgroundTimeLimit: .zero, onDegradation: { _ in }))
    }

    @Test("The repository of an opened folder is read without a request, with progress")
    func readsAhead() async throws {
        let fixture = try Self.shop()
        let context = Self.slowContext()
        let shown = Shown()
        WorkspaceIndexing(context: context, progress: shown).read([fixture.path])
        await shown.waitForEnd()
        #expect(await context.report(forFile: fixture.absolute("part_0.py")).indexedFileCount == 40)
        let lines = shown.lines.withLock { $0 }
        #expect(lines.first == "Reading the repository" && lines.count { $0 == "end" } == 1)
        #expect(lines.dropFirst().dropLast().contains { Int($0) ?? 0 > 50 })
    }

    @Test("Reading ends when the session does, and so does what is shown of it")
    func stops() async throws {
        let fixture = try Self.shop()
        let context = Self.slowContext()
        let shown = Shown()
        let indexing = WorkspaceIndexing(context: context, progress: shown)
        shown.atBeginning.withLock { $0 = { indexing.stop() } }
        indexing.read([fixture.path])
        await shown.waitForEnd()
        let count = await context.report(forFile: fixture.absolute("part_0.py")).indexedFileCount
        #expect((1...3).contains(count))
        #expect(!indexing.read(["/elsewhere"]), "the session is over")
    }

    @Test("Folders that are being read already are not begun again")
    func sameFolders() async throws {
        let fixture = try Self.shop()
        let context = Self.slowContext()
        let shown = Shown()
        let indexing = WorkspaceIndexing(context: context, progress: shown)
        let path = fixture.path
        shown.atBeginning.withLock { $0 = { #expect(!indexing.read([path])) } }
        #expect(indexing.read([path]))
        await shown.waitForEnd()
        #expect(await context.report(forFile: fixture.absolute("part_0.py")).indexedFileCount == 40)
        #expect(indexing.read([path, "/elsewhere"]))
        #expect(indexing.read([]))
        indexing.stop()
    }

    @Test("The context has a session's folders before what follows from them is done, the newest at the end")
    func folders() async throws {
        let seen = Monitor<[[String]]>([])
        let folders = WorkspaceFolders(readsAhead: true) { rootPaths in
            RepositoryContext(.init(workspaceFolders: rootPaths, onDegradation: { _ in }))
        }
        folders.open(rootPaths: ["/a"], progress: NoProgress()) { rootPaths in
            seen.withLock { $0.append(rootPaths) }
        }
        let context = folders.context
        folders.change(to: ["/a", "/b"])
        folders.readAhead([])
        folders.change(to: ["/b"])
        _ = await BlockingThread.value { seen.wait { $0.last == ["/b"] ? true : nil } }
        #expect(folders.context === context && folders.rootPaths == ["/b"])
        folders.stop()
    }
}
