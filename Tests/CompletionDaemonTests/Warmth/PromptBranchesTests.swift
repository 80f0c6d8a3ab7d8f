// Which of a document's prompts go for newer ones.

import SpecEngine
import Testing

@testable import CompletionDaemon

@Suite("Prompt branches")
struct PromptBranchesTests {
    /// A prompt that has 100 tokens of context and 40 of its own, `number` telling it apart.
    private func prompt(_ number: Int32, length: Int32 = 40) -> [TokenID] {
        (0..<100).map { TokenID($0) } + (0..<length).map { TokenID(1_000 * number + $0) }
    }

    @Test("Of a document's prompts the last ones stay, the oldest goes")
    func bounded() {
        var branches = PromptBranches()
        let all = (1...Int32(PromptBranches.maximumCount) + 2).map { prompt($0) }
        let dropped = all.map { branches.note($0, of: "a") }
        #expect(dropped.dropLast(2).allSatisfy { $0.isEmpty })
        #expect(Array(dropped.suffix(2)) == [[all[0]], [all[1]]])
    }

    @Test("Typing on and deleting back are no new prompts, and the longest is the one that goes")
    func typing() {
        var branches = PromptBranches()
        for length in Int32(20)...60 { #expect(branches.note(prompt(1, length: length), of: "a").isEmpty) }
        for length in (Int32(30)...60).reversed() {
            #expect(branches.note(prompt(1, length: length), of: "a").isEmpty)
        }
        var dropped: [[TokenID]] = []
        for number in 2...Int32(PromptBranches.maximumCount) + 1 { dropped += branches.note(prompt(number), of: "a") }
        #expect(dropped == [prompt(1, length: 60)])
    }

    @Test("One document's prompts do not cost another's")
    func documents() {
        var branches = PromptBranches()
        _ = branches.note(prompt(1), of: "a")
        for number in 2...Int32(PromptBranches.maximumCount) + 1 {
            #expect(branches.note(prompt(number), of: "b").isEmpty)
        }
        #expect(branches.note(prompt(9), of: "a").isEmpty)
    }
}
