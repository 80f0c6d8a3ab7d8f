// The checkout as the architecture tests read it: the files that git tracks, their text, and the import lines of
// Swift files. Read once per test run. It needs git and a clone: an archive without .git is a failure that says so.

import Foundation
import TestSupport

/// The tracked files of this checkout.
struct Checkout {
    /// Why the checkout cannot be read.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    static let root = FixturePaths.checkoutRoot
    static let shared = Result { try Checkout() }

    /// All tracked files that exist, relative to the root.
    let paths: [String]
    /// Those that are text.
    let texts: [TextFile]

    /// Swift, C and header files beneath Sources.
    var sources: [TextFile] {
        texts.filter { file in
            file.isBeneath("Sources") && [".swift", ".c", ".h", ".inc"].contains { file.path.hasSuffix($0) }
        }
    }
    var swiftSources: [TextFile] { sources.filter { $0.path.hasSuffix(".swift") } }
    var swiftTests: [TextFile] { texts.filter { $0.isBeneath("Tests") && $0.path.hasSuffix(".swift") } }

    private init() throws {
        // The owner of a clone may be somebody else than the one who runs the tests (a CI job as root).
        let listed = try Self.run("git", ["-c", "safe.directory=*", "-C", Self.root, "ls-files", "-z"])
        // Deleted but not yet committed is not a finding.
        paths = listed.split(separator: "\0").map(String.init)
            .filter { FileManager.default.fileExists(atPath: "\(Self.root)/\($0)") }
        guard paths.contains("Package.swift") else {
            throw Failure(description: "git lists no Package.swift in \(Self.root): run the tests in a clone")
        }
        texts = paths.compactMap { path in
            guard let data = FileManager.default.contents(atPath: "\(Self.root)/\(path)"),
                !data.prefix(8_000).contains(0)
            else { return nil }
            return TextFile(path: path, text: String(decoding: data, as: UTF8.self))
        }
    }

    /// A tracked text file by its path.
    func file(_ path: String) throws -> TextFile {
        guard let file = texts.first(where: { $0.path == path }) else {
            throw Failure(description: "\(path) is not tracked: git add it")
        }
        return file
    }

    func byteCount(_ path: String) throws -> Int {
        let attributes = try FileManager.default.attributesOfItem(atPath: "\(Self.root)/\(path)")
        return attributes[.size] as? Int ?? 0
    }

    /// Standard output of a program found in PATH; an error with its complaint when it fails.
    static func run(_ program: String, _ arguments: [String]) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [program] + arguments
        let output = Pipe()
        let errors = Pipe()
        process.standardOutput = output
        process.standardError = errors
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let bytes = output.fileHandleForReading.readDataToEndOfFile()
        let complaint = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw Failure(description: "\(program) ended with \(process.terminationStatus): \(complaint)")
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// A tracked text file.
struct TextFile {
    /// Relative to the root, with "/".
    let path: String
    let text: String
    let lines: [Substring]

    init(path: String, text: String) {
        self.path = path
        self.text = text
        lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    }

    var name: Substring { path.split(separator: "/").last ?? "" }
    /// The folder beneath Sources or Tests that the file belongs to: its target.
    var target: Substring { path.split(separator: "/").dropFirst().first ?? "" }

    func isBeneath(_ folder: String) -> Bool { path.hasPrefix(folder + "/") }

    /// Lines of code with their numbers; comment lines are passed over.
    var codeLines: [(line: Int, text: Substring)] {
        lines.enumerated().compactMap { index, line in
            let trimmed = line.drop { $0 == " " }
            if trimmed.hasPrefix("//") || trimmed.hasPrefix("*") || trimmed.hasPrefix("/*") { return nil }
            return (index + 1, line)
        }
    }

    /// Modules named by import lines, attributes and access levels aside.
    var importedModules: [(line: Int, module: String)] {
        lines.enumerated().compactMap { index, line in
            let words = line.split(separator: " ").map(String.init)
            guard let keyword = words.firstIndex(of: "import"), keyword + 1 < words.count,
                words[..<keyword].allSatisfy({ Self.importModifiers.contains($0) })
            else { return nil }
            // `import struct Module.Type` names its kind first.
            let rest = words[(keyword + 1)...].drop { Self.importKinds.contains($0) }
            return rest.first.map { (index + 1, String($0.prefix { $0 != "." })) }
        }
    }

    private static let importModifiers: Set = [
        "@testable", "@preconcurrency", "@_exported", "@_implementationOnly", "private", "fileprivate",
        "internal",
        "package", "public",
    ]
    private static let importKinds: Set = [
        "struct", "class", "enum", "protocol", "typealias", "func", "let", "var",
    ]
}
