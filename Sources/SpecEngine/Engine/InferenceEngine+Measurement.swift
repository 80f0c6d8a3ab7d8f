// What `foretoken bench` asks of an engine: the time of passes behind a given depth, decoding against reading as many
// bytes, and what memory is for. The passes are the ones that serve; only sampling and text are left out.

import CSpecKernels

/// What is timed, with its count of tokens.
package enum TimedWork: Sendable, Hashable {
    /// Reading tokens as a prompt, with logits for the last one.
    case prompt(Int)
    /// Passes of one token each, with logits.
    case decode(Int)
    /// One pass of tokens in a row with logits for each, as verifying drafted ones takes.
    case rows(Int)

    package var tokenCount: Int {
        switch self {
        case .prompt(let count), .decode(let count), .rows(let count): count
        }
    }
}

/// Bytes in memory whose purpose the engine knows.
package struct EngineMemory: Sendable {
    package let weights: Int
    package let keysAndValues: Int
    /// Bytes of weights that one token reads.
    package let weightsPerPass: Int
}

extension InferenceEngine {
    /// A pass of a few rows is shorter than what waking the threads may take: that many are timed together.
    private static let passesPerTiming = 8

    /// Seconds for `work` on `tokens[depth...]`, behind the tokens before; those are read first, untimed, unless they
    /// are resident. For `.rows` the mean of a few passes. Leaves the first `depth` tokens resident.
    package func seconds(for work: TimedWork, of tokens: [TokenID], behind depth: Int) -> Double {
        let model = languageModel
        let end = depth + work.tokenCount
        precondition(end <= tokens.count && end <= model.positionLimit)
        return team.withLiveRequest(cancellation: nil) {
            model.reserve(upTo: end)
            makeResident(tokens[..<depth], in: model)
            let time: Duration
            switch work {
            case .prompt:
                time = ContinuousClock().measure { Self.read(tokens[depth..<end], into: model) }
            case .decode:
                time = ContinuousClock().measure {
                    for position in depth..<end {
                        _ = model.append(tokens[position...position], logitRowCount: 1)
                    }
                }
            case .rows(let count):
                time =
                    ContinuousClock().measure {
                        for _ in 0..<Self.passesPerTiming {
                            model.truncate(to: depth)
                            _ = model.append(tokens[depth..<end], logitRowCount: count)
                        }
                    } / Self.passesPerTiming
            }
            model.truncate(to: depth)
            return time / .seconds(1)
        }
    }

    /// Seconds per token of decoding `tokens` from the start, and of reading a buffer as large as the weights that a
    /// token needs, in turn `rounds` times: memory's speed is then that of the same moment. Empty for the reference.
    package func secondsOfDecodingAndStreaming(
        _ tokens: [TokenID], rounds: Int
    ) -> [(decode: Double, stream: Double)] {
        let byteCount = memory().weightsPerPass
        guard byteCount > 0, !tokens.isEmpty else { return [] }
        let buffer = AlignedBuffer(byteCount: byteCount)
        // Pages that were never written are all the same page of zeros, which fits into a cache.
        buffer.pointer(to: UInt8.self).update(repeating: 1, count: buffer.byteCount)
        return (0..<rounds).map { _ in
            let decode = seconds(for: .decode(tokens.count), of: tokens, behind: 0)
            let stream = team.withLiveRequest(cancellation: nil) {
                ContinuousClock().measure {
                    for _ in tokens {
                        _ = spec_stream_read(team.pool, buffer.pointer(to: UInt8.self), byteCount)
                    }
                }
            }
            return (decode / Double(tokens.count), stream / .seconds(1) / Double(tokens.count))
        }
    }

    /// Zero for the reference, which counts nothing.
    package func memory() -> EngineMemory {
        guard let model = languageModel as? TransformerModel else {
            return EngineMemory(weights: 0, keysAndValues: 0, weightsPerPass: 0)
        }
        return EngineMemory(
            weights: model.weightByteCount, keysAndValues: model.cache.byteCount,
            weightsPerPass: model.weights.byteCountPerPass)
    }

    /// Bytes that one more position of the sequence takes.
    package func keyValueByteCountPerPosition() -> Double {
        switch model {
        case .quantized(let model): Double(model.cache.blockByteCount) / Double(KVCache.blockPositions)
        case .reference(let model):
            Double(model.configuration.layerCount * model.configuration.kvHeadCount * 2)
                * Double(model.configuration.headDimension * MemoryLayout<Float>.stride)
        }
    }

    private func makeResident(_ tokens: ArraySlice<TokenID>, in model: any LanguageModel) {
        model.truncate(to: commonPrefixLength(model.tokens, Array(tokens)))
        Self.read(tokens[model.tokens.count...], into: model)
    }

    /// Appends any number of tokens in passes of the greatest size; logits for the last.
    private static func read(_ tokens: ArraySlice<TokenID>, into model: any LanguageModel) {
        var rest = tokens
        while !rest.isEmpty {
            let rows = rest.prefix(EngineLimits.rowsPerPass)
            rest = rest.dropFirst(rows.count)
            _ = model.append(rows, logitRowCount: rest.isEmpty ? 1 : 0)
        }
    }
}
