// The scenarios of `bench` that are about speculation: the fixed workload, and a draft of known quality.

import ArgumentParser
import SpecEngine

/// Options of the two scenarios.
struct SpeculationBenchArguments: ParsableArguments {
    @Option(
        help: ArgumentHelp("speculation: source trees that Benchmarks/fetch.sh made.", valueName: "directory")
    )
    var workload = ".build/benchmarks"

    @Option(help: ArgumentHelp("speculation: list of cursor positions.", valueName: "path"))
    var cursors = "Benchmarks/cursors/speculation.json"

    @Option(
        help: ArgumentHelp(
            "speculation: completions per prompt size: how many, or which ones, as 11-20.", valueName: "n|a-b"))
    var cases = CaseRange(1...50)

    @Option(help: ArgumentHelp("speculation, oracle: interleaved repetitions of every case.", valueName: "n"))
    var pairs = 9

    @Flag(help: "speculation: policy off; every round verifies --speculation-nodes nodes, whatever it costs.")
    var fixedShapes = false

    @Option(
        help: ArgumentHelp(
            "speculation: tokens of the vocabulary's beginning in the draft's head; the text's rarer ones come on top.",
            valueName: "n"))
    var draftHead = SpeculationOptions.standardDraftHeadTokenCount

    @Flag(
        help: """
            speculation: write on past the end token, so that every completion has the same length and none is too \
            short to show what the draft can do.
            """)
    var pastEnd = false

    @Option(
        help: ArgumentHelp(
            "speculation: append each finished case here, and go on with what is missing.", valueName: "path")
    )
    var caseFile: String?

    func check() throws(CommandError) {
        guard (1...1_000).contains(pairs) else {
            throw .usage("--pairs is \(pairs)", fix: "choose between 1 and 1000")
        }
        guard draftHead >= 1 else {
            throw .usage("--draft-head is \(draftHead)", fix: "choose at least 1")
        }
    }
}

/// `--cases`: the first ones of the workload, or some in its middle, so that several machines can share the work.
struct CaseRange: ExpressibleByArgument, Equatable {
    /// From 1.
    let numbers: ClosedRange<Int>

    private static let limits = 1...1_000

    init(_ numbers: ClosedRange<Int>) { self.numbers = numbers }

    init?(argument: String) {
        let bounds = argument.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
        guard let last = bounds.last ?? nil, bounds.count <= 2,
            let first = bounds.count == 1 ? 1 : bounds[0],
            Self.limits.contains(first), Self.limits.contains(last), first <= last
        else { return nil }
        numbers = first...last
    }

    var defaultValueDescription: String { description }
}

extension CaseRange: CustomStringConvertible {
    var description: String {
        numbers.lowerBound == 1
            ? "\(numbers.upperBound)" : "\(numbers.lowerBound)-\(numbers.upperBound)"
    }
}

extension BenchCommand {
    /// Plain decoding, then every source of drafts alone and all together, on the same engine.
    func runSpeculation(promptSizes: [Int]) async throws {
        let arguments = speculationBench
        try arguments.check()
        let nodes = engine.speculationNodes
        let names: [(String, SpeculationMode)] = [
            ("longspec", .longspec), ("lookup", .lookup), ("all", .auto),
        ]
        var configuration = try engine.configuration()
        configuration.speculation = .off
        configuration.speculationAlternatives = names.map { options($0.1, nodes: nodes) }
        var fullHead = options(.longspec, nodes: nodes)
        fullHead.draftHeadTokenCount = .max
        configuration.speculationAlternatives.append(fullHead)
        let loaded = try configuration.load(fillsHoles: true)
        let settings = try speculationSettings(loaded, nodes: nodes)
        var file = try SpeculationCaseFile(path: arguments.caseFile, settings: settings)
        var workload = try SpeculationWorkload(
            cursorPath: arguments.cursors, directory: arguments.workload, tokenizer: loaded.tokenizer)
        let kinds =
            [SpeculationBench.plain]
            + names.indices.map {
                SpeculationBench.Kind(
                    name: names[$0].0, alternative: $0,
                    isRecorded: names[$0].1 != .lookup && !arguments.fixedShapes)
            }
        let bench = SpeculationBench(
            engine: loaded, kinds: kinds, fullHeadAlternative: names.count, pairCount: arguments.pairs,
            maximumTokens: CompletionPipeline.defaultMaximumTokens, stopsAtEnd: !arguments.pastEnd,
            settings: settings, isQuiet: false)
        var results: [BenchResult] = []
        if let time = await loaded.calibrationTime(alternative: names.count - 1) {
            results.append(BenchResult("calibration", [time / .milliseconds(1)], unit: "ms"))
        }
        for size in promptSizes {
            let cases = try workload.cases(arguments.cases.numbers, tokenCount: size)
            try await bench.run(cases, file: &file)
            let wanted = Set(cases.map(\.name))
            results +=
                SpeculationSummary(
                    records: file.records.filter { $0.promptTokenCount == size && wanted.contains($0.name) },
                    kindNames: names.map(\.0), label: "\(size)"
                ).results
        }
        show(
            BenchReport(
                machine: .current(), build: .current(loaded), scenario: scenario,
                settings: [
                    "model": loaded.modelPath, "pairs": "\(arguments.pairs)", "cases": "\(arguments.cases)",
                    "nodes": "\(nodes)", "cursors": arguments.cursors,
                    "policy": arguments.fixedShapes ? "off" : "on",
                    "draft_head": "\(arguments.draftHead)", "end_token": arguments.pastEnd ? "ignored" : "stops",
                ], results: results))
    }

    /// All that a case's figures depend on: files by their contents, this program included.
    private func speculationSettings(_ loaded: InferenceEngine, nodes: Int) throws -> String {
        let arguments = speculationBench
        let draft = engine.draft ?? DraftLocator.draft(besideModel: loaded.modelPath)
        func checksum(_ path: String?) throws -> String {
            try path.map { String(try FileChecksum.sha256($0).prefix(16)) } ?? "none"
        }
        return [
            "program \(try checksum("/proc/self/exe"))", "model \(try checksum(loaded.modelPath))",
            "draft \(try checksum(draft))", "cursors \(try checksum(arguments.cursors))",
            "nodes \(nodes)", "fixed \(arguments.fixedShapes)", "pairs \(arguments.pairs)",
            "tokens \(CompletionPipeline.defaultMaximumTokens)", "shapes \(ShapeSearch.shapes.count)",
            "threads \(loaded.threadCount)", "\(loaded.instructionSet)", "head \(arguments.draftHead)",
            "past end \(arguments.pastEnd)",
        ].joined(separator: " ")
    }

    private func options(_ mode: SpeculationMode, nodes: Int) -> SpeculationOptions {
        var options = SpeculationOptions(mode: mode, nodeLimit: nodes, draftPath: engine.draft)
        options.usesLastCompletion = false
        options.draftHeadTokenCount = speculationBench.draftHead
        if speculationBench.fixedShapes { options.fixedShape = .tree(nodeCount: nodes) }
        return options
    }

    /// Plain decoding against a chain that is right with a probability which makes τ the paper's: what speculation is
    /// worth on a model of this shape, whatever its weights say. Behind the further depths only the bound is computed.
    func runOracle(depths: [Int]) async throws {
        try speculationBench.check()
        var configuration = try engine.configuration()
        configuration.speculation = .off
        let loaded = try configuration.load(fillsHoles: false)
        let bench = OracleBench(
            engine: loaded, pairCount: speculationBench.pairs,
            maximumTokens: CompletionPipeline.defaultMaximumTokens)
        guard let first = depths.first, first + bench.maximumTokens < loaded.positionLimit else {
            throw CommandError.usage(
                "--depths has no depth that fits into the model's \(loaded.positionLimit) positions",
                fix: "choose smaller ones")
        }
        var results = try await bench.measure(depth: first)
        for depth in depths where depth + OracleBench.boundRowCounts.upperBound <= loaded.positionLimit {
            results += await bench.bound(depth: depth)
        }
        show(
            BenchReport(
                machine: .current(), build: .current(loaded), scenario: scenario,
                settings: [
                    "model": loaded.modelPath, "pairs": "\(speculationBench.pairs)",
                    "tau": "\(OracleBench.meanAcceptedLength)",
                ], results: results))
    }
}
