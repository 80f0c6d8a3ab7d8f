// The commands as a shell sees them: outputs, exit codes, and errors that say what to do. Nothing here may crash
// (a signal shows as an exit code above 128) or hang.

import Foundation
import TestSupport
import Testing

@testable import CompletionDaemon

@Suite("Command line", .serialized)
struct CommandLineTests {
    private let folder: RepositoryFixture

    init() throws {
        folder = try RepositoryFixture(isRepository: false, name: "plain")
        try folder.write("a.py", "def add(a, b):\n    return a\n")
    }

    private func complete(_ arguments: [String], environment: [String: String] = [:], input: [UInt8] = [])
        throws
        -> Binary.Result
    {
        try Binary.run(
            ["complete"] + arguments, input: input,
            environment: ["FORETOKEN_MODEL": FixturePaths.defaultModel].merging(environment) { $1 },
            folder: folder.path)
    }

    private func json(_ result: Binary.Result) throws -> JSONTree {
        try JSONTree(parsing: Array(result.output.utf8))
    }

    @Test("A prompt file is continued greedily, token for token as in the golden file")
    func promptFile() throws {
        let prompt =
            "def fibonacci(n):\n    \"\"\"Return the n-th Fibonacci number.\"\"\"\n    if n < 2:\n        return n\n"
        try folder.write("prompt.txt", prompt)
        for (arguments, input) in [
            (["--prompt-file", "prompt.txt"], ""), (["--prompt-file", "-"], prompt),
            (["--prompt-file", "prompt.txt", "--reference", "--threads", "1"], ""),
        ] {
            let result = try complete(arguments + ["--max-tokens", "8", "--json"], input: Array(input.utf8))
            #expect(result.exitCode == 0)
            let output = try json(result)
            #expect(output["text"] == "    return n - 1\n\n\ndef")
            #expect(output["token_ids"] == [274, 420, 319, 442, 236, 32, 1586, 686])
            #expect(output["stop_reason"] == "max_tokens")
            #expect(output["prompt_tokens"] == 32)
            #expect(output["reused_tokens"] == 0)
            #expect(output["timings_ms"]?["prefill"] != nil && output["timings_ms"]?["total"] != nil)
        }
    }

    @Test("Sampling follows its seed")
    func seeds() throws {
        func text(_ seed: String) throws -> String {
            try complete(["a.py:2:13", "--temperature", "1.2", "--seed", seed, "--context-tokens", "256"])
                .output
        }
        #expect(try text("3") == text("3"))
        #expect(try Set((1...6).map { try text("\($0)") }).count > 1)
    }

    @Test(
        "Misuse ends with exit code 2 and says what is right",
        arguments: [
            ["a.py"], ["a.py:1"], ["a.py:0:1"], ["a.py:1:0"], ["a.py:9:1"], ["a.py:1:99"], [":1:1"],
            ["a.py:x:1"],
            [], ["a.py:1:1", "--max-tokens", "0"], ["a.py:1:1", "--threads", "0"],
            ["a.py:1:1", "--threads", "1000"],
            ["a.py:1:1", "--temperature", "-1"], ["a.py:1:1", "--prompt-file", "a.py"],
            ["a.py:1:1", "--context-tokens", "1"],
            ["--no-such-option"], ["é.py:1:2"],
        ])
    func misuse(arguments: [String]) throws {
        try folder.write("é.py", "é = 1\n")
        let result = try complete(arguments)
        #expect(result.exitCode == 2, "\(arguments): \(result.errorOutput)")
        #expect(result.output.isEmpty && !result.errorOutput.isEmpty)
    }

    @Test("Ends of lines and files are places; an empty file is completed or left empty")
    func edges() throws {
        try folder.write("crlf.py", "x = 1\r\ny = 2")
        try folder.write("empty.py", "")
        for place in ["crlf.py:1:6", "crlf.py:2:6", "empty.py:1:1", "a.py:3:1", "a.py:1:1"] {
            let result = try complete([place, "--context-tokens", "256", "--max-tokens", "4"])
            #expect(result.exitCode == 0, "\(place): \(result.errorOutput)")
        }
        #expect(try complete(["crlf.py:1:7"]).exitCode == 2, "the carriage return is not part of the line")
    }

    @Test("Files that cannot be completed in are refused with exit code 1")
    func unusableFiles() throws {
        try folder.write("binary.py", bytes: [0x61, 0, 0xFF, 0x0A])
        try folder.write(".env", "KEY=1\n")
        for place in ["missing.py:1:1", "binary.py:1:1", ".:1:1", ".env:1:1"] {
            let result = try complete([place])
            #expect(result.exitCode == 1, "\(place): \(result.errorOutput)")
            #expect(!result.errorOutput.isEmpty)
        }
        try folder.write("latin1.py", bytes: Array("name = '".utf8) + [0xE9, 0x27, 0x0A])
        #expect(try complete(["latin1.py:1:11", "--max-tokens", "2"]).exitCode == 0, "not UTF-8, but text")
    }

    @Test("Without a usable model the exit code is 3, and the error says where it looked")
    func models() throws {
        try folder.write("text.gguf", "this is not a model")
        let draft = FixturePaths.modelsDirectory + "/foretoken-78m-longspec-q4_0.gguf"
        for path in ["/nonexistent.gguf", "text.gguf", ".", draft] {
            let result = try complete(["a.py:1:1", "--model", path])
            #expect(result.exitCode == 3, "\(path): \(result.errorOutput)")
        }
        let result = try complete(
            ["a.py:1:1", "--json"], environment: ["FORETOKEN_MODEL": "/nowhere/model.gguf"])
        #expect(result.exitCode == 3)
        let error = try #require(try json(result)["error"])
        #expect(error["code"] == "model" && error["message"] != nil && error["fix"] != nil)
    }

    @Test("A result that cannot be written is a failure, not a silent success")
    func fullDisk() throws {
        let result = try Binary.run(
            [
                "complete", "a.py:2:13", "--no-context", "--max-tokens", "2", "--model",
                FixturePaths.defaultModel,
                "--json",
            ], folder: folder.path, outputPath: "/dev/full")
        #expect(
            result.exitCode == 1 && result.errorOutput.contains("cannot be written"), "\(result.errorOutput)")
    }

    @Test("A completion that leaves no room for a prompt is refused")
    func noRoom() throws {
        #expect(try complete(["a.py:1:1", "--max-tokens", "16380"]).exitCode == 2)
    }

    @Test("Every instruction set of this machine completes; an unknown one is refused by name")
    func instructionSets() throws {
        for name in ["avx512", "avx2", "portable", "sse9"] {
            let result = try complete(
                ["a.py:2:13", "--no-context", "--max-tokens", "2"], environment: ["FORETOKEN_ISA": name])
            #expect(result.exitCode == 0 || result.exitCode == 2, "\(name): \(result.errorOutput)")
            if name == "sse9" { #expect(result.exitCode == 2 && result.errorOutput.contains("sse9")) }
        }
    }

    @Test("doctor finds the model and this repository; help and version succeed")
    func doctor() throws {
        let result = try Binary.run(
            ["doctor", FixturePaths.checkoutRoot, "--model", FixturePaths.defaultModel],
            environment: ["XDG_CACHE_HOME": folder.path])
        #expect(result.exitCode == 0, "\(result.output)")
        for part in ["kernels", "OpenBLAS", "libgit2", "sha256 d6ad38cc", "cache"] {
            #expect(result.output.contains(part), "\(part)")
        }
        let missing = try Binary.run(["doctor", "--model", "/nonexistent.gguf"])
        #expect(missing.exitCode == 1 && missing.output.contains("FIX"))
        #expect(try Binary.run(["--version"]).exitCode == 0)
        #expect(try Binary.run(["--help"]).exitCode == 0)
        #expect(try Binary.run(["nonsense"]).exitCode == 2)
    }

    @Test("doctor names the files that hold credentials, and the rules that cannot be followed")
    func doctorOnSecrets() throws {
        let project = try DrawingProject()
        try project.repository.write(".env", "A=1\n")
        try project.repository.write("settings.py", "api_key = 'q7Zp1xVt9LmB3nKc8RwD5sYh2GfJ6aQe'\n")
        try project.repository.commit()
        let arguments = ["doctor", project.repository.path, "--model", FixturePaths.defaultModel]
        let result = try Binary.run(arguments)
        #expect(result.output.contains("2 files hold credentials"), "\(result.output)")
        #expect(result.output.contains(".env") && result.output.contains("settings.py"))
        #expect(!result.output.contains("q7Zp1xVt9LmB3nKc8RwD5sYh2GfJ6aQe"))
        try project.repository.breakRules(".foretokenignore", "long")
        #expect(try Binary.run(arguments).output.contains(".foretokenignore has more than 1000 rules"))
    }

    @Test("context lists parts with tokens and reasons, and its map covers the prompt")
    func context() throws {
        let project = try DrawingProject()
        let place = "\(project.filePath):\(DrawingProject.line):\(DrawingProject.column)"
        let arguments = ["context", place, "--context-tokens", "512", "--model", FixturePaths.defaultModel]
        let table = try Binary.run(arguments)
        #expect(table.exitCode == 0 && table.output.contains("rank  tokens  score  place  part and reasons"))
        #expect(table.output.contains("shapes.py  lines 1-") && table.output.contains("imports 6.00"))
        let result = try Binary.run(arguments + ["--json"])
        let report = try json(result)
        #expect(report["scope"] == "repository" && report["parts"]?[0]?["path"] == "shapes.py")
        #expect(report["parts"]?[0]?["signals"]?["imports"] == 6)
        guard case .array(let segments)? = report["segments"], let tokens = report["tokens"] else {
            Issue.record("no segments in \(result.output)")
            return
        }
        // Without gap or overlap, from the first token to the last.
        #expect(segments.first?["start"] == 0 && segments.last?["end"] == tokens)
        for (one, next) in zip(segments, segments.dropFirst()) { #expect(one["end"] == next["start"]) }
        #expect(segments.contains { $0["kind"] == "context" && $0["path"] == "shapes.py" })
        let without = try Binary.run(arguments + ["--without-signal", "imports"])
        #expect(without.exitCode == 0 && !without.output.contains("imports 6.00"))
    }

    @Test("A corrupt repository, and none at all, still complete")
    func brokenRepository() throws {
        let project = try DrawingProject()
        try project.repository.damage("HEAD", with: "garbage")
        let place = "\(project.filePath):\(DrawingProject.line):\(DrawingProject.column)"
        let result = try complete([place, "--context-tokens", "512"])
        #expect(result.exitCode == 0 && !result.output.isEmpty, "\(result.errorOutput)")
    }

    @Test("bench prints the schema that tools read")
    func bench() throws {
        let result = try Binary.run(
            ["bench", "--json", "--repeats", "1", "--depths", "0", "--model", FixturePaths.defaultModel])
        #expect(result.exitCode == 0, "\(result.errorOutput)")
        let report = try json(result)
        #expect(report["schema"] == 1 && report["scenario"] == "speed")
        #expect(report["machine"]?["openblas_core"] != nil && report["build"]?["isa"] != nil)
        guard case .array(let results)? = report["results"] else {
            Issue.record("no results")
            return
        }
        #expect(
            Set(results.compactMap { $0["name"] }).isSuperset(of: [
                "prompt_512@0", "decode@0", "pass_ratio_4@0", "decode_to_stream", "keys_and_values",
                "resident_beyond", "cancel_to_idle_p99",
            ]))
        #expect(
            results.allSatisfy {
                $0["median"] != nil && $0["p5"] != nil && $0["p95"] != nil && $0["n"] != nil
            })
        // The aim is 60 MiB; what a C library or a kernel does differently must not fail this.
        let mebibytes: Double? =
            switch results.first(where: { $0["name"] == "resident_beyond" })?["median"] {
            case .number(let value): value
            case .integer(let value): Double(value)
            default: nil
            }
        #expect(mebibytes.map { $0 > 0 && $0 < 90 } == true, "\(String(describing: mebibytes)) MiB")
    }

    @Test("bench --paced measures once per line, after saying which tokens it read")
    func pacedBench() throws {
        let place = ["bench", "--model", FixturePaths.defaultModel, "--paced"]
        let result = try Binary.run(place + ["rows_4@8"], input: Array("\n\n".utf8))
        #expect(result.exitCode == 0, "\(result.errorOutput)")
        let lines = result.output.split(separator: "\n")
        #expect(lines.count == 3 && lines[0].hasPrefix("ready ") && lines[0].count == "ready ".count + 16)
        #expect(lines.dropFirst().allSatisfy { Double($0).map { $0 > 0 } == true })
        for name in ["rows_4", "rows_x@8", "rows_65@8", "write_4@8", "decode_0@8", "decode_4@-1"] {
            #expect(try Binary.run(place + ["\(name)"]).exitCode == 2, "\(name)")
        }
    }
}
