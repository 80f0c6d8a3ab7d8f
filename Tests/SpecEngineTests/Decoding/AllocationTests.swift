// Between the first and the last token of a completion nothing is allocated: an allocation can meet a lock, a page
// fault or a system call, and its time is in no budget. Counted on every thread that computes.

import CAllocationCounter
import CSpecKernels
import Testing

@testable import SpecEngine

@Suite("Allocations while decoding", .serialized, .enabled(if: allocation_counter_is_available()))
struct AllocationTests {
    /// What the stop rule saw: it runs on the computing thread after each token.
    private final class Record: @unchecked Sendable {  // used on one thread
        private(set) var tokenCount = 0
        private(set) var first: UInt64 = 0
        private(set) var last: UInt64 = 0

        func note() {
            if tokenCount == 0 {
                allocation_counter_watch(true)
                first = allocation_counter_total()
            }
            tokenCount += 1
            last = allocation_counter_total()
        }
    }

    /// Watches the helpers of a team as well; within a live request.
    private func watch(_ isWatched: Bool, _ team: ThreadTeam) {
        var change = allocation_counter_team(
            thread_count: Int32(team.threadCount), arrived_count: 0, is_watched: isWatched)
        _ = spec_pool_run(team.pool, allocation_counter_watch_ticket, &change, UInt32(team.threadCount))
    }

    /// Allocations between the first and the last token, and how many tokens there were.
    private func decode(_ model: TransformerModel, _ sampling: SamplingParameters, promptCount: Int) throws
        -> (
            allocations: UInt64, tokens: Int
        )
    {
        let tokenizer = try DefaultModelTokenizer.tokenizer()
        let prompt = tokenizer.encode(
            Array(String(repeating: "    if count > 1 { return “naïve” }\n", count: 20).utf8),
            parsingSpecialTokens: false)
        let record = Record()
        let request = GenerationRequest(
            prompt: Array(prompt.prefix(promptCount)), maximumTokens: 48, sampling: sampling, endTokens: [],
            shouldStop: { _ in
                record.note()
                return false
            }, cancellation: CancellationFlag())
        let sampler = Sampler(
            sampling, vocabularySize: model.configuration.vocabularySize,
            instructionSet: model.team.instructionSet)
        model.live {
            watch(true, model.team)
            allocation_counter_watch(false)  // this thread, until the first token is there
            _ = DecodeLoop(model: model, tokenizer: tokenizer, request: request, sampler: sampler).run()
            watch(false, model.team)
        }
        return (record.last - record.first, record.tokenCount)
    }

    @Test("Plain decoding allocates nothing, across a block of the cache and with any sampling")
    func plainDecoding() throws {
        let model = try ModelFixture.quantized(positionLimit: 512)
        let truncated = try SamplingParameters(temperature: 0.8, topK: 40, topP: 0.9, seed: 3)
        let untruncated = try SamplingParameters(temperature: 1.5, seed: 5)
        for (sampling, promptCount) in [
            (SamplingParameters.greedy, 100), (truncated, 120), (untruncated, 90),
        ] {
            let (allocations, tokens) = try decode(model, sampling, promptCount: promptCount)
            #expect(tokens == 48)
            #expect(allocations == 0, "temperature \(sampling.temperature)")
        }
    }

    @Test("The counter sees an allocation on any thread of the team, so that its zeros mean something")
    func counterCounts() throws {
        let team = try ModelFixture.team(threadCount: 2)
        team.withLiveRequest(cancellation: nil) {
            watch(true, team)
            let before = allocation_counter_total()
            var threads: Int32 = 0
            _ = spec_pool_run(
                team.pool,
                { _, _ in UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 64).deallocate() },
                &threads, 8)
            let buffer = AlignedBuffer(byteCount: 1 << 16)
            watch(false, team)
            #expect(allocation_counter_total() - before >= 9)
            withExtendedLifetime(buffer) {}
        }
    }
}
