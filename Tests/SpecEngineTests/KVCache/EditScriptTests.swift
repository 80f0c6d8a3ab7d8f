// Reused keys and values are the computed ones, bit for bit: random editing sessions on a small model, every prompt
// also read by a model that remembers nothing. `make soak-prefix` runs a thousand.

import Foundation
import TestSupport
import Testing

@testable import SpecEngine

@Suite("Edit scripts", .serialized)
struct EditScriptTests {
    private static func number(_ name: String, standard: Int) -> Int {
        ProcessInfo.processInfo.environment[name].flatMap { Int($0) } ?? standard
    }

    @Test("Whatever was edited, reused equals recomputed")
    func reusedIsRecomputed() throws {
        let first = Self.number("FORETOKEN_SOAK_FIRST", standard: 1)
        let count = Self.number("FORETOKEN_SOAK_SCRIPTS", standard: 30)
        let folder = try RepositoryFixture.temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var (reused, total) = (0, 0)
        let cold = try TinyModel(isQuantized: true, headDimension: 16, seed: 5).make(positionLimit: 1_024)
        for seed in first..<first + count {
            var script = try EditScript(seed: UInt64(seed), cold: cold, folder: folder)
            for _ in 0..<16 {
                let failure = try script.step()
                guard failure == nil else {
                    Issue.record("script \(seed): \(failure ?? "")")
                    return
                }
            }
            reused += script.reusedTokenCount
            total += script.promptTokenCount
        }
        print("edit scripts \(first)...\(first + count - 1): \(reused) of \(total) prompt tokens reused")
        #expect(reused * 3 > total, "scripts that reuse nothing show nothing")
    }
}

/// One session: files that share their beginning, edited, switched, evicted, cancelled, stored and restarted.
private struct EditScript {
    private var random: SeededRandom
    private var warm: TransformerModel
    private let cold: TransformerModel
    private let store: SnapshotStore
    private var files: [[TokenID]]
    private var undo: [[TokenID]]
    private let key: SnapshotKey
    private(set) var reusedTokenCount = 0
    private(set) var promptTokenCount = 0

    init(seed: UInt64, cold: TransformerModel, folder: String) throws {
        var random = SeededRandom(seed: seed)
        self.cold = cold
        warm = try Self.model()
        store = SnapshotStore(directory: folder + "/\(seed)")
        key = SnapshotKey(
            modelChecksum: "tiny", instructionSet: "any", blockByteCount: warm.cache.blockByteCount)
        let context = Self.tokens(100 + random.below(250), &random)
        files = (0..<3).map { _ in context + Self.tokens(20 + random.below(200), &random) }
        undo = files
        self.random = random
    }

    private static func model() throws -> TransformerModel {
        try TinyModel(isQuantized: true, headDimension: 16, seed: 5).make(positionLimit: 1_024)
    }

    private static func tokens(_ count: Int, _ random: inout SeededRandom) -> [TokenID] {
        (0..<count).map { _ in TokenID(Int32(random.below(256))) }
    }

    /// One edit or event, then a prompt read by both; what differs, or nil.
    mutating func step() throws -> String? {
        let file = random.below(files.count)
        try act(on: file)
        let prompt = files[file]
        if random.oneIn(4) { cancelledRead(of: prompt) }
        let (reused, _, isComplete) = warm.live { warm.prefill(prompt, cancellation: CancellationFlag()) }
        guard isComplete, reused < prompt.count else { return "the prompt was not read" }
        reusedTokenCount += reused
        promptTokenCount += prompt.count
        cold.truncate(to: 0)
        cold.live { cold.prefill(prompt) }
        guard warm.logits(row: 0).elementsEqual(cold.logits(row: 0), by: { $0.bitPattern == $1.bitPattern })
        else {
            return "other logits with \(reused) of \(prompt.count) tokens reused"
        }
        for block in 0..<prompt.count / KVCache.blockPositions {
            let byteCount = warm.cache.blockByteCount
            guard memcmp(warm.cache.blockTable[block], cold.cache.blockTable[block], byteCount) == 0 else {
                return "other keys or values in block \(block)"
            }
        }
        // A completion behind the prompt, as a request leaves one.
        warm.live {
            for token in Self.tokens(random.below(5), &random) { _ = warm.append([token], logitRowCount: 1) }
        }
        warm.cache.checkInvariants()
        return nil
    }

    private mutating func act(on file: Int) throws {
        let count = files[file].count
        let room = 1_000 - count
        switch random.below(12) {
        case 0..<4: edit(file) { $0 += Self.tokens(1 + $1.below(max(1, min(4, room))), &$1) }
        case 4:
            edit(file) { tokens, random in
                tokens.insert(
                    contentsOf: Self.tokens(random.below(max(1, min(40, room))), &random),
                    at: random.below(count))
            }
        case 5: edit(file) { $0.removeLast($1.below(min(60, count - 1))) }
        case 6:
            edit(file) { tokens, random in
                let start = random.below(count - 1)
                tokens.removeSubrange(start..<min(count - 1, start + random.below(40)))
            }
        case 7: swap(&files[file], &undo[file])
        case 8:
            warm.cache.prefixes.byteLimit = random.below(14) * warm.cache.blockByteCount
            warm.cache.makeRoom()
        case 9: try restart(damaging: random.oneIn(3))
        default: break  // another file, or the same again
        }
    }

    private mutating func edit(_ file: Int, _ change: (inout [TokenID], inout SeededRandom) -> Void) {
        undo[file] = files[file]
        change(&files[file], &random)
    }

    private mutating func cancelledRead(of prompt: [TokenID]) {
        let flag = CancellationFlag()
        if random.oneIn(2) { flag.raise() }
        let passes = random.below(3)
        warm.team.withLiveRequest(cancellation: flag) {
            let reused = warm.resume(prompt)
            var position = reused
            for pass in 0..<3 where position < prompt.count - 1 {
                if pass == passes { flag.raise() }
                let end = min(position + 100, prompt.count - 1)
                guard warm.append(prompt[position..<end], logitRowCount: 0) else { return }
                position = end
            }
        }
    }

    /// Stores what is there, and begins anew with what the disk gives back.
    private mutating func restart(damaging isDamaging: Bool) throws {
        for prompt in files {
            guard let sequence = warm.cache.storedSequence(of: prompt) else { continue }
            let origin = SnapshotOrigin(rootPath: "/r", documentPath: "f", sources: [])
            let written = try sequence.write(to: store, key: key, origin: origin, contextTokenCount: 200)
            for file in written { _ = warm.cache.prefixes.attach(file) }
        }
        warm = try Self.model()
        for file in store.files(of: "/r", key: key).files {
            if isDamaging, random.oneIn(2) { damage(file) }
            if !warm.cache.prefixes.attach(file) { store.remove(file.path) }
        }
        warm.cache.prefixes.onDamage = { [store] in store.remove($0.path) }
        warm.cache.checkInvariants()
    }

    private mutating func damage(_ file: SnapshotFile) {
        guard let stream = fopen(file.path, "r+") else { return }
        fseek(stream, file.header.dataOffset + random.below(file.header.blockByteCount), SEEK_SET)
        fputc(0x55, stream)
        fclose(stream)
    }
}
