// Speculation changes how fast text comes, never the text: tokens, probabilities, the reason to stop, and the cache
// that is left behind equal plain decoding's, whatever is proposed. FORETOKEN_SOAK_CASES, FORETOKEN_SOAK_FIRST and
// FORETOKEN_SOAK_TOKENS make the run longer, resume it, and lengthen its prompts.

import Foundation
import TestSupport
import Testing

@testable import SpecEngine

@Suite("Losslessness of speculation", .serialized)
struct LosslessnessTests {
    private static func number(_ variable: String, _ standard: Int) -> Int {
        ProcessInfo.processInfo.environment[variable].flatMap(Int.init) ?? standard
    }

    /// All Swift and C sources of this checkout as tokens, one after the other.
    private static func corpus(_ tokenizer: Tokenizer) throws -> [TokenID] {
        let root = FixturePaths.checkoutRoot + "/Sources"
        let files = FileManager.default.enumerator(atPath: root)!.compactMap { $0 as? String }
            .filter { $0.hasSuffix(".swift") || $0.hasSuffix(".c") }.sorted()
        return try files.flatMap {
            tokenizer.encode(try FixturePaths.bytes(root + "/" + $0), parsingSpecialTokens: false)
        }
    }

    private enum Drafts: Int, CaseIterable {
        case random, corrupted, oracle, lookup, longSpecTree, longSpecChain, automatic
    }

    private final class Side {
        let model: TransformerModel
        var speculators: [Drafts: Speculator] = [:]

        init(threadCount: Int, positionLimit: Int) throws {
            model = try ModelFixture.quantized(threadCount: threadCount, positionLimit: positionLimit)
            let file = try GGUFFile.open(FixturePaths.modelsDirectory + "/foretoken-78m-longspec-q4_0.gguf")
            let draft = try LongSpecDraft(file: file, target: model, targetPath: FixturePaths.defaultModel)
            for drafts in Drafts.allCases {
                let options: SpeculationOptions
                var longSpec: LongSpecDraft?
                switch drafts {
                case .random, .corrupted, .oracle, .lookup: options = SpeculationOptions(mode: .lookup)
                case .longSpecTree:
                    options = SpeculationOptions(
                        mode: .longspec, nodeLimit: 20, fixedShape: .tree(nodeCount: 20))
                    longSpec = draft
                case .longSpecChain:
                    options = SpeculationOptions(
                        mode: .longspec, nodeLimit: 4, fixedShape: .chain(levelCount: 4))
                    longSpec = draft
                case .automatic:
                    options = SpeculationOptions(mode: .auto)
                    longSpec = draft
                }
                speculators[drafts] = Speculator(model: model, options: options, longSpec: longSpec)
            }
        }
    }

    @Test("Same tokens, probabilities and cache with and without speculation, whatever is proposed")
    func soak() throws {
        let first = Self.number("FORETOKEN_SOAK_FIRST", 0)
        let count = Self.number("FORETOKEN_SOAK_CASES", 60)
        let longest = Self.number("FORETOKEN_SOAK_TOKENS", 2_000)
        let tokenizer = try Tokenizer(try ModelFixture.file())
        let corpus = try Self.corpus(tokenizer)
        let plain = try ModelFixture.quantized(positionLimit: longest + 64)
        let sides = [
            try Side(threadCount: 2, positionLimit: longest + 64),
            try Side(threadCount: 1, positionLimit: longest + 64),
        ]
        var accepted: [Drafts: (Int, Int)] = [:]
        for index in first..<first + count {
            var random = SeededRandom(seed: UInt64(index) &* 7_919 &+ 5)
            let side = sides[index % 5 == 4 ? 1 : 0]
            let drafts = Drafts.allCases[index % Drafts.allCases.count]
            let length = min(longest, Int(10 * pow(Double(longest) / 10, Double(random.unitFloat()))))
            let start = Int.random(in: 0..<corpus.count - length, using: &random)
            let prompt = Array(corpus[start..<start + length])
            let sampling = try [
                SamplingParameters.greedy,
                SamplingParameters(temperature: 0.2, topP: 0.95, seed: UInt64(index)),
                SamplingParameters(temperature: 0.8, topP: 0.9, seed: UInt64(index)),
                SamplingParameters(temperature: 1, topP: 0.95, seed: UInt64(index)),
            ][Int.random(in: 0..<4, using: &random)]
            let request = GenerationRequest(
                prompt: prompt, maximumTokens: Int.random(in: 1...32, using: &random), sampling: sampling,
                endTokens: [], cancellation: CancellationFlag())
            let telemetry = compare(
                request, Pair(plain: plain, model: side.model, tokenizer: tokenizer), drafts: drafts,
                speculator: side.speculators[drafts]!, index: index, random: random)
            accepted[drafts, default: (0, 0)].0 += telemetry.accepted
            accepted[drafts, default: (0, 0)].1 += telemetry.rounds
            if count > 60 && (index - first) % 20 == 19 {
                print("soak: case \(index) done; go on from here with FORETOKEN_SOAK_FIRST=\(index + 1)")
                fflush(nil)
            }
        }
        for (drafts, sums) in accepted.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            print("soak: \(drafts) accepted \(sums.0) in \(sums.1) rounds")
            // A soak in which nothing is ever accepted would show nothing. What the policy decides to verify is little,
            // and the prompts change with every source file: in a few cases it may all be wrong.
            let leastCases = drafts == .lookup || drafts == .automatic ? 300 : 30
            #expect(sums.0 > 0 || count < leastCases, "\(drafts)")
        }
    }

    @Test("So do qwen2 and llama", arguments: GoldenCase.architectureNames)
    func architectures(name: String) throws {
        let path = ModelFixture.architecturePath(name)
        let pair = Pair(
            plain: try ModelFixture.quantized(path, positionLimit: 512),
            model: try ModelFixture.quantized(path, positionLimit: 512),
            // Tokens mean nothing to these models; any tokenizer that knows as many will do.
            tokenizer: try Tokenizer(try ModelFixture.file()))
        let prompt = GoldenCase.architectures[name]!.promptTokens.map { TokenID($0) }
        let speculator = Speculator(
            model: pair.model, options: SpeculationOptions(mode: .lookup), longSpec: nil)
        var accepted = 0
        for (index, drafts) in [Drafts.random, .corrupted, .oracle, .lookup, .corrupted].enumerated() {
            let request = GenerationRequest(
                prompt: Array(prompt.prefix(110 + 40 * index)), maximumTokens: 30,
                sampling: try SamplingParameters(temperature: index % 2 == 0 ? 0 : 0.8, seed: UInt64(index)),
                endTokens: [], cancellation: CancellationFlag())
            accepted +=
                compare(
                    request, pair, drafts: drafts, speculator: speculator, index: index,
                    random: SeededRandom(seed: UInt64(index))
                ).accepted
        }
        #expect(accepted > 0)
    }

    /// Two copies of one model, and a tokenizer for the text.
    private struct Pair {
        let plain: TransformerModel
        let model: TransformerModel
        let tokenizer: Tokenizer
    }

    /// Generates plainly on the one and speculatively on the other: everything that is left must be the same.
    private func compare(
        _ request: GenerationRequest, _ pair: Pair, drafts: Drafts, speculator: Speculator, index: Int,
        random: SeededRandom
    ) -> SpeculationTelemetry {
        let (plain, model, length) = (pair.plain, pair.model, request.prompt.count)
        let sampler = Sampler(
            request.sampling, vocabularySize: plain.configuration.vocabularySize, instructionSet: .best)
        plain.truncate(to: 0)
        let expected = plain.live {
            DecodeLoop(model: plain, tokenizer: pair.tokenizer, request: request, sampler: sampler).run()
        }
        speculator.proposer = Self.proposer(
            drafts, expected: expected.tokens, vocabularySize: model.configuration.vocabularySize, random: random)
        // Cold, warm from a part of the prompt, or with another sequence resident.
        if index % 3 == 0 { model.truncate(to: 0) }
        if index % 3 == 1 {
            model.truncate(to: 0)
            model.prefill(Array(request.prompt[..<max(1, length / 2)]), logitRowCount: 0)
        }
        let result = model.live {
            SpeculativeLoop(
                model: model, speculator: speculator, tokenizer: pair.tokenizer, request: request,
                sampler: sampler
            ).run()
        }
        model.cache.checkInvariants()
        let isSame = (
            tokens: result.tokens == expected.tokens && result.text == expected.text,
            probabilities: result.logProbabilities == expected.logProbabilities,
            ending: result.stopReason == expected.stopReason && model.tokens == plain.tokens,
            cache: model.committedRows(from: max(0, length - 20))
                == plain.committedRows(from: max(0, length - 20))
        )
        #expect(
            isSame.tokens && isSame.probabilities && isSame.ending && isSame.cache,
            "case \(index) (\(drafts), \(length) tokens): \(isSame)")
        return result.speculation!
    }

    /// Proposals of a test: random trees, or the plain output with every fourth token wrong and wrong siblings beside
    /// it, or the plain output itself.
    private static func proposer(
        _ drafts: Drafts, expected: [TokenID], vocabularySize: Int, random: SeededRandom
    ) -> ((inout TokenTree, Int) -> Void)? {
        var random = random
        switch drafts {
        case .random:
            return { tree, depthLimit in
                let size = Int.random(in: 1...40, using: &random)
                for _ in 1..<size {
                    let parent = Int.random(in: 0..<tree.count, using: &random)
                    guard tree.depths[parent] < depthLimit else { continue }
                    // Often a token that the text has, so that some are accepted.
                    let token = expected.randomElement(using: &random) ?? TokenID(1)
                    _ = tree.add(token, under: parent, source: .given)
                }
            }
        case .corrupted, .oracle:
            return { tree, depthLimit in
                // Where the root stands in the expected output follows from how much room is left.
                var position = expected.count - depthLimit - 2
                var node = 0
                for _ in 0..<min(depthLimit, 12) {
                    position += 1
                    guard position >= 0, position < expected.count else { return }
                    let isWrong = drafts == .corrupted && Int.random(in: 0..<4, using: &random) == 0
                    if drafts == .corrupted {
                        let other = TokenID(Int32.random(in: 0..<Int32(min(1_000, vocabularySize)), using: &random))
                        _ = tree.add(other, under: node, source: .given)
                    }
                    let token = isWrong ? TokenID(expected[position].rawValue ^ 1) : expected[position]
                    guard let next = tree.add(token, under: node, source: .given) else { return }
                    node = next
                }
            }
        case .lookup, .longSpecTree, .longSpecChain, .automatic:
            return nil
        }
    }

    @Test("Tokens drawn through trees have the target's distribution (chi-square, temperature 1)")
    func distribution() throws {
        // A random first-order chain over twelve tokens: the logits at a node follow from its token.
        let size = 12
        var random = SeededRandom(seed: 21)
        let table = (0..<size).map { _ in (0..<size).map { _ in 3 * random.unitFloat() } }
        var sampler = Sampler(
            try SamplingParameters(temperature: 1, seed: 22), vocabularySize: size, instructionSet: .best)
        var counts = [[Int]](repeating: [Int](repeating: 0, count: size), count: size)
        var pending = TokenID(0)
        for _ in 0..<20_000 {
            let tree = randomTree(root: pending, count: 10, vocabularySize: size, &random)
            var last = pending
            let outcome = Verifier.walk(tree) { node in
                let row = Int(tree.tokens[node].rawValue)
                let token = table[row].withUnsafeBufferPointer { sampler.sample(logits: $0).token }
                counts[row][Int(token.rawValue)] += 1
                last = token
                return token
            }
            #expect(outcome.next == last)
            pending = last
        }
        var statistic = 0.0
        for row in 0..<size {
            let total = Double(counts[row].reduce(0, +))
            let weights = table[row].map { exp(Double($0)) }
            let sum = weights.reduce(0, +)
            for token in 0..<size {
                let expected = total * weights[token] / sum
                statistic +=
                    (Double(counts[row][token]) - expected) * (Double(counts[row][token]) - expected)
                    / expected
            }
        }
        // 12 × 11 degrees of freedom: mean 132, standard deviation 16.2; the 99.9 % quantile is 188.
        print("chi-square over \(size * (size - 1)) degrees of freedom: \(statistic)")
        #expect(statistic < 188)
    }

    @Test(
        "Stop rules, end tokens, limits and cancellation end a speculative generation where they end a plain one"
    )
    func endings() throws {
        let tokenizer = try Tokenizer(try ModelFixture.file())
        let prompt = GoldenCase.all["python-plain"]!.promptTokens.map { TokenID($0) }
        let plain = try ModelFixture.quantized(positionLimit: prompt.count + 40)
        let side = try Side(threadCount: 2, positionLimit: prompt.count + 40)
        func run(_ change: (inout GenerationRequest) -> Void) -> (plain: Generation, speculative: Generation)
        {
            var request = GenerationRequest(
                prompt: prompt, maximumTokens: 30, sampling: .greedy, endTokens: [],
                cancellation: CancellationFlag())
            change(&request)
            let sampler = Sampler(
                .greedy, vocabularySize: plain.configuration.vocabularySize, instructionSet: .best)
            let expected = DecodeLoop(model: plain, tokenizer: tokenizer, request: request, sampler: sampler)
                .run()
            let speculator = side.speculators[.longSpecTree]!
            let result = SpeculativeLoop(
                model: side.model, speculator: speculator, tokenizer: tokenizer, request: request,
                sampler: sampler
            ).run()
            return (expected, result)
        }
        let free = run { _ in }
        #expect(free.speculative.tokens == free.plain.tokens && free.speculative.stopReason == .maximumTokens)
        #expect(free.speculative.speculation!.accepted > 0)
        for length in [1, 2, 3, 5, 9, 17, 40, 1_000] {
            let limited = run { $0.maximumTokens = length }
            #expect(limited.speculative.tokens == limited.plain.tokens)
            #expect(
                limited.speculative.stopReason == limited.plain.stopReason
                    && side.model.tokens == plain.tokens)
            let stopped = run { $0.shouldStop = { $0.count >= 4 * length } }
            #expect(stopped.speculative.tokens == stopped.plain.tokens)
            #expect(
                stopped.speculative.stopReason == stopped.plain.stopReason
                    && side.model.tokens == plain.tokens)
        }
        for end in free.plain.tokens.prefix(12) {
            let ended = run { $0.endTokens = [end] }
            #expect(
                ended.speculative.tokens == ended.plain.tokens && ended.speculative.stopReason == .endOfText)
            #expect(side.model.tokens == plain.tokens)
        }
        for byteCount in [1, 6, 15] {
            let cancelled = run { request in
                let flag = CancellationFlag()
                request.cancellation = flag
                request.shouldStop = { text in
                    if text.count >= byteCount { flag.raise() }
                    return false
                }
            }
            #expect(cancelled.speculative.stopReason == .cancelled)
            #expect(free.plain.tokens.starts(with: cancelled.speculative.tokens))
            side.model.cache.checkInvariants()
            #expect(run { _ in }.speculative.tokens == free.plain.tokens)
        }
    }
}
