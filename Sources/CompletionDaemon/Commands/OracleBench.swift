// `bench --scenario oracle`: decoding with a draft of known quality. The draft is the plain output itself with some
// tokens made wrong, so many that a pass of the target gives the paper's mean accepted length. Works with any weights,
// random ones too: it measures what verification costs on a model of this shape.

import SpecEngine

struct OracleBench {
    let engine: InferenceEngine
    let pairCount: Int
    let maximumTokens: Int

    /// LongSpec's τ on RepoBench-P with LongChat-13B (arXiv 2502.17421, table 1).
    static let meanAcceptedLength = 4.46
    static let boundRowCounts = 1...32
    private static let measuredRowCounts = [1, 2, 4, 6, 8, 12, 16, 32]
    /// Nodes of the chain: with the root they fill one tile, or two, of the linear kernels.
    private static let chainLengths = [7, 15]

    /// Tokens per second plainly and with the oracle, interleaved, behind a prompt of `depth` tokens.
    func measure(depth: Int) async throws -> [BenchResult] {
        var random = SeededGenerator(seed: 446)
        let size = Double(engine.configuration.vocabularySize)
        let prompt = (0..<depth).map { _ in TokenID(Int32(random.uniform() * size)) }
        let expected = try await plain(prompt).tokens
        var results: [BenchResult] = []
        for length in Self.chainLengths {
            let probability = Self.rightProbability(chainLength: length)
            var rates = (plain: [Double](), oracle: [Double]())
            var (emitted, rounds) = (0, 0)
            for pair in 0...pairCount {
                let draft = Self.corrupted(expected, rightProbability: probability, seed: UInt64(pair))
                let without = try await plain(prompt)
                let with = try await engine.generate(request(prompt)) { done in
                    Array(draft[min(done, draft.count)...].prefix(length))
                }
                guard with.tokens == expected, without.tokens == expected else {
                    throw CommandError.file(
                        "the oracle's text differs from plain decoding's",
                        fix: "this is a fault in foretoken: please report it")
                }
                guard pair > 0, let telemetry = with.speculation else { continue }  // the first warms up
                rates.plain.append(rate(without))
                rates.oracle.append(rate(with))
                emitted += telemetry.emitted
                rounds += telemetry.rounds
            }
            let name = "oracle_chain_of_\(length)"
            results += [
                BenchResult("plain@\(depth)", rates.plain, unit: "tok/s"),
                BenchResult("\(name)@\(depth)", rates.oracle, unit: "tok/s"),
                BenchResult(
                    "\(name)_speedup@\(depth)", zip(rates.oracle, rates.plain).map { $0 / $1 }, unit: "x"),
                BenchResult(
                    "\(name)_tau@\(depth)", [Double(emitted) / Double(max(1, rounds))], unit: "tokens/pass"),
            ]
        }
        return results
    }

    /// What a draft that costs nothing gives at best behind `depth` positions: always right, and right as often as τ
    /// says with the fewest rows that allow it.
    func bound(depth: Int) async -> [BenchResult] {
        guard let costs = await engine.passCosts(rowCounts: Self.measuredRowCounts, depth: depth, repeats: 3)
        else {
            return []
        }
        let one = costs.passSeconds(rows: 1)
        let perfect = costs.bound(maximumRows: Self.boundRowCounts.upperBound)
        let fewest = Int(Self.meanAcceptedLength.rounded(.up))
        let atTau = Self.meanAcceptedLength * one / costs.passSeconds(rows: fewest)
        return [
            BenchResult("pass_of_1_row@\(depth)", [1e3 * one], unit: "ms"),
            BenchResult("pass_of_8_rows@\(depth)", [1e3 * costs.passSeconds(rows: 8)], unit: "ms"),
            BenchResult("bound_perfect_acceptance@\(depth)", [perfect], unit: "x"),
            BenchResult("bound_at_tau@\(depth)", [atTau], unit: "x"),
        ]
    }

    private func plain(_ prompt: [TokenID]) async throws -> Generation {
        try await engine.generate(request(prompt))
    }

    private func request(_ prompt: [TokenID]) throws -> GenerationRequest {
        if InterruptFlag.isRaised { throw InterruptFlag.error }
        return GenerationRequest(
            prompt: prompt, maximumTokens: maximumTokens, sampling: .greedy, endTokens: [],
            cancellation: CancellationFlag())
    }

    private func rate(_ generation: Generation) -> Double {
        Double(max(1, generation.tokens.count - 1)) / (generation.decodeTime / .seconds(1))
    }

    /// The q for which 1 + q + q² + … (`chainLength` terms after the 1) is τ.
    static func rightProbability(chainLength: Int) -> Double {
        var (low, high) = (0.0, 1.0)
        for _ in 0..<60 {
            let middle = (low + high) / 2
            var (length, term) = (1.0, 1.0)
            for _ in 0..<chainLength {
                term *= middle
                length += term
            }
            if length < meanAcceptedLength { low = middle } else { high = middle }
        }
        return high
    }

    /// The text with some tokens replaced by others of the vocabulary.
    static func corrupted(_ tokens: [TokenID], rightProbability: Double, seed: UInt64) -> [TokenID] {
        var random = SeededGenerator(seed: seed)
        return tokens.map {
            random.uniform() < rightProbability ? $0 : TokenID($0.rawValue == 0 ? 1 : $0.rawValue - 1)
        }
    }
}
