// The git hooks: they come and go without a trace, and can do a git command no harm.

import Foundation
import RepoContext
import TestSupport
import Testing

@testable import CompletionDaemon

@Suite("Hook scripts")
struct HookScriptsTests {
    private let repository: RepositoryFixture

    init() throws {
        repository = try RepositoryFixture()
        try repository.write("a.py", "x = 1\n")
        _ = try repository.commit()
        try FileManager.default.createDirectory(
            atPath: repository.absolute(".git/hooks"), withIntermediateDirectories: true)
    }

    private func scripts(binaryPath: String = "/nonexistent/fore'token") throws -> HookScripts {
        try HookScripts(try #require(try GitFolders.find(from: repository.path)), binaryPath: binaryPath)
    }

    private func write(_ hook: String, _ text: String, mode: Int = 0o755) throws {
        try repository.write(".git/hooks/" + hook, text)
        try FileManager.default.setAttributes(
            [.posixPermissions: mode], ofItemAtPath: repository.absolute(".git/hooks/" + hook))
    }

    private func contents() throws -> [String: String] {
        try repository.contents().filter { $0.key.hasPrefix(".git/hooks/") }
    }

    private func run(_ hook: String, _ arguments: [String]) throws -> (status: Int32, output: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: repository.absolute(".git/hooks/" + hook))
        process.arguments = arguments
        process.currentDirectoryURL = URL(fileURLWithPath: repository.path)
        let output = repository.absolute("output")
        try Data().write(to: URL(fileURLWithPath: output))
        process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: output))
        process.standardError = process.standardOutput
        try process.run()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: try FixturePaths.bytes(output), as: UTF8.self))
    }

    @Test("Uninstalling leaves every byte, mode and time as it was")
    func roundTrip() throws {
        try write("post-checkout", "#!/bin/sh\necho mine \"$@\"\nexit 3\n", mode: 0o744)
        try write("post-merge", "not executable", mode: 0o644)
        let before = try contents()
        try scripts().install()
        for hook in HookScripts.names { #expect(try scripts().state(hook) == .installed) }
        try scripts(binaryPath: "/elsewhere/foretoken").install()
        #expect(try contents().count == before.count + 3)
        try scripts().uninstall()
        #expect(try contents() == before)
        #expect(try scripts().state("post-checkout") == .other && scripts().state("post-rewrite") == .absent)
        let mode = try FileManager.default.attributesOfItem(
            atPath: repository.absolute(".git/hooks/post-checkout"))
        #expect(mode[.posixPermissions] as? Int == 0o744)
    }

    @Test(
        "A hook that was there runs first, with its arguments and its exit status; a binary that is gone is no error"
    )
    func chaining() throws {
        try write("post-checkout", "#!/bin/sh\necho mine \"$@\"\nexit 3\n")
        try scripts().install()
        let chained = try run("post-checkout", ["a", "b c", "1"])
        #expect(chained.status == 3 && chained.output == "mine a b c 1\n")
        let alone = try run("post-merge", ["0"])
        #expect(alone.status == 0 && alone.output.isEmpty)
    }

    @Test("Branch checkouts start the binary, detached; checkouts of files do not")
    func startsDetached() async throws {
        let log = repository.absolute("log")
        try write("fake", "#!/bin/sh\necho \"$@\" >> '\(log)'\nexec sleep 20\n")
        try scripts(binaryPath: repository.absolute(".git/hooks/fake")).install()
        #expect(try run("post-checkout", ["a", "b", "0"]).status == 0)
        #expect(!FileManager.default.fileExists(atPath: log))
        let start = ContinuousClock.now
        // Not `Process`, whose end is seen only once everything that it started has ended.
        let hook = try ServerProcess(
            path: repository.absolute(".git/hooks/post-checkout"), arguments: ["a", "b", "1"])
        #expect(hook.waitForExit() == 0)
        #expect(ContinuousClock.now - start < .seconds(15), "the hook waited for what it started")
        while !FileManager.default.fileExists(atPath: log) { try await Task.sleep(for: .milliseconds(5)) }
    }

    @Test("Where hooks are not the repository's own, nothing is written and the line to add is shown")
    func foreignHooksPath() throws {
        try repository.damage(
            "config",
            with: "[core]\n\trepositoryformatversion = 0\n\tbare = false\n\thooksPath = tools/hooks\n")
        let before = try repository.contents()
        do {
            try scripts().install()
            Issue.record("installed into a folder of the work tree")
        } catch let error as CommandError {
            #expect(
                error.fix.contains("tools/hooks/post-merge") && error.fix.contains("warm --hook post-merge"))
        }
        #expect(try repository.contents() == before)
    }
}
