// The draft layer against its training code in float32, and the draft that serves against the float reference: levels,
// ring, memory, refusals.

import Foundation
import TestSupport
import Testing

@testable import SpecEngine

@Suite("LongSpec draft", .serialized)
struct LongSpecDraftTests {
    private static let path = FixturePaths.modelsDirectory + "/foretoken-78m-longspec-q4_0.gguf"

    private struct GoldenFile: Decodable {
        /// By target case, by "shift<d>_last8_top10": [8][10] pairs of token and logit.
        let cases: [String: [String: [[[Double]]]]]
    }

    private static func golden() throws -> GoldenFile {
        let bytes = try FixturePaths.bytes(FixturePaths.engineGoldenDirectory + "/draft.json")
        return try JSONDecoder().decode(GoldenFile.self, from: Data(bytes))
    }

    @Test("The float reference reproduces the training code's logits, depths 1 to 4")
    func reference() throws {
        let target = try ModelFixture.reference()
        let draft = try ReferenceDraft(
            file: try GGUFFile.open(Self.path), target: target, targetPath: FixturePaths.defaultModel)
        for (name, shifts) in try Self.golden().cases {
            target.truncate(to: 0)
            target.prefill(GoldenCase.all[name]!.promptTokens.map { TokenID($0) })
            let count = target.tokens.count
            var worst = 0.0
            for shift in 1...4 {
                let logits = draft.logits(at: count - 8..<count, shift: shift)
                for (row, expected) in shifts["shift\(shift)_last8_top10"]!.enumerated() {
                    for pair in expected {
                        worst = max(worst, abs(Double(logits[row][Int(pair[0])]) - pair[1]))
                    }
                }
            }
            print("golden draft \(name): worst |Δlogit| of the top 10 \(worst)")
            #expect(worst < 2e-3, "\(name)")
        }
    }

    private func draft(
        on target: TransformerModel, headTokenCount: Int = 1 << 20
    ) throws -> LongSpecDraft {
        try LongSpecDraft(
            file: try GGUFFile.open(Self.path), target: target, targetPath: FixturePaths.defaultModel,
            headTokenCount: headTokenCount)
    }

    @Test("The draft that serves is close to the training code at every depth of a path")
    func servingIsClose() throws {
        let target = try ModelFixture.quantized()
        let draft = try draft(on: target)
        var (sum, count, agreed, rows) = (0.0, 0, 0, 0)
        for (name, shifts) in try Self.golden().cases {
            let prompt = GoldenCase.all[name]!.promptTokens.map { TokenID($0) }
            for shift in 1...4 {
                for row in 0..<8 {
                    // Row at position i with shift s: i − s + 1 committed tokens, then a path of s tokens.
                    let position = prompt.count - 8 + row
                    let committed = position - shift + 1
                    target.truncate(to: min(committed - 1, target.tokens.count))
                    if target.tokens != Array(prompt[..<target.tokens.count]) { target.truncate(to: 0) }
                    target.prefill(Array(prompt[..<committed]))
                    var tree = TokenTree(root: prompt[committed])
                    #expect(draft.evaluatePath(Array(prompt[committed + 1..<position + 1]), of: &tree))
                    let logits = draft.logits(row: 0)
                    let expected = shifts["shift\(shift)_last8_top10"]![row]
                    for pair in expected { sum += abs(Double(logits[Int(pair[0])]) - pair[1]) }
                    count += expected.count
                    rows += 1
                    let best = logits.indices.max { logits[$0] < logits[$1] }!
                    if best == Int(expected[0][0]) { agreed += 1 }
                }
            }
        }
        print("draft that serves: mean |Δlogit| \(sum / Double(count)), argmax equal at \(agreed)/\(rows)")
        #expect(sum / Double(count) < 0.15)
        #expect(Double(agreed) / Double(rows) > 0.9)
    }

    @Test("A reduced head has the text's own tokens, as many as it holds, with the bits of the whole head")
    func headFollowsText() throws {
        let target = try ModelFixture.quantized()
        let prompt = GoldenCase.all["spm-repo-4k"]!.promptTokens.map { TokenID($0) }
        let (whole, reduced) = (try draft(on: target), try draft(on: target, headTokenCount: 500))
        let stateByteCount = reduced.stateByteCount
        target.prefill(Array(prompt[..<200]))
        func evaluate(_ draft: LongSpecDraft) {
            var tree = TokenTree(root: prompt[200])
            #expect(draft.evaluatePath([prompt[201]], of: &tree))
        }
        evaluate(whole)
        evaluate(reduced)
        let rare = Set(prompt.filter { $0.rawValue >= 512 })
        try #require(rare.count > 100 && rare.count < DraftHead.textTokenLimit)
        #expect(rare.allSatisfy { reduced.logit(of: $0, row: 0) == nil })
        reduced.follow(text: prompt)
        evaluate(reduced)
        for token in rare.union(prompt) {
            #expect(reduced.logit(of: token, row: 0) == whole.logit(of: token, row: 0), "\(token)")
        }
        // Another text takes the place of the first; one that holds more keeps what stands nearest to its end.
        let all = (0..<target.configuration.vocabularySize).map { TokenID(Int32($0)) }
        reduced.follow(text: all)
        evaluate(reduced)
        for token in all {
            let isKept = token.rawValue < 512 || Int(token.rawValue) >= all.count - DraftHead.textTokenLimit
            #expect(reduced.logit(of: token, row: 0) == (isKept ? whole.logit(of: token, row: 0) : nil))
        }
        #expect(reduced.stateByteCount == stateByteCount)
    }

    @Test("After an edit or a rollback the ring is rebuilt, quickly, and gives what a new draft gives")
    func ringFollows() throws {
        let target = try ModelFixture.quantized(positionLimit: 4_096)
        var prompt = GoldenCase.all["spm-repo-4k"]!.promptTokens.map { TokenID($0) }
        let draft = try draft(on: target)
        func tree(_ draft: LongSpecDraft, at count: Int) -> ([TokenID], [Int]) {
            target.truncate(to: min(count - 1, commonPrefixLength(target.tokens, prompt)))
            target.prefill(Array(prompt[..<count]))
            var tree = TokenTree(root: prompt[count])
            #expect(draft.grow(&tree, levelCount: 3))
            tree.checkInvariants()
            return (tree.tokens, tree.parents)
        }
        for (count, edit) in [
            (1_500, nil), (1_503, nil), (1_400, nil), (1_500, 1_350), (300, nil), (2_000, 1_700),
        ] {
            if let edit { prompt[edit] = TokenID(700) }
            let followed = tree(draft, at: count)
            let fresh = tree(try self.draft(on: target), at: count)
            #expect(followed.0 == fresh.0 && followed.1 == fresh.1, "at \(count)")
            #expect(followed.0.count > 6, "at \(count)")
        }
        target.team.withLiveRequest(cancellation: nil) {
            var times: [Duration] = []
            for _ in 0..<15 {
                draft.ring.invalidate()
                times.append(ContinuousClock().measure { _ = draft.synchronize(root: prompt[2_000]) })
            }
            let best = times.min()!
            print("ring rebuilt from 512 embeddings in \(best) (median \(times.sorted()[7]))")
            // A small part of what the target's own passes over these positions take, on any machine.
            let pass = (0..<3).map { _ in target.measurePass(rowCount: 64, depth: 2_000) }.min() ?? 0
            #expect(best / .seconds(1) < 8 * pass)
        }
    }

    @Test("Looking at a path's nodes at once or one after the other weighs its tokens and proposes alike")
    func batchesAgree() throws {
        let target = try ModelFixture.quantized(positionLimit: 2_048)
        let prompt = GoldenCase.all["spm-file"]!.promptTokens.map { TokenID($0) }
        let draft = try draft(on: target, headTokenCount: 8_192)
        target.prefill(Array(prompt[..<700]))
        func tree(_ batches: [[Int]]) -> TokenTree {
            var tree = TokenTree(root: prompt[700])
            // A path that another source proposed: the text itself.
            for depth in 0..<4 {
                #expect(
                    tree.add(prompt[701 + depth], under: depth, source: .promptLookup, acceptance: 0.5) != nil
                )
            }
            #expect(draft.begin(root: prompt[700]))
            for batch in batches {
                #expect(draft.expand(batch, of: &tree, acceptance: AcceptanceRecord(), leastReach: 0))
            }
            tree.checkInvariants()
            return tree
        }
        let together = tree([[0, 1, 2, 3, 4]])
        let apart = tree([[0], [1], [2], [3], [4]])
        #expect(together.tokens == apart.tokens && together.parents == apart.parents)
        #expect(together.reachProbabilities == apart.reachProbabilities)
        #expect(together.evidence[1]?.kind == .weighed && together.sources[1] == .promptLookup)
    }

    @Test("A best-first tree of n nodes holds the n most probable paths below its root", arguments: [8, 32])
    func bestFirst(nodeCount: Int) throws {
        let target = try ModelFixture.quantized(positionLimit: 2_048)
        let prompt = GoldenCase.all["spm-file"]!.promptTokens.map { TokenID($0) }
        let draft = try draft(on: target, headTokenCount: 8_192)
        let flat = RowCosts.standardRowCounts.map { _ in 1.0 }  // never asked
        let costs = RowCosts(atStart: flat, atDepth: flat, depth: 1_000)
        let speculator = Speculator(
            model: target,
            options: SpeculationOptions(
                mode: .longspec, nodeLimit: nodeCount, fixedShape: .tree(nodeCount: nodeCount)),
            longSpec: draft, passCosts: costs, levelCosts: costs)
        for count in [200, 320, 440, 560, 700] {
            target.prefill(Array(prompt[..<count]))
            let expected = bestReach(draft, below: prompt[count], nodeCount: nodeCount)
            let tree = speculator.propose(root: prompt[count], depthLimit: Self.depthLimit)
            tree.checkInvariants()
            let reach = tree.reachProbabilities.dropFirst().sorted(by: >)
            let candidates = speculator.candidates(
                root: prompt[count], nodeCount: nodeCount, depthLimit: Self.depthLimit)
            let grown = candidates.grown
            #expect(grown.tokens == tree.tokens && grown.parents == tree.parents)
            // The draft layer alone adds a node after its parent, from level 1 on.
            #expect(
                candidates.levels.count == grown.count && candidates.levels[0] == 0
                    && (1..<grown.count).allSatisfy {
                        candidates.levels[$0] > candidates.levels[grown.parents[$0]]
                    })
            #expect(reach.count == nodeCount && expected.count == nodeCount)
            let worst = zip(reach, expected).map { abs($0 - $1) }.max() ?? 1
            #expect(worst < 1e-4, "behind \(count) tokens")
        }
    }

    private static let depthLimit = TokenTree.depthLimit - 1

    /// How probably the most probable paths are reached: one node after the other, each computed anew from the root.
    private func bestReach(_ draft: LongSpecDraft, below root: TokenID, nodeCount: Int) -> [Float] {
        var open: [(path: [TokenID], reach: Float)] = [([], 1)]
        var best: [Float] = []
        while best.count <= nodeCount, let next = open.indices.max(by: { open[$0].reach < open[$1].reach }) {
            let (path, reach) = open.remove(at: next)
            best.append(reach)
            guard path.count < Self.depthLimit else { continue }
            var tree = TokenTree(root: root)
            #expect(draft.evaluatePath(path, of: &tree))
            let logits = Array(draft.logits(row: 0))
            let largest = logits.max() ?? 0
            let sum = logits.reduce(into: Float(0)) { $0 += exp($1 - largest) }
            let children = logits.indices.sorted { logits[$0] > logits[$1] }.prefix(LongSpecDraft.childLimit)
            for child in children {
                let evidence = Evidence(kind: .longSpec, draftProbability: exp(logits[child] - largest) / sum)
                open.append((path + [TokenID(Int32(child))], reach * AcceptanceRecord().estimate(evidence)))
            }
        }
        return Array(best.dropFirst())
    }

    @Test("The draft's own state is as large behind 1k tokens as behind 16k")
    func constantMemory() throws {
        let short = try draft(on: try ModelFixture.quantized(positionLimit: 1_024))
        let long = try draft(on: try ModelFixture.quantized(positionLimit: 16_384))
        #expect(short.stateByteCount == long.stateByteCount)
        let target = try ModelFixture.quantized(positionLimit: 2_048)
        let used = try draft(on: target)
        let before = used.stateByteCount
        target.prefill(GoldenCase.all["spm-repo-4k"]!.promptTokens.prefix(1_700).map { TokenID($0) })
        var tree = TokenTree(root: TokenID(5))
        #expect(used.grow(&tree, levelCount: 2))
        #expect(used.stateByteCount == before)
        print("draft: \(before / 1024) KiB of state, \(used.weightByteCount / 1024) KiB of weights")
    }

    @Test("A draft for another target, or no draft at all, is refused with the reason")
    func refusals() throws {
        let file = try GGUFFile.open(Self.path)
        let tiny = try TinyModel().make()
        #expect(throws: EngineError.self) {
            try LongSpecDraft(file: file, target: tiny, targetPath: FixturePaths.defaultModel)
        }
        let target = try ModelFixture.quantized(positionLimit: 256)
        do {
            _ = try LongSpecDraft(
                file: try ModelFixture.file(), target: target, targetPath: FixturePaths.defaultModel)
            Issue.record("a model is no draft")
        } catch {
            #expect("\(error)".contains("longspec"))
        }
        do {
            _ = try LongSpecDraft(
                file: file, target: target, targetPath: FixturePaths.defaultModel,
                checksum: { _ throws(EngineError) in "of another file" })
            Issue.record("the draft names its target's checksum")
        } catch {
            #expect("\(error)".contains("trained for the model with SHA-256"))
        }
    }
}

extension LongSpecDraft {
    /// Looks at all of a level's nodes at once, level after level.
    fileprivate func grow(_ tree: inout TokenTree, levelCount: Int) -> Bool {
        guard begin(root: tree.tokens[0]) else { return false }
        var next = 0
        for _ in 0..<levelCount {
            let nodes = Array(next..<min(tree.count, next + LongSpecDraft.levelLimit))
            if nodes.isEmpty { break }
            next = nodes.last! + 1
            guard expand(nodes, of: &tree, acceptance: AcceptanceRecord(), leastReach: 0.02) else {
                return false
            }
        }
        return true
    }
}
