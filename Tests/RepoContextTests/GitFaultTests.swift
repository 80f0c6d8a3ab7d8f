// Every libgit2 call of a whole scenario made to fail in turn, and every handle counted. Both count for the
// whole process, so each runs in a process of its own.

import Foundation
import TestSupport
import Testing

@testable import RepoContext

@Suite struct GitFaultTests {
    /// A repository with everything that calls libgit2: history, changes, untracked files, ignore rules.
    private static func makeRepository() throws -> RepositoryFixture {
        let fixture = try RepositoryFixture()
        try fixture.write(".gitignore", "*.log\n")
        try fixture.write("pricing.py", "def discounted_total(): pass\n")
        for round in 0..<3 {
            try fixture.write("view.py", "import pricing\n# \(round)\n")
            try fixture.write("folder/other_\(round).py", "def other_\(round)(): pass\n")
            try fixture.commit()
        }
        try fixture.write("folder/other_0.py", "def changed(): pass\n")
        try fixture.write("new/file.py", "def new(): pass\n")
        try fixture.write("new/file.log", "x\n")
        return fixture
    }

    /// Ends the child process with a message, which `show` passes on. It exits with success, because a child
    /// that does not has its output dropped.
    private static func require(_ condition: Bool, _ message: String = "") {
        guard !condition else { return }
        let line = "GitFaultTests: \(message)\n"
        _ = write(2, line, line.utf8.count)
        exit(EXIT_SUCCESS)
    }

    /// Passes on what a failed child said.
    private static func show(_ result: ExitTest.Result?) {
        let message = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(message == "")
    }

    /// Everything once: prompt, save of a tracked and of an unknown file, report.
    private static func runScenario(_ fixture: RepositoryFixture) async throws -> PromptResult {
        let context = RepositoryContext(
            .init(workspaceFolders: [fixture.path], queryTimeLimit: .seconds(60), onDegradation: { _ in })
        )
        let text = "import pricing\nx = "
        let query = ContextQuery(
            filePath: fixture.absolute("view.py"), text: Array(text.utf8), cursorOffset: text.utf8.count,
            tokenBudget: 2_000
        )
        _ = try await context.prompt(for: query, tokenizer: ByteTokenizer())
        await context.noteSaved(fixture.absolute("pricing.py"))
        await context.noteSaved(fixture.absolute("new/another.py"))
        await context.prepare(file: query.filePath)
        _ = await context.report(forFile: query.filePath)
        return try await context.prompt(for: query, tokenizer: ByteTokenizer())
    }

    @Test("No git handle is left open, in good times and in bad")
    func freesEveryHandle() async {
        let result = await #expect(processExitsWith: .success, observing: [\.standardErrorContent]) {
            let fixture = try Self.makeRepository()
            _ = try await Self.runScenario(fixture)
            Self.require(
                GitHandleCount.opened > 15, "the scenario opens only \(GitHandleCount.opened) handles")
            Self.require(
                GitHandleCount.opened == GitHandleCount.freed,
                "handles leak: \(GitHandleCount.opened) opened, \(GitHandleCount.freed) freed")
            try fixture.damage("HEAD", with: "garbage")
            try fixture.damage("index", with: "garbage")
            _ = try await Self.runScenario(fixture)
            Self.require(GitHandleCount.opened == GitHandleCount.freed, "handles leak after damage")
        }
        Self.show(result)
    }

    @Test("Whichever libgit2 call fails, a prompt comes back and nothing leaks", .timeLimit(.minutes(10)))
    func survivesEveryFault() async {
        let result = await #expect(processExitsWith: .success, observing: [\.standardErrorContent]) {
            let fixture = try Self.makeRepository()
            let untouched = try await Self.runScenario(fixture)
            Self.require(
                untouched.contextPaths.contains { $0.string == "pricing.py" }, "no context without faults")
            var number = 0
            while true {
                GitFaultInjection.failCall(number: number)
                let result = try await Self.runScenario(fixture)
                let isPastTheLastCall = !GitFaultInjection.isSpent
                GitFaultInjection.failCall(number: -1)
                Self.require(GitHandleCount.opened == GitHandleCount.freed, "call \(number) leaks")
                Self.require(
                    result.prompt.text.hasSuffix("import pricing\nx = <|fim_middle|>"), "call \(number)")
                // A fault costs a part, never the plain folder behind it.
                let hasContext = result.contextPaths.contains { $0.string == "pricing.py" }
                Self.require(hasContext, "call \(number): no context")
                if isPastTheLastCall { break }
                number += 1
            }
            Self.require(number > 20, "the scenario makes only \(number) calls")
        }
        Self.show(result)
    }
}
