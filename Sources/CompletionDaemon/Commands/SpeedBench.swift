// `foretoken bench --scenario speed`: the curves of one engine by depth (reading, writing, verifying), decoding against
// what memory alone would allow, memory, and how fast a request is dropped. At each depth one round warms up, then all
// kinds of work take turns, so that a change of the machine's speed meets all of them.

import SpecEngine

struct SpeedBench {
    let engine: InferenceEngine
    /// At least the deepest depth and a prompt of them.
    let tokens: [TokenID]
    let depths: [Int]
    let repeats: Int

    static let promptTokenCount = 512
    static let decodeTokenCount = 64
    /// Rows of a verifying pass: the token that is certain and what was guessed behind it.
    static let rowCounts = [1, 2, 4, 8, 16]

    func run() async throws -> [BenchResult] {
        var results: [BenchResult] = []
        for depth in depths { results += await curve(at: depth) }
        results += try await cancellation()
        results += await memory()  // while the cache is full to the deepest depth
        results += await bandwidth()
        return results + (await engine.compareLinearLayers(repeats: repeats).flatMap(Self.results))
    }

    private func curve(at depth: Int) async -> [BenchResult] {
        let kinds: [TimedWork] =
            [.prompt(Self.promptTokenCount), .decode(Self.decodeTokenCount)]
            + Self.rowCounts.map { .rows($0) }
        var seconds = [[Double]](repeating: [], count: kinds.count)
        for round in 0...repeats {
            for (index, kind) in kinds.enumerated() {
                let time = await engine.seconds(for: kind, of: tokens, behind: depth)
                if round > 0 { seconds[index].append(time) }
            }
        }
        func rates(_ index: Int) -> [Double] { seconds[index].map { Double(kinds[index].tokenCount) / $0 } }
        let oneRow = seconds[2]
        let ratios = (3..<kinds.count).map { index in
            // Each is held against the pass of one row in the same round.
            BenchResult(
                "pass_ratio_\(kinds[index].tokenCount)@\(depth)", zip(seconds[index], oneRow).map { $0 / $1 },
                unit: "x")
        }
        return [
            BenchResult("prompt_\(Self.promptTokenCount)@\(depth)", rates(0), unit: "tok/s"),
            BenchResult("decode@\(depth)", rates(1), unit: "tok/s"),
            BenchResult("pass_1@\(depth)", oneRow.map { $0 * 1e3 }, unit: "ms"),
        ] + ratios
    }

    /// Decoding from nothing against reading a buffer of the weights' size, in turn.
    private func bandwidth() async -> [BenchResult] {
        let prompt = Array(tokens.prefix(Self.decodeTokenCount))
        // The first round warms up.
        let rounds = await engine.secondsOfDecodingAndStreaming(prompt, rounds: repeats + 1).dropFirst()
        guard !rounds.isEmpty else { return [] }
        let gigabytes = Double(await engine.memory().weightsPerPass) / 1e9
        return [
            BenchResult("decode_weights", rounds.map { gigabytes / $0.decode }, unit: "GB/s"),
            BenchResult("stream", rounds.map { gigabytes / $0.stream }, unit: "GB/s"),
            BenchResult("decode_to_stream", rounds.map { 100 * $0.stream / $0.decode }, unit: "%"),
        ]
    }

    private func memory() async -> [BenchResult] {
        let memory = await engine.memory()
        func mebibytes(_ name: String, _ bytes: Int) -> BenchResult {
            BenchResult(name, [Double(bytes) / 0x1p20], unit: "MiB")
        }
        let known = [
            mebibytes("weights", memory.weights), mebibytes("weights_per_token", memory.weightsPerPass),
            mebibytes("keys_and_values", memory.keysAndValues),
        ]
        guard let resident = ResidentMemory.current(), memory.weights > 0 else { return known }
        return known + [
            mebibytes("resident", resident),
            mebibytes("resident_beyond", resident - memory.weights - memory.keysAndValues),
        ]
    }

    /// From raising the flag in the middle of a prefill to the engine being free.
    private func cancellation() async throws -> [BenchResult] {
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
            BenchResult("cancel_to_idle", milliseconds, unit: "ms"),
            BenchResult("cancel_to_idle_p99", [worst], unit: "ms"),
        ]
    }

    private static func results(_ comparison: LinearComparison) -> [BenchResult] {
        let name = "linear_\(comparison.rows)x\(comparison.inputs)x\(comparison.outputs)"
        func rates(_ seconds: [Double]) -> [Double] { seconds.map { comparison.operations / $0 / 1e9 } }
        return [
            BenchResult("\(name)_own", rates(comparison.ownSeconds), unit: "GFLOP/s"),
            BenchResult("\(name)_openblas", rates(comparison.openBLASSeconds), unit: "GFLOP/s"),
        ]
    }
}

// MARK: - For people

extension SpeedBench {
    /// Depths beside each other: what fits into 80 columns.
    private static let depthsPerBlock = 5
    private static let labelWidth = 18
    private static let cellWidth = 12

    /// The report as a table of at most 80 columns.
    static func table(_ report: BenchReport, depths: [Int], model: String) -> [String] {
        let byName = Dictionary(report.results.map { ($0.name, $0) }) { first, _ in first }
        var lines = report.heading
        let repeats = report.results.first?.n ?? 0
        lines.append("\(model); medians of \(repeats), ± half of what lies between p5 and p95")
        for first in stride(from: 0, to: depths.count, by: depthsPerBlock) {
            let block = depths[first..<min(first + depthsPerBlock, depths.count)]
            lines += [""] + curves(byName, depths: block)
        }
        return lines + [""] + footer(byName) + linearLines(report.results)
    }

    private static func curves(_ byName: [String: BenchResult], depths: ArraySlice<Int>) -> [String] {
        func line(_ label: String, _ cells: [String]) -> String {
            label + "".padded(to: labelWidth - label.count) + cells.map { $0.padded(to: cellWidth) }.joined()
        }
        func row(_ label: String, _ name: String) -> String {
            line(label, depths.map { byName["\(name)@\($0)"]?.cell ?? "" })
        }
        return [
            line("behind tokens", depths.map { "\($0)" }),
            row("read \(promptTokenCount), tok/s", "prompt_\(promptTokenCount)"),
            row("write, tok/s", "decode"),
            row("pass of 1 row, ms", "pass_1"),
        ] + rowCounts.dropFirst().map { row("  \($0) rows, times 1", "pass_ratio_\($0)") }
    }

    private static func footer(_ byName: [String: BenchResult]) -> [String] {
        func value(_ name: String) -> String { byName[name].map { BenchResult.short($0.median) } ?? "?" }
        var lines: [String] = []
        if let ratio = byName["decode_to_stream"] {
            lines.append(
                "bandwidth  weights \(value("decode_weights")) GB/s while writing, memory \(value("stream")) GB/s: "
                    + ratio.cell.replacing(" ", with: "% "))
        }
        if byName["resident"] != nil {
            lines.append(
                "memory     resident \(value("resident")) MiB = weights \(value("weights")) + keys and values "
                    + "\(value("keys_and_values")) + rest \(value("resident_beyond"))")
        }
        if byName["cancel_to_idle"] != nil {
            lines.append(
                "cancel     idle again after \(value("cancel_to_idle")) ms, p99 \(value("cancel_to_idle_p99")) ms"
            )
        }
        return lines
    }

    private static func linearLines(_ results: [BenchResult]) -> [String] {
        let linear = results.filter { $0.name.hasPrefix("linear_") }
        guard !linear.isEmpty else { return [] }
        return ["", "rows x inputs x outputs of float weights        own    OpenBLAS  GFLOP/s"]
            + stride(from: 0, to: linear.count - 1, by: 2).map { index in
                let shape = linear[index].name.dropFirst("linear_".count).dropLast("_own".count)
                return shape + "".padded(to: 36 - shape.count)
                    + linear[index].cell.padded(to: 14) + linear[index + 1].cell.padded(to: 12)
            }
    }
}
