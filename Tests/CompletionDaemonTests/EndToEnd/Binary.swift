// The built `foretoken`, run as a user runs it: arguments in, exit code and outputs out.

import Foundation
import TestSupport

enum Binary {
    /// Beside the test bundle, where SwiftPM puts it.
    static let path: String = {
        let bundle = (CommandLine.arguments[0] as NSString).deletingLastPathComponent
        for folder in [bundle, FixturePaths.checkoutRoot + "/.build/release"] {
            let candidate = folder + "/foretoken"
            if FileManager.default.isExecutableFile(atPath: candidate) { return candidate }
        }
        return "foretoken-was-not-built"
    }()

    struct Result {
        let exitCode: Int32
        let output: String
        let errorOutput: String
    }

    /// Runs to the end. Outputs go through files, so that neither pipe can fill and block.
    static func run(
        _ arguments: [String], input: [UInt8] = [], environment: [String: String] = [:],
        folder: String = "/tmp", outputPath: String? = nil, program: String = path
    ) throws -> Result {
        let scratch = try RepositoryFixture.temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: scratch) }  // best effort
        let paths = ["in", "out", "err"].map { scratch + "/" + $0 }
        for path in paths { try Data(path == paths[0] ? input : []).write(to: URL(fileURLWithPath: path)) }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.currentDirectoryURL = URL(fileURLWithPath: folder)
        var variables = ProcessInfo.processInfo.environment
        for name in ["FORETOKEN_MODEL", "FORETOKEN_ISA", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"] {
            variables[name] = nil
        }
        variables["XDG_CACHE_HOME"] = scratch + "/cache"
        variables["XDG_CONFIG_HOME"] = scratch + "/config"  // not the user's own choices
        process.environment = variables.merging(environment) { $1 }
        process.standardInput = try FileHandle(forReadingFrom: URL(fileURLWithPath: paths[0]))
        process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: outputPath ?? paths[1]))
        process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: paths[2]))
        try process.run()
        process.waitUntilExit()
        return Result(
            exitCode: process.terminationStatus,
            output: String(decoding: try FixturePaths.bytes(paths[1]), as: UTF8.self),
            errorOutput: String(decoding: try FixturePaths.bytes(paths[2]), as: UTF8.self))
    }
}
