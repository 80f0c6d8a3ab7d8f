// FIFOs where git keeps files. Whoever opens one for reading waits for a writer that never comes, so each
// scenario runs in a process of its own, which an alarm ends: a hang fails the test instead of stopping it.

import Foundation
import TestSupport
import Testing

@testable import RepoContext

@Suite struct BlockingFileTests {
    /// Far above what a scenario takes (milliseconds).
    private static let alarmSeconds: UInt32 = 30

    private static func makeRepository() throws -> RepositoryFixture {
        let fixture = try RepositoryFixture()
        try fixture.write("pricing.py", "def discounted_total(): pass\n")
        try fixture.write("folder/view.py", "import pricing\n")
        try fixture.commit()
        try fixture.write("new/inner/file.py", "def new(): pass\n")
        return fixture
    }

    /// Asks twice, with a save of an unknown file in between, and gives the last answer.
    private static func answer(_ fixture: RepositoryFixture) async throws -> PromptResult {
        let context = RepositoryContext(.init(queryTimeLimit: .seconds(60), onDegradation: { _ in }))
        let text = "import pricing\nx = "
        let query = ContextQuery(
            filePath: fixture.absolute("view.py"), text: Array(text.utf8), cursorOffset: text.utf8.count,
            tokenBudget: 2_000
        )
        await context.prepare(file: query.filePath)
        _ = try await context.prompt(for: query, tokenizer: ByteTokenizer())
        await context.noteSaved(fixture.absolute("new/inner/another.py"))
        return try await context.prompt(for: query, tokenizer: ByteTokenizer())
    }

    /// Ends the child process with a message; it exits with success, because a child that does not has its
    /// output dropped.
    private static func require(_ condition: Bool, _ message: String) {
        guard !condition else { return }
        let line = "BlockingFileTests: \(message)\n"
        _ = write(2, line, line.utf8.count)
        exit(EXIT_SUCCESS)
    }

    private static func show(_ result: ExitTest.Result?) {
        #expect(String(decoding: result?.standardErrorContent ?? [], as: UTF8.self) == "")
    }

    @Test("A FIFO in the git directory makes a plain folder of the repository, and says so")
    func gitDirectory() async {
        let result = await #expect(processExitsWith: .success, observing: [\.standardErrorContent]) {
            alarm(Self.alarmSeconds)
            let files = [
                "config", "info/exclude", "index", "config.worktree", "packed-refs", "shallow",
                "info/attributes", "objects/info/alternates", "objects/pack/pack-1.idx", "refs/heads/*",
            ]
            for file in files {
                let fixture = try Self.makeRepository()
                var place = ".git/" + file
                if file.hasSuffix("*") {
                    let folder = String(place.dropLast(2))
                    let names = try FileManager.default.contentsOfDirectory(atPath: fixture.absolute(folder))
                    place = folder + "/" + names[0]
                }
                try? fixture.remove(place)  // most are not there
                try? FileManager.default.createDirectory(
                    atPath: fixture.absolute((place as NSString).deletingLastPathComponent),
                    withIntermediateDirectories: true)
                try fixture.makeFIFO(place)
                let answer = try await Self.answer(fixture)
                Self.require(answer.scope == .folder(rootPath: fixture.path), "\(file): \(answer.scope)")
                let lines = answer.degradations
                // Excludes that cannot be read keep everything out, which has a line of its own.
                let isOpen = file != "info/exclude"
                Self.require(
                    lines.count == (isOpen ? 1 : 2) && lines[0].contains("is no regular file"),
                    "\(file): \(lines)")
                let hasContext = answer.contextPaths.contains { $0.string == "pricing.py" }
                Self.require(hasContext == isOpen, "\(file): \(answer.contextPaths)")
            }
        }
        Self.show(result)
    }

    @Test("A FIFO where a linked work tree keeps its files is seen through the link")
    func linkedWorkTree() async {
        let result = await #expect(processExitsWith: .success, observing: [\.standardErrorContent]) {
            alarm(Self.alarmSeconds)
            for file in ["worktrees/linked/index", "worktrees/linked/config.worktree", "config"] {
                let fixture = try Self.makeRepository()
                let linked = try RepositoryFixture(isRepository: false, name: "linked")
                let folder = ".git/worktrees/linked"
                try fixture.write(folder + "/HEAD", "ref: refs/heads/other\n")
                try fixture.write(folder + "/commondir", "../..\n")
                try fixture.write(folder + "/gitdir", linked.absolute(".git") + "\n")
                try linked.write(".git", "gitdir: \(fixture.absolute(folder))\n")
                try linked.write("pricing.py", "def discounted_total(): pass\n")
                let healthy = try await Self.answer(linked)
                Self.require(healthy.scope == .repository(rootPath: linked.path), "\(healthy.degradations)")
                try? fixture.remove(".git/" + file)  // most are not there
                try fixture.makeFIFO(".git/" + file)
                let answer = try await Self.answer(linked)
                Self.require(answer.scope == .folder(rootPath: linked.path), "\(file): \(answer.scope)")
            }
        }
        Self.show(result)
    }

    @Test("A FIFO as rules file of any folder costs the status, not the rest")
    func rulesFiles() async {
        let result = await #expect(processExitsWith: .success, observing: [\.standardErrorContent]) {
            alarm(Self.alarmSeconds)
            for folder in ["", "folder/", "new/", "new/inner/"] {
                for name in [".gitignore", ".gitattributes"] {
                    let fixture = try Self.makeRepository()
                    try fixture.makeFIFO(folder + name)
                    let answer = try await Self.answer(fixture)
                    let place = folder + name
                    Self.require(
                        answer.scope == .repository(rootPath: fixture.path), "\(place): \(answer.scope)")
                    let hasContext = answer.contextPaths.contains { $0.string == "pricing.py" }
                    Self.require(hasContext, "\(place): \(answer.contextPaths)")
                    let lines = answer.degradations
                    Self.require(lines.count == 1 && lines[0].contains("status"), "\(place): \(lines)")
                }
            }
        }
        Self.show(result)
    }

    @Test("An ignored folder and a link to a regular rules file take nothing away")
    func harmlessFiles() async throws {
        let fixture = try Self.makeRepository()
        try fixture.write("rules", "*.log\nmade/\n")
        try fixture.link(".gitignore", to: "rules")
        try fixture.write("made/.keep", "")
        try fixture.makeFIFO("made/.gitignore")
        let answer = try await Self.answer(fixture)
        #expect(answer.scope == .repository(rootPath: fixture.path))
        #expect(answer.degradations == [])
    }
}
