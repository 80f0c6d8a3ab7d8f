// The prompt builder with the real tokenizer, token by token against a prompt that the model's makers built.

import Foundation
import RepoContext
import SpecEngine
import TestSupport
import Testing

@testable import CompletionDaemon

@Suite("Prompt layout")
struct PromptGoldenTests {
    private struct File: Decodable {
        struct Case: Decodable {
            let prompt: String
            let prompt_tokens: [Int32]
        }
        let cases: [String: Case]
    }

    @Test("The golden repository prompt is rebuilt token by token from its parts")
    func goldenCase() throws {
        let bytes = try FixturePaths.bytes(FixturePaths.engineGoldenDirectory + "/target.json")
        let golden = try #require(JSONDecoder().decode(File.self, from: Data(bytes)).cases["spm-repo-4k"])

        // <|repo_name|>NAME\n <|file_sep|>PATH\nTEXT <|file_sep|>PATH\n<|fim_suffix|>S<|fim_prefix|>P<|fim_middle|>
        let parts = golden.prompt.split(separator: "<|", omittingEmptySubsequences: true).map { part in
            let end = part.range(of: "|>")!
            return (token: String(part[..<end.lowerBound]), text: String(part[end.upperBound...]))
        }
        #expect(
            parts.map(\.token) == [
                "repo_name", "file_sep", "file_sep", "fim_suffix", "fim_prefix", "fim_middle",
            ])
        let contextLines = parts[1].text.split(
            separator: "\n", maxSplits: 1, omittingEmptySubsequences: false)
        let path = String(parts[2].text.dropLast())
        let (suffix, prefix) = (parts[3].text, parts[4].text)

        let builder = PromptBuilder(
            tokenizer: EnginePromptTokenizer(
                tokenizer: try Tokenizer(GGUFFile.open(FixturePaths.defaultModel))), order: .suffixFirst)
        var budget = PromptBudget(totalTokenCount: 8_192, includesContext: true)
        budget.suffixTokenCount = 4_096
        budget.prefixTokenCount = 4_096
        let prompt = builder.prompt(
            repositoryName: String(parts[0].text.dropLast()),
            contextFiles: [
                ContextFile(
                    path: try #require(RelativePath(String(contextLines[0]))),
                    text: Array(contextLines[1].utf8), rank: 0)
            ],
            currentFile: CurrentFile(
                path: try #require(RelativePath(path)), text: Array((prefix + suffix).utf8),
                cursorOffset: prefix.utf8.count),
            budget: budget)
        let isSame = prompt.tokens == golden.prompt_tokens
        let difference = zip(prompt.tokens, golden.prompt_tokens).enumerated().first {
            $0.element.0 != $0.element.1
        }
        let counts = "\(prompt.tokens.count) tokens for \(golden.prompt_tokens.count)"
        #expect(isSame, "\(counts), first difference \(String(describing: difference))")
    }
}
