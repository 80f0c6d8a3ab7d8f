// The time limit on context: whoever waits is let go, whatever the stuck call does.

import Foundation
import RepoContext
import TestSupport
import Testing

@testable import CompletionDaemon

@Suite("Context deadline")
struct ContextDeadlineTests {
    private func isOverdue(
        _ deadline: ContextDeadline, _ body: @escaping @Sendable () async -> Void
    ) async -> Bool {
        do {
            try await deadline.run(path: "/a") { _ in await body() }
            return false
        } catch RepoContextError.overdue(path: "/a", limit: _) {
            return true
        } catch {
            Issue.record("\(error)")
            return false
        }
    }

    @Test("What is in time comes through, results and errors alike")
    func inTime() async throws {
        let deadline = ContextDeadline(limit: .seconds(600))
        #expect(try await deadline.run(path: "/a") { isAbandoned in isAbandoned() ? 0 : 7 } == 7)
        await #expect(throws: RepoContextError.cancelled) {
            try await deadline.run(path: "/a") { _ in throw RepoContextError.cancelled }
        }
    }

    @Test(
        "A stuck call lets its request go; behind a few of them none waits; once they are back, all is well",
        .timeLimit(.minutes(10)))
    func stuck() async throws {
        let deadline = ContextDeadline(limit: .milliseconds(1))
        let (returned, reporter) = AsyncStream<Bool>.makeStream()
        let gate = Gate()
        for _ in 0..<ContextDeadline.maximumAbandonedCount {
            await #expect(throws: RepoContextError.overdue(path: "/a", limit: .milliseconds(1))) {
                try await deadline.run(path: "/a") { isAbandoned in
                    await gate.pass()
                    reporter.yield(isAbandoned())
                }
            }
        }
        // Not even started now.
        #expect(await isOverdue(deadline) { Issue.record("started behind stuck calls") })
        await gate.open()
        var count = 0
        for await isAbandoned in returned {
            #expect(isAbandoned)
            count += 1
            if count == ContextDeadline.maximumAbandonedCount { break }
        }
        // They are counted as back a moment after they have reported.
        while await isOverdue(deadline, {}) { await Task.yield() }
    }

    /// Holds its visitors until it is opened.
    private actor Gate {
        private var isOpen = false
        private var waiting: [CheckedContinuation<Void, Never>] = []

        func pass() async {
            if isOpen { return }
            await withCheckedContinuation { waiting.append($0) }
        }

        func open() {
            isOpen = true
            for continuation in waiting { continuation.resume() }
            waiting = []
        }
    }
}

@Suite("Stuck repository")
struct StuckRepositoryTests {
    @Test("A repository that never answers costs its requests the time limit, and other requests too")
    func answersAllTheSame() async {
        // A process of its own, because the thread stays stuck.
        await #expect(processExitsWith: .success) {
            alarm(60)
            // The user's own configuration is not looked at before libgit2 reads it.
            let home = try RepositoryFixture.temporaryFolder()
            setenv("HOME", home, 1)
            unsetenv("XDG_CONFIG_HOME")
            let stuck = try DrawingProject()
            let other = try DrawingProject()
            guard mkfifo(home + "/.gitconfig", 0o600) == 0 else { _exit(EXIT_FAILURE) }
            var configuration = CompletionService.Configuration(
                engine: EngineConfiguration(modelPath: FixturePaths.defaultModel), contextTokens: 512)
            configuration.automaticLimit = nil
            let service = CompletionService(
                configuration: configuration, logger: silentLogger, contextTimeLimit: .milliseconds(300))
            for project in [stuck, other, stuck, other, other, other, other] {
                let outcome = await service.complete(Self.request(project))
                guard case .none(let reason) = outcome, reason.contains("took longer") else {
                    _exit(EXIT_FAILURE)
                }
            }
            _exit(EXIT_SUCCESS)
        }
    }

    @Test("An answer that nobody asked for does not wait for a repository that never answers")
    func answersInTime() async {
        await #expect(processExitsWith: .success) {
            alarm(60)
            let home = try RepositoryFixture.temporaryFolder()
            setenv("HOME", home, 1)
            unsetenv("XDG_CONFIG_HOME")
            let project = try DrawingProject()
            guard mkfifo(home + "/.gitconfig", 0o600) == 0 else { _exit(EXIT_FAILURE) }
            var configuration = CompletionService.Configuration(
                engine: EngineConfiguration(modelPath: FixturePaths.defaultModel), contextTokens: 512)
            configuration.automaticLimit = .milliseconds(1)
            let service = CompletionService(
                configuration: configuration, logger: silentLogger, contextTimeLimit: .seconds(600))
            guard await service.complete(Self.request(project)) == .none(reason: "the prompt is not read yet") else {
                _exit(EXIT_FAILURE)
            }
            _exit(EXIT_SUCCESS)
        }
    }

    private static func request(_ project: DrawingProject) -> CompletionRequest {
        let text = Array(DrawingProject.caller.utf8)
        let document = DocumentSnapshot(
            uri: DocumentURI("file://" + project.filePath), languageID: "python", version: 1, bytes: text)
        return CompletionRequest(
            document: document, byteOffset: text.count, triggerKind: .automatic, selectedCompletion: nil,
            openDocuments: [], recentPaths: [], cancellation: RequestCancellation())
    }
}
