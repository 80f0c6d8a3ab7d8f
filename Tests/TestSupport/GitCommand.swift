// The git program in tests, for repositories that libgit2 cannot make: SHA-256 names, partial and sparse clones. No user
// configuration, no questions; a test that needs it is left out where it is not installed.

import Foundation

/// Runs git.
package enum GitCommand {
    /// Whether there is a git that knows SHA-256 repositories and sparse indexes.
    package static let isInstalled: Bool = {
        guard let answer = try? run(["version"]),
            let version = answer.split(separator: " ").dropFirst(2).first?.split(separator: "."),
            let major = version.first.flatMap({ Int($0) }),
            let minor = version.dropFirst().first.flatMap({ Int($0) })
        else { return false }
        return (major, minor) >= (2, 37)
    }()

    /// Standard output; an error with git's complaint when it fails.
    @discardableResult
    package static func run(_ arguments: [String], in folder: String = "/") throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["git", "-C", folder] + arguments
        process.environment = [
            "PATH": ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin",
            "LC_ALL": "C", "HOME": "/nonexistent",
            "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_TERMINAL_PROMPT": "0",
            "GIT_AUTHOR_NAME": "Test", "GIT_AUTHOR_EMAIL": "test@example.com", "GIT_COMMITTER_NAME": "Test",
            "GIT_COMMITTER_EMAIL": "test@example.com",
        ]
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw RepositoryFixture.Failure(description: "git \(arguments.joined(separator: " ")): \(text)")
        }
        return text
    }
}
