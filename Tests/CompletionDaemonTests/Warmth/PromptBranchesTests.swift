// Which of a document's prompts go for newer ones.

import SpecEngine
import Testing

@testable import CompletionDaemon

@Suite("Prompt branches")
struct PromptBranchesTests {
    /// A prompt that has 300 tokens of context and 40 of its own, `number` telling it apart.
    private func prompt(_ number: Int32, length: Int32 = 40) -> [TokenID] {
        (0..<300).map { TokenID($0) } + (0..<length).map { TokenID(1_000 * number + $0) }
    }

    /// Notes a prompt; returns those that go for it, but for what one that stays begins with.
    @discardableResult
    private func note(
        _ tokens: [TokenID], of path: String, isPassing: Bool = false, keeping kept: [TokenID]? = nil,
        in branches: inout PromptBranches
    ) -> [[TokenID]] {
        let before = branches.sequences + [tokens]
        branches.note(tokens, of: path, isPassing: isPassing, keeping: kept)
        let staying = branches.sequences
        var gone: [[TokenID]] = []
        for prompt in before where !gone.contains(prompt) && !staying.contains(where: { $0.starts(with: prompt) }) {
            gone.append(prompt)
        }
        return gone
    }

    @Test("Of a document's prompts the last ones stay, the oldest goes")
    func bounded() {
        var branches = PromptBranches()
        let all = (1...Int32(PromptBranches.maximumCount) + 2).map { prompt($0) }
        let dropped = all.map { note($0, of: "a", in: &branches) }
        #expect(dropped.dropLast(2).allSatisfy { $0.isEmpty })
        #expect(Array(dropped.suffix(2)) == [[all[0]], [all[1]]])
    }

    @Test("Typing on and deleting back are no new prompts, and the longest is the one that goes")
    func typing() {
        var branches = PromptBranches()
        for length in Int32(20)...60 { #expect(note(prompt(1, length: length), of: "a", in: &branches).isEmpty) }
        for length in (Int32(30)...60).reversed() {
            #expect(note(prompt(1, length: length), of: "a", in: &branches).isEmpty)
        }
        var dropped: [[TokenID]] = []
        for number in 2...Int32(PromptBranches.maximumCount) + 1 {
            dropped += note(prompt(number), of: "a", in: &branches)
        }
        #expect(dropped == [prompt(1, length: 60)])
    }

    @Test("A prompt whose end alone differs goes at once: nothing holds memory that nobody can free")
    func endsThatDiffer() {
        var branches = PromptBranches()
        let ends = (Int32(1)...9).map { number in
            prompt(1, length: 60) + (0..<10).map { TokenID(1_000_000 * number + $0) }
        }
        var held: [[TokenID]] = []
        for prompt in ends {
            held.append(prompt)
            let outdated = note(prompt, of: "a", in: &branches)
            held.removeAll { outdated.contains($0) }
            #expect(held == [prompt])
        }
        // The cursor goes up by steps: every prompt ends in marks that the longer one does not have there.
        let long = ends[8] + (0..<200).map { TokenID(5_000 + $0) }
        #expect(note(long, of: "a", in: &branches).isEmpty)
        var beside: [TokenID]?
        for length in stride(from: long.count - 20, to: 350, by: -20) {
            let prompt = long.prefix(length) + [TokenID(9_000), TokenID(9_001)]
            #expect(note(Array(prompt), of: "a", in: &branches) == (beside.map { [$0] } ?? []))
            beside = Array(prompt)
        }
        // And is the document's longest still known: it goes when others take its place.
        var dropped: [[TokenID]] = []
        for number in 2...Int32(PromptBranches.maximumCount) + 1 {
            dropped += note(prompt(number), of: "a", in: &branches)
        }
        #expect(Set(dropped) == Set([long, beside].compactMap { $0 }))
    }

    @Test("A document's own last prompt stays, whatever a menu's items lead to")
    func ownPromptStays() {
        var branches = PromptBranches()
        let own = prompt(1)
        #expect(note(own, of: "a", keeping: own, in: &branches).isEmpty)
        var dropped: [[TokenID]] = []
        for number in 2...Int32(PromptBranches.maximumCount) + 3 {
            dropped += note(prompt(number), of: "a", keeping: own, in: &branches)
        }
        #expect(dropped == [prompt(2), prompt(3)])
        // A suggestion goes on from it: when that goes, it does not.
        let longer = own + (0..<30).map { TokenID(8_000 + $0) }
        #expect(note(longer, of: "a", keeping: own, in: &branches) == [prompt(4)])
        let outdated = (30...Int32(30 + PromptBranches.maximumCount)).flatMap { number in
            note(prompt(number), of: "a", keeping: own, in: &branches)
        }
        #expect(outdated.contains(longer) && branches.sequences.contains(own))
        // Also where its end alone differs.
        #expect(note(own.dropLast(4) + [TokenID(7)], of: "a", keeping: own, in: &branches).isEmpty)
        // Once it is not the last one any more it is like the others.
        let next = (20...Int32(20 + PromptBranches.maximumCount)).flatMap { number in
            note(prompt(number), of: "a", keeping: prompt(20), in: &branches)
        }
        #expect(next.contains(own))
    }

    @Test("However few they are, they take no more than a share of the document's last prompt")
    func tokenBound() {
        var branches = PromptBranches()
        var dropped: [[TokenID]] = []
        for number in Int32(1)...5 {
            let own = prompt(number, length: 200)
            dropped += note(own, of: "a", keeping: own, in: &branches)
        }
        // 500 tokens each, 300 of them shared: one beside the last.
        #expect(dropped == (Int32(1)...3).map { prompt($0, length: 200) })
    }

    @Test("So do those of all documents together, the document's that was left first; last prompts stay")
    func commonBound() {
        var branches = PromptBranches()
        var dropped: [[TokenID]] = []
        for (number, path) in [(1, "a"), (2, "a"), (3, "b"), (4, "b")] as [(Int32, String)] {
            let own = prompt(number, length: 200)
            dropped += note(own, of: path, keeping: own, in: &branches)
        }
        #expect(dropped == [prompt(1, length: 200)])
        // Back in the first one it is the other's that goes.
        let own = prompt(5, length: 200)
        #expect(note(own, of: "a", keeping: own, in: &branches) == [prompt(3, length: 200)])
    }

    @Test("What was just read stays, whatever it takes, in the place of what may go")
    func newestStays() {
        var branches = PromptBranches()
        let (own, next) = (prompt(1, length: 100), prompt(2, length: 100))
        #expect(note(own, of: "a", keeping: own, in: &branches).isEmpty)
        #expect(note(next, of: "a", keeping: next, in: &branches).isEmpty)
        let guess = (0..<900).map { TokenID(50_000 + $0) }
        #expect(note(guess, of: "a", keeping: next, in: &branches) == [own])
        #expect(note(prompt(3), of: "b", in: &branches) == [guess])
    }

    @Test("What stands behind borrowed context goes when the document's own is there, and not before")
    func borrowedContext() {
        var branches = PromptBranches()
        #expect(note(prompt(1), of: "a", isPassing: true, keeping: prompt(1), in: &branches).isEmpty)
        #expect(note(prompt(2), of: "a", isPassing: true, keeping: prompt(2), in: &branches).isEmpty)
        #expect(note(prompt(9), of: "b", in: &branches).isEmpty)
        // A guess behind the own context: the document's last prompt is the borrowed one still.
        #expect(note(prompt(3), of: "a", keeping: prompt(2), in: &branches) == [prompt(1)])
        #expect(note(prompt(4), of: "a", keeping: prompt(4), in: &branches) == [prompt(2)])
    }

    @Test("One document's prompts do not cost another's")
    func documents() {
        var branches = PromptBranches()
        note(prompt(1), of: "a", in: &branches)
        for number in 2...Int32(PromptBranches.maximumCount) + 1 {
            #expect(note(prompt(number), of: "b", in: &branches).isEmpty)
        }
        #expect(note(prompt(9), of: "a", in: &branches).isEmpty)
    }
}
