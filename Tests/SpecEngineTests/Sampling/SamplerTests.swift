// The sampler against an obvious twin in double precision, its distribution, and its determinism.

import Foundation
import TestSupport
import Testing

@testable import SpecEngine

@Suite("Sampler")
struct SamplerTests {
    /// Kept tokens with their renormalised probabilities, by sorting everything.
    private func twin(_ logits: [Float], _ p: SamplingParameters) -> [Int: Double] {
        let order = logits.indices.sorted { logits[$0] > logits[$1] || logits[$0] == logits[$1] && $0 < $1 }
        let weights = order.map { exp(Double(logits[$0] - logits[order[0]]) / Double(p.temperature)) }
        let total = weights.reduce(0, +)
        var kept: [(Int, Double)] = []
        var sum = 0.0
        for (place, index) in order.enumerated() {
            if p.topK > 0 && place >= p.topK || sum >= Double(p.topP) * total && p.topP < 1 { break }
            if place > 0 && weights[place] < Double(p.minP) { break }
            kept.append((index, weights[place]))
            sum += weights[place]
        }
        return Dictionary(uniqueKeysWithValues: kept.map { ($0.0, $0.1 / sum) })
    }

    private func sample(_ sampler: inout Sampler, _ logits: [Float]) -> SampledToken {
        logits.withUnsafeBufferPointer { sampler.sample(logits: $0) }
    }

    @Test("Draws follow the truncated distribution (chi-square, twelve settings)")
    func distribution() throws {
        var random = SeededRandom(seed: 40)
        let logits = random.floats(12, scale: 3)
        for (temperature, topK, topP, minP) in [
            (1, 0, 1, 0), (0.5, 0, 1, 0), (2, 0, 1, 0), (1, 1, 1, 0), (1, 4, 1, 0), (1, 0, 0.9, 0),
            (1, 0, 0.3, 0),
            (0.8, 6, 0.95, 0), (1, 0, 1, 0.1), (1.5, 5, 0.8, 0.05), (1, 12, 1, 0), (1, 0, 0.999, 0),
        ] as [(Float, Int, Float, Float)] {
            let parameters = try SamplingParameters(
                temperature: temperature, topK: topK, topP: topP, minP: minP, seed: 99)
            let expected = twin(logits, parameters)
            var sampler = Sampler(parameters, vocabularySize: logits.count, instructionSet: .best)
            var counts: [Int: Int] = [:]
            let draws = 20_000
            for _ in 0..<draws { counts[Int(sample(&sampler, logits).token.rawValue), default: 0] += 1 }
            #expect(Set(counts.keys).isSubset(of: Set(expected.keys)), "\(parameters)")
            var statistic = 0.0
            for (index, probability) in expected {
                let mean = probability * Double(draws)
                statistic += pow(Double(counts[index] ?? 0) - mean, 2) / mean
            }
            // 99.99th percentile of chi-square with 11 degrees of freedom is 37.4; fewer degrees lie below.
            #expect(statistic < 37.4, "\(parameters): chi-square \(statistic)")
        }
    }

    @Test("Greedy takes the first of the greatest; the log-probability is that of temperature 1")
    func greedy() {
        var sampler = Sampler(.greedy, vocabularySize: 4, instructionSet: .best)
        let result = sample(&sampler, [1, 3, .nan, 3])
        #expect(result.token == TokenID(1))
        let expected = 3 - log(exp(1.0) + 2 * exp(3.0))
        #expect(abs(Double(result.logProbability) - expected) < 1e-5)
    }

    @Test("One seed gives one sequence, another seed another")
    func determinism() throws {
        var random = SeededRandom(seed: 41)
        let logits = random.floats(1_000, scale: 2)
        func draw(seed: UInt64) throws -> [TokenID] {
            var sampler = Sampler(
                try SamplingParameters(temperature: 1, topP: 0.95, seed: seed), vocabularySize: 1_000,
                instructionSet: .best)
            return (0..<50).map { _ in sample(&sampler, logits).token }
        }
        #expect(try draw(seed: 1) == draw(seed: 1))
        #expect(try draw(seed: 1) != draw(seed: 2))
    }

    @Test("Settings out of range are refused with a reason")
    func refusals() {
        #expect(throws: SamplingParameters.Invalid.self) { try SamplingParameters(temperature: -1) }
        #expect(throws: SamplingParameters.Invalid.self) { try SamplingParameters(temperature: .nan) }
        #expect(throws: SamplingParameters.Invalid.self) { try SamplingParameters(temperature: 1, topP: 0) }
        #expect(throws: SamplingParameters.Invalid.self) { try SamplingParameters(temperature: 1, topK: -1) }
        #expect(throws: SamplingParameters.Invalid.self) { try SamplingParameters(temperature: 1, minP: 1) }
    }
}
