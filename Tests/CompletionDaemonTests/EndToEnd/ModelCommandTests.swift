// `foretoken model` as a shell sees it, and what the other commands make of its choice.

import Foundation
import TestSupport
import Testing

@testable import CompletionDaemon

@Suite("Model command", .serialized)
struct ModelCommandTests {
    private let folder: RepositoryFixture
    private var configuration: String { folder.path + "/config/foretoken/config.json" }

    init() throws {
        folder = try RepositoryFixture(isRepository: false, name: "models")
    }

    private func run(_ arguments: [String], model: String? = nil) throws -> Binary.Result {
        var environment = ["XDG_CONFIG_HOME": folder.path + "/config"]
        environment["FORETOKEN_MODEL"] = model
        return try Binary.run(arguments, environment: environment, folder: folder.path)
    }

    /// The default model under another name; a link, since its 45 MB are not needed twice.
    private func linkedModel() throws -> String {
        let path = folder.path + "/other.gguf"
        try FileManager.default.createSymbolicLink(
            atPath: path, withDestinationPath: FixturePaths.defaultModel)
        return path
    }

    @Test("list shows what is found and what is in use; a file that is no model says why")
    func list() throws {
        let result = try run(["model", "list", "--json"])
        let models = try JSONTree(parsing: Array(result.output.utf8))["models"]
        #expect(result.exitCode == 0)
        #expect(models?[0]?["path"] == .string(FixturePaths.defaultModel))
        #expect(models?[0]?["architecture"] == "qwen3" && models?[0]?["in_use"] == true)
        #expect(models?[1] == nil, "the draft is not a model to choose")
        try folder.write("x.gguf", "not a model")
        let other = try run(["model", "list"], model: folder.path + "/x.gguf")
        #expect(other.exitCode == 0)
        #expect(
            other.output.hasPrefix("* \(folder.path)/x.gguf\n") && other.output.contains("not a GGUF file"))
    }

    @Test("check says what a model is, that it fills holes, and what it costs")
    func check() throws {
        let result = try run(["model", "check", "--json", "--threads", "auto"])
        #expect(result.exitCode == 0, "\(result.errorOutput)")
        let check = try JSONTree(parsing: Array(result.output.utf8))
        #expect(check["architecture"] == "qwen3" && check["tokenizer"] == "gpt2, qwen2")
        #expect(check["fill_in_middle"]?["prefix"]?["text"] == "<|fim_prefix|>")
        #expect(check["fill_in_middle"]?["order"] == "suffix, prefix, middle")
        #expect(check["holes"]?[5]?["name"] == "field")
        #expect(check["tensor_types"]?[0] == "Q4_0")
        #expect(check["problem"] == nil)
    }

    @Test(
        "A model without fill-in-the-middle tokens is refused by check, by use and by serve, with the reason")
    func withoutTokens() throws {
        // Names and texts of the tokens are changed in place, so the rest of the file stays valid.
        var bytes = try FixturePaths.bytes(FixturePaths.defaultModel)
        for name in [
            "fim_pre_token_id", "fim_suf_token_id", "fim_mid_token_id", "<|fim_prefix|>", "<|fim_suffix|>",
        ] {
            let range = try #require(bytes.prefix(2_000_000).firstRange(of: Array(name.utf8)))
            bytes[range.lowerBound + 4] = UInt8(ascii: "X")
        }
        let path = folder.path + "/plain.gguf"
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        let check = try run(["model", "check", path])
        #expect(check.exitCode == 3)
        #expect(check.output.contains("it has no fill-in-the-middle tokens (prefix, suffix)"))
        let use = try run(["model", "use", path])
        #expect(
            use.exitCode == 3 && use.errorOutput.contains("is not used: it has no fill-in-the-middle tokens"))
        #expect(!FileManager.default.fileExists(atPath: configuration), "a refused model is not remembered")
        let doctor = try run(["doctor"], model: path)
        #expect(doctor.exitCode == 1 && doctor.output.contains("no fill-in-the-middle tokens"))
    }

    @Test(
        "use remembers a model for the other commands, keeps what else is in the file, and default forgets it"
    )
    func use() throws {
        let path = try linkedModel()
        try folder.write("config/foretoken/config.json", "{\"other\": [1, true]}")
        let used = try run(["model", "use", "other.gguf"])
        #expect(used.exitCode == 0, "\(used.errorOutput)")
        let remembered = try JSONTree(parsing: FixturePaths.bytes(configuration))
        #expect(remembered["model"] == .string(path) && remembered["other"]?[1] == true)
        let attributes = try FileManager.default.attributesOfItem(atPath: configuration)
        #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600)
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path + "/config/foretoken")
        #expect(names == ["config.json"], "nothing else is left")

        let doctor = try run(["doctor"])
        #expect(doctor.output.contains("\(path) (chosen with foretoken model use;"))
        try FileManager.default.removeItem(atPath: path)
        try folder.write("prompt.txt", "def f(")
        let gone = try run(["complete", "--prompt-file", "prompt.txt"])
        #expect(gone.exitCode == 3 && gone.errorOutput.contains("foretoken model use default"))

        #expect(try run(["model", "use", "default"]).exitCode == 0)
        let forgotten = try JSONTree(parsing: FixturePaths.bytes(configuration))
        #expect(forgotten["model"] == nil && forgotten["other"]?[0] == 1)
        #expect(try run(["complete", "--prompt-file", "prompt.txt", "--max-tokens", "1"]).exitCode == 0)
    }

    @Test(
        "A damaged configuration is an error that names the file, not a crash and not another model",
        arguments: ["{", "[]", "{\"model\": 7}", "{\"model\": \"relative.gguf\"}", "\u{0}"])
    func damagedConfiguration(text: String) throws {
        try folder.write("config/foretoken/config.json", text)
        try folder.write("prompt.txt", "x")
        for arguments in [["complete", "--prompt-file", "prompt.txt"], ["model", "list"]] {
            let result = try run(arguments)
            #expect(result.exitCode == 3 || result.exitCode == 1, "\(arguments): \(result.output)")
            #expect(result.errorOutput.contains(configuration), "\(result.errorOutput)")
        }
    }
}
