// The cache of sequences against naive token arrays: whatever is done to it, every position of the working sequence
// holds what was computed for exactly those tokens. No model runs here; a row's contents are a hash of its tokens.

import TestSupport
import Testing

@testable import SpecEngine

@Suite("Prefix cache")
struct PrefixCacheTests {
    /// A cache whose rows are filled by hand.
    private struct Naive {
        let cache: KVCache
        /// Every prompt that was ever read to its end.
        var prompts: [[TokenID]] = []

        init(capacity: Int = 2_048) throws {
            cache = KVCache(
                configuration: try TinyModel(headDimension: 16).configuration(), capacity: capacity)
        }

        private func hash(_ tokens: ArraySlice<TokenID>) -> UInt64 {
            tokens.reduce(7) { ($0 ^ UInt64(UInt32(bitPattern: $1.rawValue))) &* 0x1_0000_01B3 &+ 1 }
        }

        private func row(_ position: Int) -> UnsafeMutablePointer<UInt64> {
            UnsafeMutableRawPointer(cache.blockTable[position / 128]).assumingMemoryBound(to: UInt64.self)
                + position % 128
        }

        /// As a prefill and a generation do.
        mutating func read(_ prompt: [TokenID], generating generated: [TokenID]) -> Int {
            let reused = cache.resume(prompt)
            append(prompt[reused...])
            append(generated[...])
            prompts.append(prompt)
            return reused
        }

        private func append(_ tokens: ArraySlice<TokenID>) {
            guard !tokens.isEmpty else { return }
            let round = KVRound(on: cache, rowCount: tokens.count)
            let whole = cache.tokens + tokens
            for position in round.base..<whole.count { row(position).pointee = hash(whole[...position]) }
            round.commit(tokens)
        }

        var isRight: Bool {
            cache.tokens.indices.allSatisfy { row($0).pointee == hash(cache.tokens[...$0]) }
        }

        /// The least that must be reused while nothing was dropped: of whatever was stored, all but short ends.
        func expected(_ prompt: [TokenID]) -> Int {
            min(prompts.map { commonPrefixLength($0, prompt) }.max() ?? 0, prompt.count - 1)
        }
    }

    @Test("Random work on many sequences agrees with naive arrays", arguments: UInt64(1)...12)
    func randomWork(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var naive = try Naive()
        let context = (0..<300).map { _ in TokenID(Int32(random.below(50))) }
        var files = (0..<5).map { _ in
            context + (0..<random.below(400)).map { _ in TokenID(Int32(random.below(50))) }
        }
        var isWhole = true
        for _ in 0..<80 {
            let file = random.below(files.count)
            switch random.below(10) {
            case 0..<5: files[file] += (0..<1 + random.below(6)).map { _ in TokenID(Int32(random.below(50))) }
            case 5: files[file].removeLast(min(files[file].count - 1, random.below(200)))
            case 6: files[file][random.below(files[file].count)] = TokenID(Int32(50 + random.below(50)))
            case 7:
                naive.cache.prefixes.byteLimit = random.below(20) * naive.cache.blockByteCount
                naive.cache.makeRoom()
                isWhole = false
            case 8 where seed.isMultiple(of: 3):
                let kept = naive.prompts.filter { _ in random.below(2) == 0 }.map { prompt in
                    Array(prompt.prefix(random.below(2 * prompt.count)))
                }
                let prefixes = naive.cache.prefixes
                let before = kept.map { prefixes.longestPrefix(of: $0) }
                prefixes.retain(kept + [naive.cache.tokens]) { _ in false }
                let isKept = zip(kept, before).allSatisfy {
                    prefixes.longestPrefix(of: $0) > $1 - KVCache.leastStoredTokenCount
                }
                #expect(isKept, "seed \(seed)")
                isWhole = false
            default: break
            }
            let expected = naive.expected(files[file])
            let reused = naive.read(files[file], generating: Array(files[file].prefix(random.below(30))))
            naive.cache.checkInvariants()
            let isRight = naive.isRight
            #expect(isRight, "seed \(seed)")
            #expect(reused <= expected && reused < files[file].count, "seed \(seed)")
            if isWhole { #expect(reused > expected - KVCache.leastStoredTokenCount, "seed \(seed)") }
        }
    }

    @Test("The budget holds whatever is read, and what many sequences share is dropped last")
    func budget() throws {
        var naive = try Naive()
        naive.cache.prefixes.byteLimit = 12 * naive.cache.blockByteCount
        let context = (0..<512).map { TokenID(Int32($0)) }
        for file in Int32(0)..<20 {
            _ = naive.read(context + (0..<300).map { TokenID(1_000 * (file + 1) + $0) }, generating: [])
            let byteCount = naive.cache.byteCount
            #expect(byteCount <= 12 * naive.cache.blockByteCount)
            naive.cache.checkInvariants()
        }
        let first = naive.cache.prefixes.longestPrefix(of: context + [TokenID(1_000)])
        #expect(first == 512)
    }

    @Test("What is not wanted goes, once nobody has used it since the last time, and nothing of what is wanted")
    func retains() throws {
        var naive = try Naive()
        let context = (0..<300).map { TokenID(Int32($0)) }
        let files = (1...3).map { file in context + (0..<200).map { TokenID(Int32(1_000 * file) + $0) } }
        for file in files { _ = naive.read(file, generating: []) }
        naive.cache.store()
        let prefixes = naive.cache.prefixes
        func lengths() -> [Int] { files.map { prefixes.longestPrefix(of: $0) } }
        func retain(_ sequences: [[TokenID]]) {
            prefixes.retain(sequences) { _ in false }
            naive.cache.checkInvariants()
        }
        let before = prefixes.byteCount
        retain([files[1]])
        #expect(lengths() == [500, 500, 500] && prefixes.byteCount == before, "who used them may want them")
        prefixes.touch(files[0][...])
        // Of 500 tokens two whole blocks of context are shared, and a part of the third one.
        retain([files[1]])
        #expect(lengths() == [500, 500, 300] && prefixes.byteCount == before - 2 * naive.cache.blockByteCount)
        retain([files[1]])
        #expect(lengths() == [300, 500, 300])
        // As far as it is wanted, by blocks: for a few tokens none is kept, but of one's own end.
        retain([Array(files[1][..<390])])
        #expect(lengths() == [300, 500, 300])
        retain([files[1][..<390] + [TokenID(9_000)]])
        #expect(lengths() == [300, 384, 300])
        retain([])
        #expect(prefixes.byteCount == 0 && prefixes.nodeCount == 0)
    }

    @Test("Where a wanted sequence has parted from one that goes, no block of that stays behind")
    func retainsUpToTheFork() throws {
        var naive = try Naive()
        let context = (0..<300).map { TokenID(Int32($0)) }
        let own = (0..<200).map { TokenID(1_000 + $0) }
        // Parts in the third block, then in the last.
        for (shared, left) in [(300, 4), (480, 5)] {
            _ = naive.read(context + own, generating: [])
            let edited = Array((context + own)[..<shared]) + (0..<150).map { TokenID(5_000 + $0) }
            _ = naive.read(edited, generating: [])
            naive.cache.store()
            for _ in 0..<2 { naive.cache.prefixes.retain([edited]) { _ in false } }
            let nodeCount = naive.cache.prefixes.nodeCount
            #expect(nodeCount == left)
            naive.cache.checkInvariants()
            let isRight = naive.isRight
            #expect(isRight)
        }
    }

    @Test("Coming back to a file costs less than a sixteenth of a block; typing in place stores nothing")
    func switching() throws {
        var naive = try Naive()
        let context = (0..<500).map { TokenID(Int32($0)) }
        let (a, b) = (
            context + (0..<400).map { TokenID(2_000 + $0) }, context + (0..<400).map { TokenID(3_000 + $0) }
        )
        _ = naive.read(a, generating: a)
        #expect(naive.read(b, generating: []) == 500)
        #expect(naive.read(a + [TokenID(1)], generating: []) == 900)
        #expect(naive.read(b, generating: []) == 899)
        let nodes = naive.cache.prefixes.nodeCount
        for length in 1...20 {
            _ = naive.read(b + (0..<Int32(length)).map { TokenID(4_000 + $0) }, generating: a)
        }
        #expect(naive.cache.prefixes.nodeCount <= nodes)
    }
}
