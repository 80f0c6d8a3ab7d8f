// `foretoken bench`: how fast this machine reads prompts and writes tokens, by depth. Medians with their spread, and
// what is needed to compare them: instruction set, threads, OpenBLAS core, load.

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
    var depths = "0,2048,8192,14000"

    @Flag(help: "Print one JSON object.")
    var json = false

    @Option(
        help: ArgumentHelp(
            """
            speed; speculation: decoding with and without it on real files; edits: what is computed again after edits; \
            restart: the first completions with what foretoken warm has stored.
            """, valueName: "name"))
    var scenario = "speed"

    @Option(help: ArgumentHelp("speculation: take files from here (repeatable).", valueName: "directory"))
    var workload: [String] = []

    @Option(help: ArgumentHelp("speculation: completions per prompt size.", valueName: "n"))
    var cases = 10

    @Option(help: ArgumentHelp("edits, restart: a folder in the repository to work in.", valueName: "dir"))
    var repository = "."

    @Option(help: ArgumentHelp("edits, restart: prompt size in tokens.", valueName: "n"))
    var contextTokens = 8_192

    /// Tokens per prompt measurement and per decoding measurement.
    private static let promptTokenCount = 512
    private static let decodeTokenCount = 64

    private struct Result: Encodable {
        let name: String
        let unit: String
        let median: Double
        let p5: Double
        let p95: Double
        let n: Int
    }

    private struct Report: Encodable {
        let schema = 1
        let machine: MachineDescription
        let build: BuildDescription
        let scenario: String
        let settings: [String: String]
        let results: [Result]
    }

    func run() async throws {
        do {
            guard (1...1_000).contains(repeats) else {
                throw CommandError.usage("--repeats is \(repeats)", fix: "choose between 1 and 1000")
            }
            let depths = try parsedDepths()
            switch scenario {
            case "speed": break
            case "speculation": return try await runSpeculation(promptSizes: depths.filter { $0 > 0 })
            case "edits", "restart": return try await runEdits()
            default:
                throw CommandError.usage(
                    "--scenario is '\(scenario)'", fix: "choose speed, speculation, edits or restart")
            }
            let engine = try engine.configuration().load(fillsHoles: false)
            for depth in depths where depth + Self.promptTokenCount >= engine.positionLimit {
                throw CommandError.usage(
                    "depth \(depth) does not fit into the model's \(engine.positionLimit) positions",
                    fix: "choose smaller --depths")
            }
            var results: [Result] = []
            for depth in depths { results += await measure(engine, depth: depth) }
            results += try await measureCancellation(engine)
            results += await memory(engine)
            let report = Report(
                machine: .current(), build: .current(engine), scenario: scenario,
                settings: [
                    "model": engine.modelPath, "repeats": "\(repeats)",
                    "prompt_tokens": "\(Self.promptTokenCount)",
                    "decode_tokens": "\(Self.decodeTokenCount)",
                ], results: results)
            if json { JSONOutput.write(report) } else { printTable(report) }
        } catch {
            throw CommandError(error).report(asJSON: json)
        }
    }

    /// Plain decoding, then every source of drafts alone and all together, on the same engine.
    private func runSpeculation(promptSizes: [Int]) async throws {
        let nodes = engine.speculationNodes
        func options(_ mode: SpeculationMode) -> SpeculationOptions {
            var options = SpeculationOptions(mode: mode, nodeLimit: nodes, draftPath: engine.draft)
            options.usesLastCompletion = false
            return options
        }
        let kinds =
            [SpeculationBench.Kind(name: "plain", options: nil)]
            + [SpeculationMode.lookup, .longspec, .auto].map {
                SpeculationBench.Kind(name: $0.rawValue, options: options($0))
            }
        var configuration = try engine.configuration()
        configuration.speculation = .off
        configuration.speculationAlternatives = kinds.compactMap(\.options)
        let loaded = try configuration.load(fillsHoles: true)
        let files = SpeculationWorkload(
            directories: workload.isEmpty ? ["Sources"] : workload, tokenizer: loaded.tokenizer)
        let bench = SpeculationBench(
            kinds: kinds, repeats: repeats, maximumTokens: CompletionPipeline.defaultMaximumTokens)
        var results: [Result] = []
        for size in promptSizes {
            let cases = try files.cases(count: cases, tokenCount: size)
            results += try await bench.run(cases, engine: loaded, label: "\(size)").map {
                Result(name: $0.name, unit: $0.unit, median: $0.median, p5: $0.p5, p95: $0.p95, n: $0.n)
            }
        }
        let report = Report(
            machine: .current(), build: .current(loaded), scenario: scenario,
            settings: [
                "model": loaded.modelPath, "repeats": "\(repeats)", "cases": "\(cases)", "nodes": "\(nodes)",
                "workload": files.directories.joined(separator: ","),
            ], results: results)
        if json { JSONOutput.write(report) } else { printTable(report) }
    }

    private func runEdits() async throws {
        let configuration = try engine.configuration()
        let bench = EditsBench(
            configuration: configuration, folder: SourceFile.absolutePath(repository),
            tokenBudget: contextTokens,
            repeats: repeats)
        let measured = scenario == "edits" ? try await bench.edits() : try await bench.restart()
        let report = Report(
            machine: .current(), build: .current(try configuration.load()), scenario: scenario,
            settings: [
                "repository": repository, "context_tokens": "\(contextTokens)", "repeats": "\(repeats)",
            ],
            results: measured.filter { !$0.values.isEmpty }.map {
                Self.summary($0.name, $0.values, unit: $0.unit)
            })
        if json { JSONOutput.write(report) } else { printTable(report) }
    }

    private func parsedDepths() throws(CommandError) -> [Int] {
        let values = depths.split(separator: ",").map { Int($0) }
        guard !values.isEmpty, values.allSatisfy({ $0 != nil && $0! >= 0 && $0! < 1 << 20 }) else {
            throw .usage(
                "--depths is '\(depths)'", fix: "write numbers of tokens with commas, such as 0,2048,8192")
        }
        return values.compactMap(\.self).sorted()
    }

    private func measure(_ engine: InferenceEngine, depth: Int) async -> [Result] {
        var prompt: [Double] = []
        var decode: [Double] = []
        for _ in 0...repeats {  // the first is the warm-up
            let times = await engine.measureSpeed(
                depth: depth, promptTokenCount: Self.promptTokenCount, decodeTokenCount: Self.decodeTokenCount
            )
            prompt.append(Double(Self.promptTokenCount) / (times.prompt / .seconds(1)))
            decode.append(Double(Self.decodeTokenCount) / (times.decode / .seconds(1)))
        }
        return [
            Self.summary("prompt_\(Self.promptTokenCount)@\(depth)", Array(prompt.dropFirst())),
            Self.summary("decode@\(depth)", Array(decode.dropFirst())),
        ]
    }

    /// From raising the flag in the middle of a prefill to the engine being free.
    private func measureCancellation(_ engine: InferenceEngine) async throws -> [Result] {
        let prompt = [TokenID](repeating: TokenID(1), count: min(4_096, engine.positionLimit - 2))
        var milliseconds: [Double] = []
        for round in 0..<20 * repeats {
            let flag = CancellationFlag()
            let request = GenerationRequest(
                prompt: [TokenID(Int32(round % 2))] + prompt.dropFirst(), maximumTokens: 1, sampling: .greedy,
                endTokens: [], cancellation: flag)
            let generation = Task { try await engine.generate(request) }
            try await Task.sleep(for: .milliseconds(5 + round % 13))
            let start = ContinuousClock.now
            flag.raise()
            guard try await generation.value.stopReason == .cancelled else { continue }
            milliseconds.append((ContinuousClock.now - start) / .milliseconds(1))
        }
        guard !milliseconds.isEmpty else { return [] }  // a machine that finished every prompt first
        let worst = milliseconds.sorted()[(milliseconds.count * 99 - 1) / 100]
        return [
            Self.summary("cancel_to_idle", milliseconds, unit: "ms"),
            Self.summary("cancel_to_idle_p99", [worst], unit: "ms"),
        ]
    }

    private func memory(_ engine: InferenceEngine) async -> [Result] {
        let bytes = await engine.memoryByteCounts()
        return [
            Self.summary("weights", [Double(bytes.weights) / 0x1p20], unit: "MiB"),
            Self.summary("keys_and_values", [Double(bytes.cache) / 0x1p20], unit: "MiB"),
        ]
    }

    private static func summary(
        _ name: String, _ values: [Double], unit: String = "tok/s"
    ) -> Result {
        let sorted = values.sorted()
        func percentile(_ p: Double) -> Double {
            let value = sorted[min(sorted.count - 1, Int((p * Double(sorted.count - 1)).rounded()))]
            return (value * 100).rounded() / 100
        }
        return Result(
            name: name, unit: unit, median: percentile(0.5), p5: percentile(0.05), p95: percentile(0.95),
            n: values.count)
    }

    private func printTable(_ report: Report) {
        var lines = [
            "\(report.machine.cpu), \(report.build.threads) threads, \(report.build.isa), load \(report.machine.load)"
        ]
        if !report.machine.openBLASVariables.isEmpty {
            lines.append(
                "environment: \(report.machine.openBLASVariables.joined(separator: " ")) → OpenBLAS core "
                    + report.machine.openBLASCore)
        }
        func column(_ text: String, _ width: Int) -> String {
            String(repeating: " ", count: max(0, width - text.count)) + text
        }
        let width = report.results.map(\.name.count).max() ?? 0
        lines.append(
            column("", width) + column("median", 10) + column("p5", 10) + column("p95", 10) + "  unit")
        for result in report.results {
            let name = result.name + String(repeating: " ", count: max(0, width - result.name.count))
            lines.append(
                name + column("\(result.median)", 10) + column("\(result.p5)", 10)
                    + column("\(result.p95)", 10)
                    + "  " + result.unit)
        }
        FileDescriptorOutput.write(lines.joined(separator: "\n") + "\n", to: 1)
    }
}
