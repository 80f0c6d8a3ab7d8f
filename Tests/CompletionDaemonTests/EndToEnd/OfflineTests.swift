// The promise that nothing leaves the machine and nothing is started: the built binary under strace opens no socket
// and makes no process, with a real model on a real repository. scripts/setup.sh installs strace.

import Foundation
import TestSupport
import Testing

@testable import CompletionDaemon

@Suite("Offline")
struct OfflineTests {
    private static let calls =
        "socket,socketpair,connect,bind,listen,accept,accept4,execve,execveat,fork,vfork,clone,clone3"

    /// Runs under strace and gives the calls that break the promise, and all that were seen.
    private func offences(_ arguments: [String], input: [UInt8] = []) throws -> (
        offences: [Substring], exitCode: Int32
    ) {
        let scratch = try RepositoryFixture.temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: scratch) }  // best effort
        let trace = scratch + "/trace"
        let strace = "/usr/bin/strace"
        try #require(
            FileManager.default.isExecutableFile(atPath: strace), "run scripts/setup.sh: strace is missing")
        let result = try Binary.run(
            ["-f", "-qq", "-e", "trace=" + Self.calls, "-o", trace, Binary.path] + arguments, input: input,
            environment: ["XDG_CACHE_HOME": scratch + "/cache"], program: strace)
        let lines = String(decoding: try FixturePaths.bytes(trace), as: UTF8.self).split(separator: "\n")
        let first = lines.first?.split(separator: " ").dropFirst().first
        #expect(first?.hasPrefix("execve(") ?? false, "strace's lines are not as they were: \(result.errorOutput)")
        return (lines.filter { Self.isOffence($0) }, result.exitCode)
    }

    /// Whether a line of a trace is one of the calls; the execution of the binary itself and new threads are none. Nor
    /// are signals, ends, and what strace writes of a thread that the process's end stopped on its way into a call: one
    /// without a name, or a clone whose arguments it could no longer read and that never returned.
    static func isOffence(_ line: Substring) -> Bool {
        let words = line.split(separator: " ", omittingEmptySubsequences: true)
        guard let call = words.dropFirst().first, let end = call.firstIndex(of: "("),
            calls.split(separator: ",").contains(call[..<end])
        else { return false }
        if line.contains("execve(\"\(Binary.path)\"") { return false }
        let isStopped = line.contains("<unfinished ...>") || line.hasSuffix("= ?")
        return !call.hasPrefix("clone") || !(line.contains("CLONE_THREAD") || isStopped && !line.contains("flags="))
    }

    @Test(
        "What strace writes is judged by its call",
        arguments: [
            ("12 socket(AF_INET, SOCK_STREAM, 0) = 3", true), ("12 execve(\"/bin/sh\", [\"sh\"]) = 0", true),
            ("12 clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|SIGCHLD) = 13", true),
            ("12 clone3({flags=CLONE_VM|CLONE_VFORK, exit_signal=SIGCHLD}, 88 <unfinished ...>", true),
            ("12 clone3({flags=CLONE_VM|CLONE_THREAD, exit_signal=0}, 88) = 13", false),
            ("12 <... clone3 resumed> => {parent_tid=[13]}, 88) = 13", false),
            ("12 clone3(0x7f00, 88 <unfinished ...>", false), ("12 clone3(0x7f00, 88) = ?", false),
            ("12 ???( <detached ...>", false), ("12 --- SIGTERM {si_signo=SIGTERM} ---", false),
            ("12 +++ exited with 0 +++", false),
        ] as [(Substring, Bool)])
    func judges(line: Substring, isOffence: Bool) {
        #expect(Self.isOffence(line) == isOffence)
    }

    @Test("complete opens no socket and starts no process")
    func complete() throws {
        let project = try DrawingProject()
        let place = "\(project.filePath):\(DrawingProject.line):\(DrawingProject.column)"
        let (offences, exitCode) = try offences([
            "complete", place, "--model", FixturePaths.defaultModel, "--context-tokens", "512",
            "--max-tokens", "4",
        ])
        #expect(offences == [])
        #expect(exitCode == 0)
    }

    @Test("warm opens no socket and starts no process")
    func warm() throws {
        let project = try DrawingProject()
        let (offences, exitCode) = try offences([
            "warm", project.repository.path, "--model", FixturePaths.defaultModel, "--context-tokens", "512",
        ])
        #expect(offences == [])
        #expect(exitCode == 0)
    }

    @Test("serve opens no socket and starts no process")
    func serve() throws {
        let messages = try Self.messages(in: DrawingProject())
        let input = messages.flatMap { Array("Content-Length: \($0.utf8.count)\r\n\r\n\($0)".utf8) }
        let (offences, exitCode) = try offences(
            ["serve", "--model", FixturePaths.defaultModel], input: input)
        #expect(offences == [])
        #expect(exitCode == 0)
    }

    /// A session that asks once at the project's cursor and ends as it should.
    static func messages(in project: DrawingProject) throws -> [String] {
        let uri = project.rootURI + "/" + DrawingProject.file
        let text = String(decoding: try JSONEncoder().encode(DrawingProject.caller), as: UTF8.self)
        return [
            #"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"processId":null,"capabilities":{},"#
                + #""rootUri":"\#(project.rootURI)"}}"#,
            #"{"jsonrpc":"2.0","method":"initialized","params":{}}"#,
            #"{"jsonrpc":"2.0","method":"textDocument/didOpen","params":{"textDocument":{"uri":"\#(uri)","#
                + #""languageId":"python","version":1,"text":\#(text)}}}"#,
            #"{"jsonrpc":"2.0","id":2,"method":"textDocument/inlineCompletion","params":{"textDocument":"#
                + #"{"uri":"\#(uri)"},"position":{"line":6,"character":30},"context":{"triggerKind":1}}}"#,
            #"{"jsonrpc":"2.0","id":3,"method":"shutdown"}"#, #"{"jsonrpc":"2.0","method":"exit"}"#,
        ]
    }
}
