// The part of the target's LM head that the draft layer computes. Which tokens it leaves out costs acceptance, never
// correctness: the target verifies. Not the draft layer itself (`LongSpecDraft`).

import CSpecKernels

#if canImport(Glibc)
    import Glibc
#endif

/// Outputs for the vocabulary's first tokens, which byte-pair encodings learn in the order of their frequency, and
/// behind them for those rarer tokens that the text at hand contains: names recur where they were written before.
/// All memory is allocated once. Engine thread only.
final class DraftHead {
    /// Rarer tokens of one text, at most: an eighth of what the frequent ones cost.
    static let textTokenLimit = 1_024

    /// Its outputs, in the order of `tokens(of:)`.
    private(set) var matrix: PackedMatrix
    private let common: PackedMatrix
    private let weights: TransformerWeights
    /// The token of each output behind the common ones.
    private var textTokens: [TokenID] = []
    /// By token: its output, or −1.
    private var outputs: [Int32]
    /// Rows of the head as the file stores them, and the same packed; nil where nothing is left out or the file's rows
    /// are not at hand.
    private let textMemory: (rows: AlignedBuffer, panels: AlignedBuffer)?

    /// `tokenCount` is rounded up to whole panels of 16.
    init(weights: TransformerWeights, tokenCount: Int) {
        let vocabularySize = weights.configuration.vocabularySize
        let count = min((min(max(1, tokenCount), vocabularySize) + 15) / 16 * 16, vocabularySize)
        common = weights.head.firstOutputs(count)
        matrix = common
        self.weights = weights
        outputs = (0..<vocabularySize).map { $0 < count ? Int32($0) : -1 }
        textTokens.reserveCapacity(Self.textTokenLimit)
        textMemory =
            count < vocabularySize && weights.headRowByteCount != nil
            ? (
                AlignedBuffer(byteCount: Self.textTokenLimit * (weights.headRowByteCount ?? 0)),
                AlignedBuffer(byteCount: common.packedByteCount(rowCount: Self.textTokenLimit))
            ) : nil
    }

    /// Outputs at most.
    var capacity: Int { common.outputCount + (textMemory == nil ? 0 : Self.textTokenLimit) }
    /// Bytes of its own, whatever the text.
    var byteCount: Int {
        outputs.count * MemoryLayout<Int32>.stride
            + (textMemory.map { $0.rows.byteCount + $0.panels.byteCount } ?? 0)
    }

    func token(ofOutput output: Int) -> TokenID {
        output < common.outputCount ? TokenID(Int32(output)) : textTokens[output - common.outputCount]
    }

    /// Nil for a token that is left out.
    func output(of token: TokenID) -> Int? {
        let output = outputs[Int(token.rawValue)]
        return output < 0 ? nil : Int(output)
    }

    /// Takes in the rarer tokens of `text`, those near its end first. Nothing happens while all of them are there:
    /// typing on costs one look at every token.
    func follow(_ text: [TokenID]) {
        guard let textMemory, text.contains(where: { output(of: $0) == nil }) else { return }
        for token in textTokens { outputs[Int(token.rawValue)] = -1 }
        textTokens.removeAll(keepingCapacity: true)
        for token in text.reversed() where output(of: token) == nil {
            guard textTokens.count < Self.textTokenLimit else { break }
            weights.copyHeadRow(
                of: token, to: textMemory.rows.base + textTokens.count * (weights.headRowByteCount ?? 0))
            outputs[Int(token.rawValue)] = Int32(common.outputCount + textTokens.count)
            textTokens.append(token)
        }
        matrix = common.followed(
            by: textMemory.rows.pointer(to: UInt8.self), rowCount: textTokens.count,
            packedInto: textMemory.panels)
    }
}
