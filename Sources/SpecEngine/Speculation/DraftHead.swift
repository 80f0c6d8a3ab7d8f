// The part of the target's LM head that the draft layer computes. Which tokens it leaves out costs acceptance, never
// correctness: the target verifies. Not the draft layer itself (`LongSpecDraft`).

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
    /// Nil where nothing is left out, or where the file's rows are not kept (`TransformerWeights.headRowByteCount`).
    private let textMemory: TextMemory?

    /// Rows of the head as the file stores them, and the same packed.
    private struct TextMemory {
        let rowByteCount: Int
        let rows: AlignedBuffer
        let panels: AlignedBuffer
    }

    /// `tokenCount` is rounded up to whole panels of 16.
    init(weights: TransformerWeights, tokenCount: Int) {
        let vocabularySize = weights.configuration.vocabularySize
        let count = min((min(max(1, tokenCount), vocabularySize) + 15) / 16 * 16, vocabularySize)
        common = weights.head.firstOutputs(count)
        matrix = common
        self.weights = weights
        outputs = (0..<vocabularySize).map { $0 < count ? Int32($0) : -1 }
        textTokens.reserveCapacity(Self.textTokenLimit)
        if count < vocabularySize, let rowByteCount = weights.headRowByteCount {
            textMemory = TextMemory(
                rowByteCount: rowByteCount,
                rows: AlignedBuffer(byteCount: Self.textTokenLimit * rowByteCount),
                panels: AlignedBuffer(byteCount: common.packedByteCount(rowCount: Self.textTokenLimit)))
        } else {
            textMemory = nil
        }
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

    /// Takes in the rarer tokens of `text`, those near its end first. While all of them are there, as in typing on,
    /// nothing is packed.
    func follow(_ text: [TokenID]) {
        guard let textMemory else { return }
        var wanted: [TokenID] = []
        var seen: Set<TokenID> = []
        for token in text.reversed() where token.rawValue >= common.outputCount {
            guard wanted.count < Self.textTokenLimit else { break }
            if seen.insert(token).inserted { wanted.append(token) }
        }
        guard wanted.contains(where: { output(of: $0) == nil }) else { return }
        for token in textTokens { outputs[Int(token.rawValue)] = -1 }
        textTokens = wanted
        for (row, token) in wanted.enumerated() {
            weights.copyHeadRow(of: token, to: textMemory.rows.base + row * textMemory.rowByteCount)
            outputs[Int(token.rawValue)] = Int32(common.outputCount + row)
        }
        matrix = common.followed(
            by: textMemory.rows.pointer(to: UInt8.self), rowCount: wanted.count,
            packedInto: textMemory.panels)
    }
}
