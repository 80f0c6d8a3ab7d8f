// From logits to a token. Greedy takes no random number; sampling takes exactly one per token, in the order in which
// tokens are emitted, so a seed gives the same text with and without speculation.

import CSpecKernels

/// A token and how probable the model held it.
package struct SampledToken: Sendable {
    package let token: TokenID
    /// Natural logarithm of its probability at temperature 1, before any truncation.
    package let logProbability: Float
}

/// Chooses tokens for one generation. Allocates nothing after it is made.
struct Sampler {
    private let parameters: SamplingParameters
    private let instructionSet: InstructionSet
    private var generator: SeededGenerator
    private var weights: [Float]  // [vocabulary], unnormalised probabilities
    private var heap: [Int32]  // [vocabulary], for truncated sampling

    init(_ parameters: SamplingParameters, vocabularySize: Int, instructionSet: InstructionSet) {
        self.parameters = parameters
        self.instructionSet = instructionSet
        generator = SeededGenerator(seed: parameters.seed)
        let isGreedy = parameters.temperature == 0
        weights = [Float](repeating: 0, count: isGreedy ? 0 : vocabularySize)
        heap = [Int32](repeating: 0, count: isGreedy || !parameters.truncates ? 0 : vocabularySize)
    }

    /// The next token. NaN logits are never chosen, unless there is nothing else (then token 0 is).
    mutating func sample(logits: UnsafeBufferPointer<Float>) -> SampledToken {
        let best = Int(spec_argmax(instructionSet.raw, logits.baseAddress!, Int32(logits.count)))
        let choice = parameters.temperature == 0 ? best : draw(logits, best: best)
        let total = spec_log_sum_exp(
            instructionSet.raw, logits.baseAddress!, Int32(logits.count), logits[best])
        return SampledToken(token: TokenID(Int32(choice)), logProbability: logits[choice] - total)
    }

    /// The token's logit minus the greatest other one.
    static func margin(of token: TokenID, in logits: UnsafeBufferPointer<Float>) -> Float {
        let place = Int(token.rawValue)
        var other = -Float.infinity
        for index in logits.indices where index != place && logits[index] > other { other = logits[index] }
        return logits[place] - other
    }

    private mutating func draw(_ logits: UnsafeBufferPointer<Float>, best: Int) -> Int {
        let inverse = 1 / parameters.temperature
        let greatest = logits[best]
        for index in logits.indices {
            let scaled = (logits[index] - greatest) * inverse
            weights[index] = scaled.isNaN ? -.infinity : scaled
        }
        weights.withUnsafeMutableBufferPointer {
            spec_exp(instructionSet.raw, $0.baseAddress!, $0.baseAddress!, Int32($0.count))
        }
        let uniform = generator.uniform()
        guard greatest.isFinite else { return best }  // a model that overflowed has no distribution to draw from
        return parameters.truncates ? drawTruncated(uniform) : drawFromAll(uniform)
    }

    private func drawFromAll(_ uniform: Double) -> Int {
        var total = 0.0
        for weight in weights { total += Double(weight) }
        var remaining = uniform * total
        var last = 0
        for index in weights.indices where weights[index] > 0 {
            last = index
            remaining -= Double(weights[index])
            if remaining < 0 { return index }
        }
        return last  // rounding left a crumb
    }

    /// Takes tokens in descending order (lowest id first among equals) until a limit is met, then draws among them.
    private mutating func drawTruncated(_ uniform: Double) -> Int {
        var total = 0.0
        for index in weights.indices {
            total += Double(weights[index])
            heap[index] = Int32(index)
        }
        var size = heap.count
        for parent in stride(from: size / 2 - 1, through: 0, by: -1) { siftDown(parent, size) }
        let most = parameters.topK == 0 ? heap.count : min(parameters.topK, heap.count)
        let enough = parameters.topP < 1 ? Double(parameters.topP) * total : .infinity
        let least = parameters.minP * weights[Int(heap[0])]
        var kept = 0.0
        var count = 0
        while count < most && size > 0 && kept < enough {
            let weight = weights[Int(heap[0])]
            if count > 0 && (weight < least || weight == 0) { break }
            kept += Double(weight)
            count += 1
            size -= 1
            heap.swapAt(0, size)  // taken tokens gather at the end, the first one last
            siftDown(0, size)
        }
        var remaining = uniform * kept
        for place in 0..<count {
            let index = Int(heap[heap.count - 1 - place])
            remaining -= Double(weights[index])
            if remaining < 0 { return index }
        }
        return Int(heap[heap.count - count])
    }

    private func precedes(_ a: Int32, _ b: Int32) -> Bool {
        let (first, second) = (weights[Int(a)], weights[Int(b)])
        return first != second ? first > second : a < b
    }

    private mutating func siftDown(_ start: Int, _ size: Int) {
        var parent = start
        while true {
            var child = 2 * parent + 1
            guard child < size else { return }
            if child + 1 < size, precedes(heap[child + 1], heap[child]) { child += 1 }
            guard precedes(heap[child], heap[parent]) else { return }
            heap.swapAt(child, parent)
            parent = child
        }
    }
}

extension SamplingParameters {
    /// Whether some tokens are excluded from the draw.
    fileprivate var truncates: Bool { topK > 0 || topP < 1 || minP > 0 }
}
