// `foretoken bench --scenario speculation`: completions at real places in real files, decoded plainly and with
// each kind of speculation in turn on the same engine. Reports tokens per second, tokens per pass of the target
// (τ), where the time goes and what each source's proposals were worth. Texts must agree, or the command fails.

import RepoContext
import SpecEngine

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
#if canImport(Glibc)
    import Glibc
#endif

/// The workload: files below some directories, cut into prompts of given sizes with a hole at a seeded place.
struct SpeculationWorkload {
    struct Case {
        let name: String
        let prompt: [TokenID]
    }

    let directories: [String]
    let tokenizer: Tokenizer

    private static let extensions = [".swift", ".py", ".c", ".h", ".ts", ".js", ".go", ".rs"]
    private static let suffixByteCount = 1_500

    /// `count` cases of about `tokenCount` prompt tokens; the same for the same files.
    func cases(count: Int, tokenCount: Int) throws -> [Case] {
        var cases: [Case] = []
        let sets = directories.map { files(below: $0) }.filter { $0.count > 3 }
        guard !sets.isEmpty else {
            throw CommandError.usage(
                "there are no source files below \(directories)", fix: "name others with --workload")
        }
        var random = SeededGenerator(seed: 5)
        func pick(_ bound: Int) -> Int { Int(random.uniform() * Double(bound)) }
        while cases.count < count {
            let files = sets[cases.count % sets.count]
            let target = pick(files.count)
            let text = try SourceFile.read(files[target])
            let lines = text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            guard lines.count > 30 else { continue }
            let line = 15 + pick(lines.count - 20)
            guard lines[line].count > 12 else { continue }
            let column = lines[line].count / 3 + pick(lines[line].count / 3)
            let cursor = lines[..<line].reduce(0) { $0 + $1.count + 1 } + column
            let others = (1..<files.count).map { files[(target + $0) % files.count] }
            cases.append(
                Case(
                    name: "\(files[target]):\(line + 1):\(column + 1)",
                    prompt: try prompt(
                        path: files[target], text: text, cursor: cursor, others: others,
                        tokenCount: tokenCount)))
        }
        return cases
    }

    private func files(below directory: String) -> [String] {
        // A directory that cannot be read has no files; the caller says so.
        let names = (try? FileManager.default.subpathsOfDirectory(atPath: directory)) ?? []
        return names.filter { name in
            Self.extensions.contains { name.hasSuffix($0) } && !name.contains(".build/")
                && !name.hasPrefix(".")
        }.sorted().map { directory + "/" + $0 }.filter { path in
            var status = stat()
            return stat(path, &status) == 0 && (800...60_000).contains(status.st_size)
        }
    }

    /// Other files, then the file with its suffix first: the order that the shipped model was trained on.
    private func prompt(
        path: String, text: [UInt8], cursor: Int, others: [String], tokenCount: Int
    ) throws -> [TokenID] {
        let special = tokenizer.specialTokens
        func plain(_ bytes: [UInt8]) -> [TokenID] { tokenizer.encode(bytes, parsingSpecialTokens: false) }
        func marked(_ text: String) -> [TokenID] {
            tokenizer.encode(Array(text.utf8), parsingSpecialTokens: true)
        }
        guard special.supportsFillInTheMiddle else {
            throw CommandError.usage("this model cannot fill holes", fix: "choose another one with --model")
        }
        let current =
            marked("<|file_sep|>\(path)\n<|fim_suffix|>")
            + plain(Array(text[cursor...].prefix(Self.suffixByteCount))) + marked("<|fim_prefix|>")
            + plain(Array(text[..<cursor].suffix(6_000))) + marked("<|fim_middle|>")
        var context: [TokenID] = []
        for other in others where context.count + current.count < tokenCount {
            context += marked("<|file_sep|>\(other)\n") + plain(try SourceFile.readBytes(other))
        }
        return Array((context.prefix(max(0, tokenCount - current.count)) + current).suffix(tokenCount))
    }
}

/// Runs the workload.
struct SpeculationBench {
    struct Kind {
        let name: String
        let options: SpeculationOptions?
    }

    struct Result: Encodable {
        let name: String
        let unit: String
        let median: Double
        let p5: Double
        let p95: Double
        let n: Int
    }

    let kinds: [Kind]
    let repeats: Int
    let maximumTokens: Int

    private struct Run {
        var tokensPerSecond: [Double] = []  // one per case: the median of its repeats
        var ratios: [Double] = []  // to plain, the median of interleaved pairs, one per case
        var telemetry = SpeculationTelemetry()
    }

    /// All cases of one prompt size. Kinds alternate within every repeat, so that a change of the machine's speed
    /// meets all of them.
    func run(
        _ cases: [SpeculationWorkload.Case], engine: InferenceEngine, label: String
    ) async throws -> [Result] {
        var runs = [Run](repeating: Run(), count: kinds.count)
        for each in cases {
            var rates = [[Double]](repeating: [], count: kinds.count)
            var expected: [TokenID]?
            for repetition in 0...repeats {
                // The order rotates: no kind is always first after another.
                for place in kinds.indices {
                    let index = (place + repetition) % kinds.count
                    let generation = try await generate(each.prompt, kind: index, engine: engine)
                    if let expected, expected != generation.tokens {
                        throw CommandError.file(
                            "\(each.name): \(kinds[index].name) gives other tokens than plain decoding",
                            fix: "this is a fault in foretoken: please report it")
                    }
                    expected = generation.tokens
                    guard repetition > 0, generation.tokens.count > 1 else { continue }  // the first warms up
                    rates[index].append(
                        Double(generation.tokens.count - 1) / (generation.decodeTime / .seconds(1)))
                    if let telemetry = generation.speculation { runs[index].telemetry.add(telemetry) }
                }
            }
            guard let plain = rates.first, !plain.isEmpty else { continue }
            for index in kinds.indices {
                runs[index].tokensPerSecond.append(Self.percentile(rates[index], 0.5))
                runs[index].ratios.append(Self.percentile(zip(rates[index], plain).map { $0 / $1 }, 0.5))
            }
        }
        return zip(kinds, runs).flatMap { results($0, $1, label: label) }
            + (await costs(engine, depth: cases.first?.prompt.count ?? 0, label: label))
    }

    /// The cost curve as the last kind believes it to be: what a pass of some rows and a level of the draft cost
    /// relative to a pass of one row.
    private func costs(_ engine: InferenceEngine, depth: Int, label: String) async -> [Result] {
        let rowCounts = [1, 2, 3, 4, 6, 8, 12, 16]
        guard kinds.count > 1,
            let costs = await engine.believedCosts(
                alternative: kinds.count - 2, rowCounts: rowCounts, depth: depth)
        else { return [] }
        func result(_ name: String, _ unit: String, _ value: Double) -> Result {
            let value = Self.rounded(value)
            return Result(name: "\(name)@\(label)", unit: unit, median: value, p5: value, p95: value, n: 1)
        }
        return [result("pass_of_1_row", "ms", costs.passes[0] * 1e3)]
            + zip(rowCounts, costs.passes).dropFirst().map {
                result("pass_of_\($0)_rows", "x", $1 / costs.passes[0])
            } + [result("draft_level", "x", costs.draftLevel / costs.passes[0])]
    }

    private func generate(
        _ prompt: [TokenID], kind: Int, engine: InferenceEngine
    ) async throws -> Generation {
        let request = GenerationRequest(
            prompt: prompt, maximumTokens: maximumTokens, sampling: .greedy,
            endTokens: engine.tokenizer.specialTokens.endOfText,
            cancellation: CancellationFlag())
        return kind == 0
            ? try await engine.generate(request) : try await engine.generate(request, alternative: kind - 1)
    }

    private func results(_ kind: Kind, _ run: Run, label: String) -> [Result] {
        func summary(_ what: String, _ unit: String, _ values: [Double]) -> Result {
            Result(
                name: "\(kind.name)_\(what)@\(label)", unit: unit,
                median: Self.rounded(Self.percentile(values, 0.5)),
                p5: Self.rounded(Self.percentile(values, 0.05)),
                p95: Self.rounded(Self.percentile(values, 0.95)),
                n: values.count)
        }
        func single(_ what: String, _ unit: String, _ value: Double) -> Result {
            summary(what, unit, [value])
        }
        var results = [summary("rate", "tok/s", run.tokensPerSecond)]
        guard kind.options != nil else { return results }
        let telemetry = run.telemetry
        let logarithms = run.ratios.map { log($0) }
        let mean = logarithms.isEmpty ? 0 : logarithms.reduce(0, +) / Double(logarithms.count)
        results += [
            summary("speedup", "x", run.ratios), single("speedup_geometric_mean", "x", exp(mean)),
            single("tau", "tokens/pass", telemetry.meanAcceptedLength),
            single("nodes_per_round", "nodes", Double(telemetry.drafted) / Double(max(1, telemetry.rounds))),
        ]
        let parts = [
            ("draft", telemetry.draftTime), ("target", telemetry.targetTime),
            ("verification", telemetry.verificationTime),
        ]
        let total = parts.reduce(0.0) { $0 + $1.1 / .seconds(1) }
        for (name, time) in parts where total > 0 {
            results.append(single("share_\(name)", "%", 100 * (time / .seconds(1)) / total))
        }
        for source in DraftSource.allCases where telemetry[source].drafted > 0 {
            results.append(single("drafted_\(source.name)", "nodes", Double(telemetry[source].drafted)))
            results.append(single("accepted_\(source.name)", "nodes", Double(telemetry[source].accepted)))
        }
        for depth in 0..<8 where telemetry.draftedByDepth[depth] > 0 {
            results.append(
                single(
                    "accepted_at_depth_\(depth + 1)", "%",
                    100 * Double(telemetry.acceptedByDepth[depth]) / Double(telemetry.draftedByDepth[depth])))
        }
        return results
    }

    private static func percentile(_ values: [Double], _ p: Double) -> Double {
        let sorted = values.sorted()
        return sorted.isEmpty
            ? 0 : sorted[min(sorted.count - 1, Int((p * Double(sorted.count - 1)).rounded()))]
    }

    private static func rounded(_ value: Double) -> Double { (value * 1_000).rounded() / 1_000 }
}
