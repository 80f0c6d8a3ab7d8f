// A server's streamed answer as it comes in: "data: {…}" lines, or one JSON object from a server that does not stream.

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Collects one answer.
package struct EndpointStream {
    /// A longer line is no event of a completion.
    static let maximumLineByteCount = 16 << 20

    package var answer = EndpointAnswer()
    /// What the server reported instead of an answer, as it came: not fit to be shown.
    package private(set) var failure: String?
    package private(set) var hasAnswer = false
    private var line: [UInt8] = []

    package init() {}

    package mutating func append(_ bytes: UnsafeRawBufferPointer) {
        for byte in bytes {
            if byte == 0x0A {
                take(line)
                line.removeAll(keepingCapacity: true)
            } else if line.count < Self.maximumLineByteCount {
                line.append(byte)
            } else {
                failure = "the server sent a line of more than \(Self.maximumLineByteCount >> 20) MiB"
            }
        }
    }

    /// A body without a line feed at its end.
    package mutating func end() {
        take(line)
        line.removeAll()
    }

    private mutating func take(_ line: [UInt8]) {
        var content = line[...]
        if content.starts(with: "data:".utf8) { content = content.dropFirst(5) }
        content = content.drop { $0 == 0x20 }
        guard content.first == UInt8(ascii: "{"),
            let event = try? JSONDecoder().decode(AnyJSON.self, from: Data(content))  // a comment or "[DONE]"
        else { return }
        if let error = event["error"] {
            failure = error["message"]?.string ?? error.string ?? "an error"
            return
        }
        if let choice = event["choices"]?.array?.first { take(choice: choice) }
        if let usage = event["usage"] {
            answer.promptTokens = usage["prompt_tokens"]?.number.flatMap { Int(exactly: $0) }
            answer.generatedTokens = usage["completion_tokens"]?.number.flatMap { Int(exactly: $0) }
            answer.reusedTokens =
                usage["prompt_tokens_details"]?["cached_tokens"]?.number.flatMap { Int(exactly: $0) }
                ?? answer.reusedTokens
        }
        // llama-server's own counts, also in answers that are cut short.
        if let timings = event["timings"], let read = timings["prompt_n"]?.number {
            let reused = timings["cache_n"]?.number
            answer.reusedTokens = reused.flatMap { Int(exactly: $0) } ?? answer.reusedTokens
            if let reused { answer.promptTokens = Int(exactly: read + reused) ?? answer.promptTokens }
        }
    }

    private mutating func take(choice: AnyJSON) {
        hasAnswer = true
        answer.text += Array((choice["text"]?.string ?? "").utf8)
        if let reason = choice["finish_reason"]?.string { answer.stopReason = reason }
        guard let probabilities = choice["logprobs"] else { return }
        for step in probabilities["content"]?.array ?? [] {
            if let id = step["id"]?.number.flatMap({ Int32(exactly: $0) }) { answer.tokens.append(id) }
            let others = (step["top_logprobs"]?.array ?? []).map { ($0["id"]?.number, $0["logprob"]?.number) }
            let own = step["id"]?.number
            note(step["logprob"]?.number, others: others.filter { $0.0 != own }.compactMap(\.1))
        }
        let values = probabilities["token_logprobs"]?.array ?? []
        let names = probabilities["tokens"]?.array ?? []
        let top = probabilities["top_logprobs"]?.array ?? []
        for (place, value) in values.enumerated() {
            var others: [Double] = []
            if place < top.count, case .object(let members) = top[place] {
                let own = place < names.count ? names[place].string : nil
                others = members.filter { $0.key != own }.values.compactMap(\.number)
            }
            note(value.number, others: others)
        }
    }

    private mutating func note(_ logProbability: Double?, others: [Double]) {
        guard let logProbability else { return }
        answer.logProbabilities.append(Float(logProbability))
        if let best = others.max() { answer.margins.append(Float(logProbability - best)) }
    }
}
