// `foretoken bench`: its options, and which scenario they ask for. The scenarios themselves are SpeedBench,
// SpeculationBench and PacedBench.

import ArgumentParser
import SpecEngine

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measure prompt and decoding speed on this machine.")

    @OptionGroup var engine: EngineArguments

    @Option(help: ArgumentHelp("Repeat each measurement this often.", valueName: "n"))
    var repeats = 5

    @Option(help: ArgumentHelp("Depths to measure at, in tokens.", valueName: "list"))
    var depths = "0,2048,4096,8192,14000"

    @Flag(help: "Print one JSON object.")
    var json = false

    @Option(
        help: ArgumentHelp(
            """
            speed; speculation: decoding with and without it on real files; oracle: with a draft of known quality; \
            context: the index and the choice of context; edits: what is computed again after edits; \
            restart: the first completions with what foretoken warm has stored.
            """, valueName: "name"))
    var scenario = "speed"

    @OptionGroup var speculationBench: SpeculationBenchArguments

    @Option(
        help: ArgumentHelp(
            "context, edits, restart: a folder in the repository to measure in.", valueName: "directory"))
    var repository = "."

    @Option(help: ArgumentHelp("edits, restart: prompt size in tokens.", valueName: "n"))
    var contextTokens = 8_192

    @Option(help: ArgumentHelp("speed: read this text instead of arbitrary tokens.", valueName: "file"))
    var text: String?

    @Option(
        help: ArgumentHelp(
            "Measure one thing, such as prompt_512@8192, once per line on standard input.", valueName: "name")
    )
    var paced: String?

    func run() async throws {
        do {
            guard (1...1_000).contains(repeats) else {
                throw CommandError.usage("--repeats is \(repeats)", fix: "choose between 1 and 1000")
            }
            let depths = try parsedDepths()
            if let paced { return try await runPaced(PacedBench(paced)) }
            switch scenario {
            case "speed": try await runSpeed(depths: depths)
            case "speculation": try await runSpeculation(promptSizes: depths.filter { $0 > 0 })
            case "oracle": try await runOracle(depths: depths.filter { $0 > 0 })
            case "context": try await runContext()
            case "edits", "restart": try await runEdits()
            default:
                throw CommandError.usage(
                    "--scenario is '\(scenario)'", fix: "choose speed, speculation, oracle, context, edits or restart")
            }
        } catch {
            throw CommandError(error).report(asJSON: json)
        }
    }

    private func runSpeed(depths: [Int]) async throws {
        let engine = try engine.configuration().load(fillsHoles: false)
        let deepest = depths.last ?? 0
        let tokens = try tokens(count: deepest + SpeedBench.promptTokenCount, for: engine)
        let bench = SpeedBench(engine: engine, tokens: tokens, depths: depths, repeats: repeats)
        let report = BenchReport(
            machine: .current(), build: .current(engine), scenario: scenario,
            settings: [
                "model": engine.modelPath, "repeats": "\(repeats)",
                "prompt_tokens": "\(SpeedBench.promptTokenCount)",
                "decode_tokens": "\(SpeedBench.decodeTokenCount)", "text": text ?? "arbitrary tokens",
            ], results: try await bench.run())
        let name = engine.modelPath.split(separator: "/").last.map(String.init) ?? engine.modelPath
        show(report, lines: SpeedBench.table(report, depths: depths, model: name))
    }

    private func runPaced(_ bench: PacedBench) async throws {
        let engine = try engine.configuration().load(fillsHoles: false)
        await bench.run(engine, tokens: try tokens(count: bench.tokenCount, for: engine))
    }

    /// The first tokens of the given text, or arbitrary ones: what a pass costs does not depend on them.
    private func tokens(count: Int, for engine: InferenceEngine) throws -> [TokenID] {
        guard count < engine.positionLimit else {
            throw CommandError.usage(
                "\(count) tokens do not fit into the model's \(engine.positionLimit) positions",
                fix: "choose smaller --depths")
        }
        guard let text else {
            var random = SeededGenerator(seed: 1)
            let size = Double(engine.tokenizer.vocabularySize)
            return (0..<count).map { _ in TokenID(Int32(random.uniform() * size)) }
        }
        let tokens = engine.tokenizer.encode(try SourceFile.read(text), parsingSpecialTokens: false)
        guard tokens.count >= count else {
            throw CommandError.usage(
                "\(text) has \(tokens.count) tokens, and \(count) are needed", fix: "give a longer text")
        }
        return tokens
    }

    /// One JSON object, or lines for people: one per number where a scenario has no table of its own.
    func show(_ report: BenchReport, lines: [String]? = nil) {
        if json {
            JSONOutput.write(report)
        } else {
            FileDescriptorOutput.write((lines ?? report.list).joined(separator: "\n") + "\n", to: 1)
        }
    }

    /// Indexing, cursors and typing in one repository.
    private func runContext() async throws {
        let root = SourceFile.absolutePath(repository)
        let loaded = try engine.configuration().load(fillsHoles: true)
        let bench = ContextBench(
            rootPath: root, tokenizer: EnginePromptTokenizer(tokenizer: loaded.tokenizer), tokenBudget: 4_096)
        show(
            BenchReport(
                machine: .current(), build: .current(loaded), scenario: scenario,
                settings: [
                    "repository": root, "repeats": "\(repeats)", "prompt_tokens": "\(bench.tokenBudget)",
                ],
                results: try await bench.run(repeats: repeats).map { BenchResult($0.name, $0.values, unit: $0.unit) }))
    }

    private func runEdits() async throws {
        let configuration = try engine.configuration()
        let bench = EditsBench(
            configuration: configuration, folder: SourceFile.absolutePath(repository),
            tokenBudget: contextTokens,
            repeats: repeats)
        let measured = scenario == "edits" ? try await bench.edits() : try await bench.restart()
        show(
            BenchReport(
                machine: .current(), build: .current(try configuration.load()), scenario: scenario,
                settings: [
                    "repository": repository, "context_tokens": "\(contextTokens)", "repeats": "\(repeats)",
                ],
                results: measured.filter { !$0.values.isEmpty }.map {
                    BenchResult($0.name, $0.values, unit: $0.unit)
                }))
    }

    private func parsedDepths() throws(CommandError) -> [Int] {
        let values = depths.split(separator: ",").map { Int($0) }
        guard !values.isEmpty, values.allSatisfy({ $0 != nil && $0! >= 0 && $0! < 1 << 20 }) else {
            throw .usage(
                "--depths is '\(depths)'", fix: "write numbers of tokens with commas, such as 0,2048,8192")
        }
        return values.compactMap(\.self).sorted()
    }
}
