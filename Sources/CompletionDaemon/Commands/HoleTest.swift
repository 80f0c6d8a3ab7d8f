// Does a model fill holes? A few tiny files, each with a hole that the text behind it decides: a model that only
// continues what stands before the cursor cannot know. Prompts are built, and answers cut, as for completion.

import RepoContext
import SpecEngine

/// The cases and their run.
enum HoleTest {
    /// A file with a hole.
    struct Case: Sendable {
        let name: String
        let path: String
        let before: String
        let behind: String
        /// What belongs there.
        let expected: String
    }

    /// What came of one hole.
    struct Outcome: Encodable, Sendable {
        let name: String
        let expected: String
        /// The first line of what a user would see of it.
        let found: String
        let passed: Bool
    }

    /// Holes that must be closed for a model to be worth serving. Small models miss some; models that were not trained
    /// to fill holes close none, or one by chance.
    static let requiredCount = 3
    private static let maximumTokens = 24

    static let cases = [
        Case(
            name: "parameters", path: "shapes.py", before: "def area(",
            behind: "):\n    return width * height\n", expected: "width, height"),
        Case(
            name: "import", path: "dump.py", before: "import ",
            behind: "\n\n\ndef dump(value):\n    return json.dumps(value)\n", expected: "json"),
        Case(
            name: "returned type", path: "Add.swift", before: "func add(_ a: Int, _ b: Int) -> ",
            behind: " {\n    let sum: Int = a + b\n    return sum\n}\n", expected: "Int"),
        Case(
            name: "loop", path: "sum.c", before: "int sum(const int *v, int n) {\n    int i, s = 0;\n    for (",
            behind: "; i < n; i++) {\n        s += v[i];\n    }\n    return s;\n}\n", expected: "i = 0"),
        Case(
            name: "name", path: "count.js", before: "function report(items) {\n  const ",
            behind: " = items.length;\n  if (count > 3) {\n    console.log(count);\n  }\n}\n",
            expected: "count"),
        Case(
            name: "field", path: "stack.py", before: "class Stack:\n    def __init__(self):\n        ",
            behind: "\n\n    def push(self, item):\n        self.items.append(item)\n",
            expected: "self.items = []"),
    ]

    /// Fills every hole. The model must have fill-in-the-middle tokens.
    static func run(on engine: InferenceEngine) async throws -> [Outcome] {
        var outcomes: [Outcome] = []
        for each in cases { outcomes.append(try await fill(each, on: engine)) }
        return outcomes
    }

    private static func fill(_ hole: Case, on engine: InferenceEngine) async throws -> Outcome {
        let tokenizer = EnginePromptTokenizer(tokenizer: engine.tokenizer)
        let builder = PromptBuilder(tokenizer: tokenizer, order: tokenizer.order)
        guard let path = RelativePath(hole.path) else { preconditionFailure("a literal path") }
        let prompt = builder.prompt(
            repositoryName: "check", contextFiles: [],
            currentFile: CurrentFile(
                path: path, text: Array((hole.before + hole.behind).utf8),
                cursorOffset: hole.before.utf8.count),
            budget: PromptBudget(
                totalTokenCount: PromptBudget.minimumTotalTokenCount, includesContext: false))
        let (prefix, suffix) = (Array(hole.before.utf8)[...], Array(hole.behind.utf8)[...])
        let rules = StopRules(prefix: prefix, suffix: suffix, languageID: LanguageID.guess(path: hole.path))
        let stop = GrowingStop(rules)
        let generation = try await engine.generate(
            GenerationRequest(
                prompt: prompt.tokens.map { TokenID($0) }, maximumTokens: maximumTokens, sampling: .greedy,
                endTokens: engine.controlTokens, shouldStop: { stop.shouldStop(generated: $0) },
                cancellation: CancellationFlag()))
        let text = PostProcessor(prefix: prefix, suffix: suffix, stopRules: rules).process(
            generation.text, isCut: generation.isCut)
        let found = String((text ?? "").prefix { $0 != "\n" })
        return Outcome(name: hole.name, expected: hole.expected, found: found, passed: found == hole.expected)
    }
}
