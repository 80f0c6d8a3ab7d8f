// The promise of the tree pass: a node's logits have the bits of plain decoding along its path, wherever the committed
// prefix ends, and after a commit the cache is what plain decoding would have left.

import TestSupport
import Testing

@testable import SpecEngine

@Suite("Tree passes", .serialized)
struct TreePassTests {
    /// Logits of every node from one pass.
    private func treeLogits(_ tree: TokenTree, on model: TransformerModel) -> [[Float]] {
        let round = KVRound(on: model.cache, rowCount: tree.isChain ? tree.count : tree.depth + 1)
        precondition(model.live { model.compute(tree, in: round) })
        return (0..<tree.count).map { model.logitArray(row: $0) }
    }

    /// Logits of every node by decoding its path token by token.
    private func plainLogits(_ tree: TokenTree, on model: TransformerModel) -> [[Float]] {
        let base = model.tokens.count
        let result = (0..<tree.count).map { node -> [Float] in
            for ancestor in tree.path(to: node) {
                precondition(model.live { model.append([tree.tokens[ancestor]], logitRowCount: 1) })
            }
            defer { model.truncate(to: base) }
            return model.logitArray(row: 0)
        }
        return result
    }

    @Test(
        "A node's logits are plain decoding's, wherever the prefix ends in its chunk",
        arguments: [
            TinyModel(), TinyModel(isQuantized: false), TinyModel(headDimension: 16), TinyModel(window: 40),
            TinyModel(architecture: .qwen2), TinyModel(architecture: .llama),
        ])
    func everyOffset(kind: TinyModel) throws {
        let model = try kind.make()
        var random = SeededRandom(seed: 11)
        let prompt = model.randomTokens(400, &random)
        var wrong: [Int] = []
        for base in Array(128..<256) + [1, 2, 15, 16, 17, 100, 127, 256, 300, 384] {
            model.truncate(to: min(base - 1, model.tokens.count))
            model.prefill(Array(prompt[..<base]), logitRowCount: 0)
            let tree = randomTree(
                root: prompt[base], count: 14, vocabularySize: kind.vocabularySize, &random)
            tree.checkInvariants()
            // Logits are compared, and the prefix must be as it was: plain decoding runs on the same cache after.
            if treeLogits(tree, on: model) != plainLogits(tree, on: model) { wrong.append(base) }
        }
        #expect(wrong.isEmpty, "prefix ends \(wrong), seed \(random.seed)")
    }

    @Test("Large trees, deep trees, one thread or two: the same bits")
    func largeTrees() throws {
        let one = try TinyModel().make(threadCount: 1)
        let two = try TinyModel().make(threadCount: 2)
        var random = SeededRandom(seed: 12)
        let prompt = one.randomTokens(250, &random)
        for (count, base) in [(64, 250), (64, 127), (33, 200), (17, 16), (40, 111)] {
            for model in [one, two] {
                model.truncate(to: 0)
                model.prefill(Array(prompt[..<base]), logitRowCount: 0)
            }
            let tree = randomTree(root: TokenID(3), count: count, vocabularySize: 256, &random)
            let expected = plainLogits(tree, on: one)
            let isSame = (treeLogits(tree, on: one) == expected, treeLogits(tree, on: two) == expected)
            #expect(isSame.0 && isSame.1, "\(count) nodes behind \(base): \(isSame), seed \(random.seed)")
        }
    }

    @Test("The default model's tree logits are plain decoding's")
    func defaultModel() throws {
        let model = try ModelFixture.quantized(positionLimit: 2_048)
        let prompt = GoldenCase.all["spm-file"]!.promptTokens.map { TokenID($0) }
        var random = SeededRandom(seed: 13)
        for base in [1_000, 1_023, 1_024, 1_030] {
            model.truncate(to: min(base - 1, model.tokens.count))
            model.prefill(Array(prompt[..<base]), logitRowCount: 0)
            let tree = randomTree(
                root: prompt[base], count: 12, vocabularySize: model.configuration.vocabularySize, &random)
            let isSame = treeLogits(tree, on: model) == plainLogits(tree, on: model)
            #expect(isSame, "prefix of \(base)")
        }
    }

    @Test(
        "After any commit of any tree with up to six nodes the cache is plain decoding's; a rollback leaves it"
    )
    func exhaustive() throws {
        let model = try TinyModel().make()
        let plain = try TinyModel().make()
        var random = SeededRandom(seed: 14)
        let prompt = model.randomTokens(125, &random)  // paths cross the end of the first chunk
        for each in [model, plain] { each.prefill(prompt, logitRowCount: 0) }
        let untouched = model.committedRows()
        var expectedByPath: [[TokenID]: [UInt8]] = [:]
        var wrong: [[Int]] = []
        for parents in Self.allParents(upTo: 6) {
            var tree = TokenTree(root: TokenID(7))
            for (index, parent) in parents.enumerated() {
                #expect(tree.add(TokenID(Int32(20 + index)), under: parent, source: .given) == index + 1)
            }
            tree.checkInvariants()
            for node in 0..<tree.count {
                let path = tree.path(to: node)
                let tokens = path.map { tree.tokens[$0] }
                let round = KVRound(on: model.cache, rowCount: tree.isChain ? tree.count : tree.depth + 1)
                let isComputed = model.compute(tree, in: round)
                #expect(isComputed)
                model.commit(path: path, of: tree, in: round)
                model.cache.checkInvariants()
                if expectedByPath[tokens] == nil {
                    for token in tokens { #expect(plain.append([token], logitRowCount: 0)) }
                    expectedByPath[tokens] = plain.committedRows()
                    plain.truncate(to: prompt.count)
                }
                let isSame =
                    model.committedRows() == expectedByPath[tokens]! && model.tokens == prompt + tokens
                if !isSame { wrong.append(parents + [node]) }
                model.truncate(to: prompt.count)
            }
            _ = treeLogits(tree, on: model)  // the round goes out of scope: rolled back
            model.cache.checkInvariants()
            if model.committedRows() != untouched { wrong.append(parents) }
        }
        #expect(wrong.isEmpty, "\(wrong.prefix(5))")
    }

    /// Every tree with up to `count` nodes as the parents of nodes 1….
    private static func allParents(upTo count: Int) -> [[Int]] {
        var all: [[Int]] = [[]]
        var last: [[Int]] = [[]]
        for node in 1..<count {
            last = last.flatMap { parents in (0..<node).map { parents + [$0] } }
            all += last
        }
        return all
    }
}

@Suite("Token trees and the verifier")
struct TokenTreeTests {
    @Test("Proposals that share a beginning share nodes, and siblings differ")
    func merging() {
        var tree = TokenTree(root: TokenID(1))
        let a = tree.add(TokenID(2), under: 0, source: .promptLookup)!
        let b = tree.add(TokenID(3), under: a, source: .promptLookup)!
        #expect(tree.isChain)
        #expect(tree.add(TokenID(2), under: 0, source: .longSpec) == a)
        let c = tree.add(TokenID(3), under: 0, source: .longSpec)!
        #expect(tree.count == 4 && !tree.isChain && tree.depth == 2)
        #expect(tree.path(to: b) == [0, a, b] && tree.path(to: c) == [0, c])
        #expect(tree.sources[a] == .promptLookup)
        tree.checkInvariants()
        tree.keep(1 | 1 << UInt64(c))
        #expect(tree.count == 2 && tree.tokens[1] == TokenID(3) && tree.isChain)
        tree.checkInvariants()
    }

    @Test("A tree takes no more than its limits")
    func limits() {
        var tree = TokenTree(root: TokenID(0))
        var node = 0
        while let next = tree.add(TokenID(1), under: node, source: .given) { node = next }
        #expect(tree.depth == TokenTree.depthLimit - 1)
        for token in 2..<200 { _ = tree.add(TokenID(Int32(token)), under: 0, source: .given) }
        #expect(tree.count == TokenTree.capacity)
        tree.checkInvariants()
    }

    @Test("The walk follows matching children, draws once per emitted token, and ends where told")
    func walk() {
        var tree = TokenTree(root: TokenID(1))
        let a = tree.add(TokenID(2), under: 0, source: .given)!
        let b = tree.add(TokenID(3), under: a, source: .given)!
        _ = tree.add(TokenID(4), under: 0, source: .given)
        func outcome(_ tokens: [Int32?]) -> (Verifier.Outcome, Int) {
            var drawn = 0
            let outcome = Verifier.walk(tree) { _ in
                drawn += 1
                return tokens[drawn - 1].map { TokenID($0) }
            }
            return (outcome, drawn)
        }
        #expect(outcome([9]) == (Verifier.Outcome(path: [0], next: TokenID(9)), 1))
        #expect(outcome([2, 3, 5]) == (Verifier.Outcome(path: [0, a, b], next: TokenID(5)), 3))
        #expect(outcome([2, 4]) == (Verifier.Outcome(path: [0, a], next: TokenID(4)), 2))
        #expect(outcome([2, nil]) == (Verifier.Outcome(path: [0, a], next: nil), 2))
        #expect(outcome([nil]) == (Verifier.Outcome(path: [0], next: nil), 1))
    }
}
