// The promise everything else stands on: keys, values and logits of a row have the same bits however many rows were
// computed with it, on however many threads, and however the prompt was cut into passes.

import TestSupport
import Testing

@testable import SpecEngine

@Suite("Row independence of the model")
struct RowIndependenceTests {
    private static let prompt = GoldenCase.all["spm-file"]!.promptTokens.prefix(300).map { TokenID($0) }

    /// Logits of the last position and all keys and values, after prefilling in passes of the given sizes in turn.
    private func state(
        _ path: String = FixturePaths.defaultModel, prompt: [TokenID] = prompt, passSizes: [Int],
        threadCount: Int
    ) throws -> (logits: [Float], cache: [UInt8]) {
        let model = try ModelFixture.quantized(path, threadCount: threadCount, positionLimit: 512)
        return model.live { state(of: model, prompt: prompt, passSizes: passSizes) }
    }

    private func state(
        of model: TransformerModel, prompt: [TokenID], passSizes: [Int]
    ) -> (logits: [Float], cache: [UInt8]) {
        var position = 0
        var turn = 0
        while position < prompt.count {
            let end = min(position + passSizes[turn % passSizes.count], prompt.count)
            #expect(model.append(prompt[position..<end], logitRowCount: end == prompt.count ? 1 : 0))
            position = end
            turn += 1
        }
        model.cache.checkInvariants()
        var bytes: [UInt8] = []
        for block in 0..<(prompt.count + 127) / 128 {
            bytes += UnsafeBufferPointer(
                start: model.cache.blockTable[block], count: model.cache.blockByteCount)
        }
        return (Array(model.logits(row: 0)), bytes)
    }

    @Test("Prefill in one pass or in any split, on one thread or two, gives the same bits")
    func splitsAgree() throws {
        let whole = try state(passSizes: [128], threadCount: 2)
        for (sizes, threads) in [
            ([128], 1), ([1], 2), ([2], 2), ([3], 1), ([5], 2), ([8], 2), ([16], 2), ([33], 2), ([33], 1),
            ([1, 127, 5, 64, 2], 2),
        ] {
            let split = try state(passSizes: sizes, threadCount: threads)
            // Compared outside the macro, which would print megabytes.
            let same = (logits: split.logits == whole.logits, cache: split.cache == whole.cache)
            #expect(same.logits && same.cache, "passes of \(sizes), \(threads) threads: \(same)")
        }
    }

    @Test(
        "So does prefill with biases, without head norms, with neighbouring pairs",
        arguments: GoldenCase.architectureNames)
    func splitsAgreeOnArchitectures(name: String) throws {
        let prompt = GoldenCase.architectures[name]!.promptTokens.map { TokenID($0) }
        let path = ModelFixture.architecturePath(name)
        let whole = try state(path, prompt: prompt, passSizes: [128], threadCount: 2)
        for (sizes, threads) in [([128], 1), ([1], 2), ([5], 2), ([33], 1), ([1, 127, 5, 64, 2], 2)] {
            let split = try state(path, prompt: prompt, passSizes: sizes, threadCount: threads)
            let same = (logits: split.logits == whole.logits, cache: split.cache == whole.cache)
            #expect(same.logits && same.cache, "passes of \(sizes), \(threads) threads: \(same)")
        }
    }

    @Test("Logits of many rows in one pass equal those of one row at a time")
    func logitRowsAgree() throws {
        let model = try ModelFixture.quantized(positionLimit: 512)
        model.live { compareLogitRows(model) }
    }

    private func compareLogitRows(_ model: TransformerModel) {
        let start = 140
        #expect(model.append(Self.prompt[..<128], logitRowCount: 0))
        #expect(model.append(Self.prompt[128..<start], logitRowCount: 0))
        #expect(model.append(Self.prompt[start..<start + 33], logitRowCount: 33))
        let together = (0..<33).map { Array(model.logits(row: $0)) }
        model.truncate(to: start)
        for row in 0..<33 {
            #expect(model.append([Self.prompt[start + row]], logitRowCount: 1))
            let isSame = Array(model.logits(row: 0)) == together[row]
            #expect(isSame, "row \(row)")
        }
    }

    @Test("The float reference is row-independent too")
    func referenceRowsAgree() throws {
        let model = try ModelFixture.reference(positionLimit: 512)
        model.live { compareReferenceRows(model) }
    }

    private func compareReferenceRows(_ model: ReferenceModel) {
        #expect(model.append(Self.prompt[..<40], logitRowCount: 33))
        let together = (0..<33).map { Array(model.logits(row: $0)) }
        model.truncate(to: 7)
        for row in 0..<33 {
            #expect(model.append([Self.prompt[7 + row]], logitRowCount: 1))
            let isSame = Array(model.logits(row: 0)) == together[row]
            #expect(isSame, "row \(row)")
        }
    }
}
