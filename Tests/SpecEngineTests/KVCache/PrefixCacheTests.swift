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
                let forgotten = naive.prompts.randomElement(using: &random) ?? []
                naive.cache.prefixes.forget(
                    forgotten, keeping: random.below(2) * random.below(forgotten.count + 1),
                    working: naive.cache.tokens)
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

    @Test("A forgotten sequence leaves what others need, and what was used last")
    func forgets() throws {
        var naive = try Naive()
        let context = (0..<300).map { TokenID(Int32($0)) }
        let files = (1...3).map { file in context + (0..<200).map { TokenID(Int32(1_000 * file) + $0) } }
        for file in files { _ = naive.read(file, generating: []) }
        naive.cache.store()
        let prefixes = naive.cache.prefixes
        let before = prefixes.byteCount
        prefixes.forget(files[0])
        // Of 500 tokens two whole blocks of context are shared.
        #expect(prefixes.longestPrefix(of: files[0]) == 300)
        #expect(prefixes.byteCount == before - 2 * naive.cache.blockByteCount)
        // The beginning of another one; used last.
        prefixes.forget(Array(files[1].dropLast(10)))
        prefixes.forget(files[2], working: naive.cache.tokens)
        #expect(prefixes.longestPrefix(of: files[1]) == 500 && prefixes.longestPrefix(of: files[2]) == 500)
        // What is needed of it stays.
        prefixes.forget(files[1], keeping: 400)
        #expect(prefixes.longestPrefix(of: files[1]) == 400)
        prefixes.forget(files[1], keeping: 384)
        #expect(prefixes.longestPrefix(of: files[1]) == 384)
        naive.cache.checkInvariants()
    }

    @Test("Where the working sequence has just parted from a forgotten one, no block of that stays behind")
    func forgetsUpToTheFork() throws {
        var naive = try Naive()
        let context = (0..<300).map { TokenID(Int32($0)) }
        let own = (0..<200).map { TokenID(1_000 + $0) }
        _ = naive.read(context + own, generating: [])
        // Parts in the third block, then in the last.
        for (shared, left) in [(300, 2), (480, 3)] {
            let edited = Array((context + own)[..<shared]) + (0..<150).map { TokenID(5_000 + $0) }
            _ = naive.read(edited, generating: [])
            naive.cache.prefixes.forget(context + own, working: naive.cache.tokens)
            let nodeCount = naive.cache.prefixes.nodeCount
            #expect(nodeCount == left)
            naive.cache.checkInvariants()
            let isRight = naive.isRight
            #expect(isRight)
            _ = naive.read(context + own, generating: [])
            naive.cache.prefixes.forget(edited, working: naive.cache.tokens)
        }
    }

    @Test("What is left of a forgotten sequence goes with the one that it was left for")
    func forgetsWhatWasLeft() throws {
        var naive = try Naive()
        let prefixes = naive.cache.prefixes
        let prompt = (0..<300).map { TokenID(Int32($0)) }
        // What a suggestion would lead to ends in the same block; so does a prompt that parts before the end.
        let longer = prompt + (2_000..<2_040).map { TokenID($0) }
        for other in [longer, Array(prompt.dropLast(5)) + [TokenID(3_000)]] {
            _ = naive.read(prompt, generating: [])
            _ = naive.read(other, generating: [])
            naive.cache.store()
            _ = naive.read([TokenID(9_000)], generating: [])
            prefixes.forget(other, keeping: commonPrefixLength(prompt, other))
            #expect(prefixes.longestPrefix(of: prompt) >= 295)
            naive.cache.checkInvariants()
            prefixes.forget(prompt)
            #expect(prefixes.longestPrefix(of: prompt) == 0)
            naive.cache.checkInvariants()
        }
    }

    @Test("A sequence that is not stored to its end is forgotten like others")
    func forgetsBeginnings() throws {
        var naive = try Naive()
        let first = (0..<300).map { TokenID(Int32($0)) }
        _ = naive.read(first, generating: [])
        // Typed on, and then elsewhere: the short end is not stored.
        _ = naive.read(first + [TokenID(3_000)], generating: [])
        let other = (0..<200).map { TokenID(5_000 + $0) }
        _ = naive.read(other, generating: [])
        naive.cache.store()
        let prefixes = naive.cache.prefixes
        let typed = first + (0..<10).map { TokenID(2_000 + $0) }
        prefixes.forget(typed)
        #expect(prefixes.longestPrefix(of: typed) == 300, "another one goes on in its last block")
        // As of one whose reading was ended.
        prefixes.forget(first + (3_000..<3_200).map { TokenID($0) })
        #expect(prefixes.longestPrefix(of: typed) == 0)
        #expect(prefixes.longestPrefix(of: other) == 200)
        naive.cache.checkInvariants()
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
