// What is read ahead and what is kept for the next start, with the real model on a small repository.

import Foundation
import RepoContext
import SpecEngine
import Synchronization
import TestSupport
import Testing

@testable import CompletionDaemon

@Suite("Warmth", .serialized)
struct WarmTests {
    private let project: DrawingProject
    private let folder: String
    private let environment: [String: String]

    init() throws {
        project = try DrawingProject()
        folder = (project.repository.path as NSString).deletingLastPathComponent
        environment = [
            "XDG_CACHE_HOME": folder + "/cache", "XDG_RUNTIME_DIR": folder + "/run",
            "FORETOKEN_MODEL": FixturePaths.defaultModel,
        ]
        try FileManager.default.createDirectory(atPath: folder + "/run", withIntermediateDirectories: true)
    }

    private func run(_ arguments: [String]) throws -> Binary.Result {
        try Binary.run(arguments, environment: environment, folder: project.repository.path)
    }

    private func json(_ arguments: [String]) throws -> JSONTree {
        let result = try run(arguments)
        #expect(result.exitCode == 0, "\(result.errorOutput)")
        return try JSONTree(parsing: Array(result.output.utf8))
    }

    private func snapshots() throws -> [String] {
        guard case .array(let items)? = try json(["cache", "list", "--json"])["snapshots"] else { return [] }
        return items.compactMap { item -> String? in
            guard case .string(let name)? = item["document"] else { return nil }
            return name
        }
    }

    @Test("Warm stores what it read, a second one computes nothing, and what must not be kept goes")
    func warmCommand() throws {
        let arguments = ["warm", "--json", "--context-tokens", "512"]
        let first = try json(arguments)
        #expect(first["files"]?[1] != nil && first["files"]?[2] == nil && first["computed_tokens"] != 0)
        #expect(try Set(snapshots()).isSuperset(of: ["shapes.py", "report.py"]))
        let second = try json(arguments)
        #expect(second["computed_tokens"] == 2, "the last token of each prompt")
        // By now denied, ignored or deleted: never served, and removed.
        try project.repository.remove("shapes.py")
        _ = try json(arguments)
        #expect(try !snapshots().contains("shapes.py"))
        let mode = try FileManager.default.attributesOfItem(atPath: folder + "/cache/foretoken")[
            .posixPermissions]
        #expect(mode as? Int == 0o700)
        #expect(try run(["cache", "clear"]).exitCode == 0)
        #expect(try snapshots().isEmpty)
    }

    @Test("With the disk cache off, nothing is written")
    func nothingOnDisk() throws {
        _ = try json(["warm", "--json", "--context-tokens", "512", "--disk-cache", "off"])
        #expect(!FileManager.default.fileExists(atPath: folder + "/cache"))
    }

    /// Engine, context and keeper, as `serve` has them.
    private struct Session {
        let engine: InferenceEngine
        let context: RepositoryContext
        let pipeline: CompletionPipeline
        let keeper: PrefixKeeper
        let disk: SnapshotKeeper

        init(
            cache: String, memoryFolder: String? = nil,
            delays: PrefixKeeper.Delays = PrefixKeeper.Delays(prefetch: .milliseconds(1))
        ) throws {
            engine = try EngineConfiguration(modelPath: FixturePaths.defaultModel).load()
            context = RepositoryContext(RepositoryContext.Configuration { _ in })
            disk = SnapshotKeeper(cacheDirectory: cache)
            pipeline = CompletionPipeline(engine: engine, context: context, keptContext: disk.kept)
            keeper = PrefixKeeper(
                engine: engine, context: context, pipeline: pipeline, disk: disk,
                memory: memoryFolder.flatMap { MemoryShare(folder: $0, byteLimit: 1 << 30) },
                progress: NoProgress(),
                delays: delays)
        }

        func request(_ path: String, _ text: [UInt8], _ cursor: Int) -> CompletionPipeline.Request {
            CompletionPipeline.Request(
                query: ContextQuery(filePath: path, text: text, cursorOffset: cursor, tokenBudget: 1_024),
                languageID: "python", maximumTokens: 16, sampling: .greedy, cancellation: CancellationFlag())
        }

        /// A request whose time is over before it begins.
        func askTooLate(_ path: String, _ text: [UInt8], _ cursor: Int) async throws -> CompletionPipeline.Result {
            var request = request(path, text, cursor)
            request.deadline = AnswerDeadline(end: .now, rate: { nil })
            let activity = keeper.requestArrived()
            let result = try await pipeline.complete(request)
            keeper.requestUnread(result.record(of: request), since: activity)
            return result
        }

        func ask(
            _ path: String, _ text: [UInt8], _ cursor: Int, isHypothetical: Bool = false
        ) async throws -> CompletionPipeline.Result {
            let request = request(path, text, cursor)
            let activity = keeper.requestArrived()
            let result = try await pipeline.complete(request)
            keeper.requestFinished(
                PromptRecord(request, result.prompt), text: result.text, since: activity,
                isHypothetical: isHypothetical)
            return result
        }

        /// Until the engine knows the prompt to its last token.
        func waitUntilRead(_ path: String, _ text: [UInt8], _ cursor: Int) async throws {
            let tokens = try await pipeline.prompt(for: request(path, text, cursor)).tokens
            while await engine.knownPrefixLength(of: tokens) < tokens.count - 1 {
                try await Task.sleep(for: .milliseconds(5))
            }
        }
    }

    /// Until it holds; the bound is there to end a test that fails.
    private func wait(until isDone: () async -> Bool) async throws {
        for _ in 0..<6_000 {
            if await isDone() { return }
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    @Test("A daemon keeps its weights to itself until it has met another one")
    func sharesWeights() async throws {
        let session = try Session(cache: folder + "/cache", memoryFolder: folder + "/run")
        let weights = folder + "/cache/weights"
        await session.keeper.look([])
        await session.keeper.shareWeights()
        #expect(!FileManager.default.fileExists(atPath: weights))
        let other = try #require(MemoryShare(folder: folder + "/run", byteLimit: 1 << 30))
        await session.keeper.look([])
        await session.keeper.shareWeights()
        #expect(!FileManager.default.fileExists(atPath: weights), "the other may be going")
        for _ in 1..<PrefixKeeper.leastLooksWithOthers { await session.keeper.look([]) }
        var lock = try FileLock.take(file: folder + "/cache/weights.lock")
        #expect(lock != nil)
        await session.keeper.shareWeights()
        #expect(!FileManager.default.fileExists(atPath: weights), "the other may be writing")
        lock = nil
        await session.keeper.shareWeights()
        #expect(try FileManager.default.contentsOfDirectory(atPath: weights).count == 1)
        withExtendedLifetime(other) {}
    }

    @Test(
        "After an edit above the cursor the next prompt is read while nothing happens",
        .timeLimit(.minutes(10)))
    func readAhead() async throws {
        let session = try Session(cache: folder + "/cache")
        let text = Array(DrawingProject.caller.utf8)
        let cursor = text.count - 40
        _ = try await session.ask(project.filePath, text, cursor)
        let edited = Array("# A note.\n".utf8) + text
        session.keeper.documentChanged(path: project.filePath, text: edited)
        try await session.waitUntilRead(project.filePath, edited, cursor + 10)
        let result = try await session.ask(project.filePath, edited, cursor + 10)
        #expect(result.generation.reusedTokenCount == result.generation.promptTokenCount - 1)
    }

    @Test("Behind a newer request nothing is read for an older one")
    func nothingIsReadBehindARequest() async throws {
        let session = try Session(cache: folder + "/cache", delays: .init(prefetch: .seconds(600)))
        let text = Array(DrawingProject.caller.utf8)
        let result = try await session.ask(project.filePath, text, text.count - 40)
        #expect(session.keeper.expectsReading)
        let request = session.request(project.filePath, text, text.count - 40)
        let older = session.keeper.requestArrived()
        let newer = session.keeper.requestArrived()
        #expect(!session.keeper.expectsReading)
        session.keeper.requestFinished(PromptRecord(request, result.prompt), text: "x", since: older)
        #expect(!session.keeper.expectsReading, "the newer request may be waiting to read")
        session.keeper.requestFinished(PromptRecord(request, result.prompt), text: "x", since: newer)
        #expect(session.keeper.expectsReading)
    }

    @Test("What a request had no time to read is read behind it, for the next one", .timeLimit(.minutes(10)))
    func unreadPromptIsNotLost() async throws {
        // Nothing else would read it.
        let session = try Session(cache: folder + "/cache", delays: .init(prefetch: .seconds(600)))
        let text = Array(DrawingProject.caller.utf8)
        let cursor = text.count - 40
        await session.context.prepare(file: project.filePath)
        let late = try await session.askTooLate(project.filePath, text, cursor)
        #expect(late.isUnread && late.text == nil && late.generation.tokens.isEmpty)
        let record = late.record(of: session.request(project.filePath, text, cursor))
        #expect(record.readTokenCount == late.generation.reusedTokenCount, "so that nobody counts on the rest")
        try await session.waitUntilRead(project.filePath, text, cursor)
        let result = try await session.ask(project.filePath, text, cursor)
        #expect(result.prompt.tokens == late.prompt.tokens)
        #expect(result.generation.reusedTokenCount == result.generation.promptTokenCount - 1)
    }

    @Test("A save does not end for good what is read behind an answer", .timeLimit(.minutes(10)))
    func saveGoesOnReading() async throws {
        let session = try Session(cache: folder + "/cache")
        let text = Array(DrawingProject.caller.utf8)
        let cursor = text.count - 40
        await session.context.prepare(file: project.filePath)
        let late = try await session.askTooLate(project.filePath, text, cursor)
        session.keeper.documentSaved()
        try #require(late.isUnread)
        let tokens = late.prompt.tokens
        try await wait { await session.engine.knownPrefixLength(of: tokens) == tokens.count - 1 }
        #expect(await session.engine.knownPrefixLength(of: tokens) == tokens.count - 1)
        // Nor does a save end what is not read yet; an edit does.
        let activity = session.keeper.requestArrived()
        session.keeper.documentSaved()
        #expect(session.keeper.isIdle(since: activity))
        session.keeper.documentChanged(path: project.filePath, text: text + [10])
        #expect(!session.keeper.isIdle(since: activity))
    }

    @Test("What was read of a prompt until its answer was due is freed like others", .timeLimit(.minutes(10)))
    func unreadPartGoes() async throws {
        let session = try Session(cache: folder + "/cache", delays: .init(prefetch: .seconds(600)))
        await session.context.prepare(file: project.filePath)
        let text = Array(DrawingProject.caller.utf8)
        let cursor = text.count - 40
        var late = try await session.ask(project.filePath, text, cursor).prompt
        late.tokens = (0..<400).map { TokenID($0 + 2_000) }
        _ = try await session.engine.prefetch(Array(late.tokens[..<256]), cancellation: CancellationFlag())
        var record = PromptRecord(session.request(project.filePath, text, cursor), late)
        record.readTokenCount = 256
        // The next key is there already, so nothing goes on.
        let activity = session.keeper.requestArrived()
        session.keeper.requestArrived()
        session.keeper.requestUnread(record, since: activity)
        _ = try await session.ask(project.filePath, text, cursor)
        let tokens = late.tokens
        try await wait { await session.engine.knownPrefixLength(of: tokens) == 0 }
        #expect(await session.engine.knownPrefixLength(of: tokens) == 0)
    }

    @Test("What cannot be freed while the engine works on it is freed later", .timeLimit(.minutes(10)))
    func workedOnIsFreedLater() async throws {
        let session = try Session(cache: folder + "/cache", delays: .init(prefetch: .seconds(600)))
        await session.context.prepare(file: project.filePath)
        let text = Array(DrawingProject.caller.utf8)
        let cursor = text.count - 40
        let request = session.request(project.filePath, text, cursor)
        let own = try await session.ask(project.filePath, text, cursor).prompt
        var late = own
        late.tokens = (0..<400).map { TokenID($0 + 2_000) }
        let tokens = late.tokens
        _ = try await session.engine.prefetch(Array(tokens[..<256]), cancellation: CancellationFlag())
        var record = PromptRecord(request, late)
        record.readTokenCount = 256
        session.keeper.requestFinished(record, text: nil, since: session.keeper.requestArrived())
        // The document's own prompt, which had been read before, is noted behind it.
        session.keeper.requestFinished(
            PromptRecord(request, own), text: nil, since: session.keeper.requestArrived())
        _ = try await session.ask(project.filePath, text, cursor)
        try await wait { await session.engine.knownPrefixLength(of: tokens) == 0 }
        #expect(await session.engine.knownPrefixLength(of: tokens) == 0)
    }

    @Test("A prompt that was not read does not cost the document's last one its place on the disk")
    func unreadPromptIsNotRemembered() async throws {
        let session = try Session(cache: folder + "/cache", delays: .init(prefetch: .seconds(600)))
        await session.context.prepare(file: project.filePath)
        let text = Array(DrawingProject.caller.utf8)
        _ = try await session.ask(project.filePath, text, text.count - 40)
        var request = session.request(project.filePath, text, 40)
        request.deadline = AnswerDeadline(end: .now, rate: { nil })
        let activity = session.keeper.requestArrived()
        let record = try await session.pipeline.complete(request).record(of: request)
        try #require(!record.isRead)
        session.keeper.requestFinished(record, text: nil, since: activity)
        await session.keeper.storeRecords()
        let store = SnapshotStore(directory: folder + "/cache/snapshots")
        #expect(store.entries().contains { $0.origin?.documentPath == "report.py" })
    }

    @Test("Context that prompts may borrow outlives the prompt that it was read for", .timeLimit(.minutes(10)))
    func keptContextStays() async throws {
        let session = try Session(cache: folder + "/cache", delays: .init(prefetch: .seconds(600)))
        await session.context.prepare(file: project.filePath)
        // Some blocks of its own.
        let text = Array(String(repeating: DrawingProject.caller, count: 5).utf8)
        let first = try await session.ask(project.filePath, text, text.count - 40).prompt
        let contextCount = first.result.contextTokenCount
        try #require(contextCount >= 128 && first.tokens.count - contextCount > 150)
        // The engine works on something else; the document's prompt is another one, behind another's context.
        _ = try await session.engine.prefetch((0..<40).map { TokenID($0) }, cancellation: CancellationFlag())
        var next = first
        next.tokens = (0..<200).map { TokenID($0 + 2_000) }
        next.borrowed = KeptContext.Entry(rootPath: "/", documentPath: "/b", tokens: [], sources: [])
        let record = PromptRecord(session.request(project.filePath, text, text.count), next)
        session.keeper.requestFinished(record, text: nil, since: session.keeper.requestArrived())
        try await wait { await session.engine.knownPrefixLength(of: first.tokens) <= contextCount + 128 }
        #expect(await session.engine.knownPrefixLength(of: first.tokens) <= contextCount + 128)
        #expect(await session.engine.knownPrefixLength(of: first.tokens) >= contextCount)
    }

    @Test(
        "A document's oldest prompts take no memory any more, asked for or read ahead", .timeLimit(.minutes(10)),
        arguments: [false, true])
    func oldPromptsGo(isReadAhead: Bool) async throws {
        let session = try Session(
            cache: folder + "/cache", delays: .init(prefetch: isReadAhead ? .milliseconds(1) : .seconds(600)))
        await session.context.prepare(file: project.filePath)
        /// The same file with other lines above the cursor: some 200 tokens, more than a block.
        func text(_ number: Int) -> [UInt8] {
            let names = (0..<40).map { "name_\(number)_\($0)" }.joined(separator: ", ")
            return Array("NAMES = [\(names)]\n\(DrawingProject.caller)".utf8)
        }
        let path = project.filePath
        let first = try await session.ask(path, text(0), text(0).count).prompt.tokens
        for number in 1...PromptBranches.maximumCount + 1 {
            let next = text(number)
            if isReadAhead {
                session.keeper.documentChanged(path: path, text: next)
                try await session.waitUntilRead(path, next, next.count)
            } else {
                _ = try await session.ask(path, next, next.count)
            }
        }
        // Forgetting waits for nothing but the engine.
        try await wait { await session.engine.knownPrefixLength(of: first) <= first.count - 128 }
        #expect(await session.engine.knownPrefixLength(of: first) <= first.count - 128)
    }

    @Test("A prompt behind borrowed context is stored with the files that it shows")
    func borrowedContextIsStored() async throws {
        let other = "from shapes import Rectangle\n\n\ndef area(board):\n    return Rectangle(\n"
        try project.repository.write("area.py", other)
        let session = try Session(cache: folder + "/cache", delays: .init(prefetch: .seconds(600)))
        await session.context.prepare(file: project.filePath)
        let text = Array(DrawingProject.caller.utf8)
        _ = try await session.ask(project.filePath, text, text.count - 40)
        let path = project.repository.absolute("area.py")
        let borrowed = try await session.ask(path, Array(other.utf8), other.utf8.count - 1)
        try #require(borrowed.prompt.borrowed != nil)
        await session.keeper.storeRecords()
        let store = SnapshotStore(directory: folder + "/cache/snapshots")
        let origin = try #require(store.entries().compactMap(\.origin).first { $0.documentPath == "area.py" })
        let shown = (borrowed.prompt.borrowed?.sources ?? []).map(\.path)
        #expect(origin.sources.map(\.path) == shown + ["area.py"])

        let second = try Session(cache: folder + "/cache")
        await second.keeper.prepare(forFile: path)
        let after = try await second.ask(path, Array(other.utf8), other.utf8.count - 1)
        #expect(after.generation.reusedTokenCount == after.generation.promptTokenCount - 1)
        #expect(after.text == borrowed.text && after.prompt.tokens == borrowed.prompt.tokens)
    }

    @Test(
        "After a restart the last prompts are there, also before the repository is indexed; a changed file is noticed"
    )
    func restart() async throws {
        let text = Array(DrawingProject.caller.utf8)
        let cursor = text.count - 40
        let root = project.repository.path
        let first = try Session(cache: folder + "/cache")
        await first.context.prepare(file: project.filePath)
        let before = try await first.ask(project.filePath, text, cursor)
        first.keeper.requestArrived()
        await first.keeper.storeRecords()

        let second = try Session(cache: folder + "/cache")
        await second.disk.attach(rootPath: root, engine: second.engine, context: second.context)
        let after = try await second.ask(project.filePath, text, cursor)
        #expect(after.generation.reusedTokenCount == after.generation.promptTokenCount - 1)
        #expect(after.text == before.text && after.prompt.tokens == before.prompt.tokens)
        #expect(after.generation.logProbabilities == before.generation.logProbabilities)

        try project.repository.write("shapes.py", "def intersect_squares(a, b):\n    return a\n\n\nEND = 1\n")
        let third = try Session(cache: folder + "/cache")
        await third.disk.attach(rootPath: root, engine: third.engine, context: third.context)
        let changed = try await third.ask(project.filePath, text, cursor)
        #expect(changed.prompt.tokens != before.prompt.tokens, "the kept context shows a file as it no longer is")
    }

    @Test(
        "The first completion in a file reads no other file's tokens where some are read; its own context follows",
        .timeLimit(.minutes(10)))
    func contextIsBorrowed() async throws {
        let other = "from shapes import Rectangle\n\n\ndef area(board):\n    return Rectangle("
        let session = try Session(cache: folder + "/cache")
        await session.context.prepare(file: project.filePath)
        let text = Array(DrawingProject.caller.utf8)
        let first = try await session.ask(project.filePath, text, text.count - 40)
        #expect(first.prompt.tokens.count == first.prompt.result.prompt.tokens.count)
        try project.repository.write("area.py", other + "\n")
        let path = project.repository.absolute("area.py")
        await session.context.noteSaved(path)
        let cursor = other.utf8.count
        let second = try await session.ask(path, Array((other + "\n").utf8), cursor)
        let ownCount = second.prompt.result.prompt.tokens.count - second.prompt.result.contextTokenCount
        let own = second.prompt.result.prompt.tokens.suffix(ownCount).map { TokenID($0) }
        #expect(second.prompt.tokens.suffix(ownCount).elementsEqual(own), "the file's own part is its own")
        #expect(second.generation.promptTokenCount - second.generation.reusedTokenCount <= ownCount + 16)
        let decoded = String(decoding: session.engine.tokenizer.decode(second.prompt.tokens), as: UTF8.self)
        #expect(decoded.contains("class Rectangle"), "borrowed from the first file's prompt")
        // Then the prompt's own is read, and taken.
        let wanted = second.prompt.result.prompt.tokens.map { TokenID($0) }
        try await wait { await session.engine.knownPrefixLength(of: wanted) == wanted.count - 1 }
        #expect(try await session.ask(path, Array((other + "\n").utf8), cursor).prompt.tokens == wanted)
        // What was read behind the other file's context takes no memory any more.
        try #require(ownCount > 16)
        // Both files' own parts begin alike, with a token of structure or two.
        let ownStart = second.prompt.tokens.count - ownCount
        try await wait { await session.engine.knownPrefixLength(of: second.prompt.tokens) <= ownStart + 8 }
        #expect(await session.engine.knownPrefixLength(of: second.prompt.tokens) <= ownStart + 8)
    }

    @Test("What an editor has not saved, and what only a menu offered, is not written to the disk")
    func unsavedTextIsNotStored() async throws {
        let session = try Session(cache: folder + "/cache", delays: .init(prefetch: .seconds(600)))
        await session.context.prepare(file: project.filePath)
        let saved = Array(DrawingProject.caller.utf8)
        let unsaved = saved + Array("PASSPHRASE = 'unsaved'\n".utf8)
        _ = try await session.ask(project.filePath, unsaved, unsaved.count)
        await session.keeper.storeRecords()
        let store = SnapshotStore(directory: folder + "/cache/snapshots")
        #expect(store.entries().map { $0.origin?.documentPath } == [""], "the other files alone")
        _ = try await session.ask(project.filePath, saved, saved.count)
        _ = try await session.ask(project.filePath, unsaved, unsaved.count, isHypothetical: true)
        await session.keeper.storeRecords()
        #expect(store.entries().contains { $0.origin?.documentPath == "report.py" })
        let secret = session.engine.tokenizer.encode("PASSPHRASE = 'unsaved'", parsingSpecialTokens: false)
        let bytes = Data(secret.flatMap { withUnsafeBytes(of: $0.rawValue.littleEndian) { Array($0) } })
        let stored = store.entries().map(\.path)
        #expect(try stored.allSatisfy { try Data(contentsOf: URL(fileURLWithPath: $0)).range(of: bytes) == nil })
    }

    @Test("A request ends all that is read ahead, whatever began it")
    func allReadingEnds() throws {
        let session = try Session(cache: folder + "/cache")
        let flags = (0..<2).compactMap { _ in session.keeper.begin(since: 0) }
        #expect(flags.count == 2)
        session.keeper.requestArrived()
        #expect(flags.count { $0.isRaised } == 2)
        #expect(session.keeper.begin(since: 0) == nil)
    }

    @Test("A snapshot with a file that nobody has added to git yet outlives the session")
    func untrackedSource() async throws {
        let text = Array("import shapes\nx = shapes.\n".utf8)
        try project.repository.write("new.py", bytes: text)
        let path = project.repository.absolute("new.py")
        let first = try Session(cache: folder + "/cache", delays: .init(prefetch: .seconds(600)))
        await first.context.prepare(file: path)
        _ = try await first.ask(path, text, text.count - 1)
        await first.keeper.storeRecords()
        let store = SnapshotStore(directory: folder + "/cache/snapshots")
        #expect(store.entries().contains { $0.origin?.documentPath == "new.py" })
        let second = try Session(cache: folder + "/cache")
        await second.keeper.prepare(forFile: path)
        #expect(store.entries().contains { $0.origin?.documentPath == "new.py" })
    }

    @Test("Packed weights have a bound, the ones in use are spared, and clearing all takes them")
    func weightsAreBounded() throws {
        let cache = folder + "/w"
        try FileManager.default.createDirectory(atPath: cache + "/weights", withIntermediateDirectories: true)
        let weights = WeightsFolder(cacheDirectory: cache, byteLimit: 250)
        let paths = (0..<4).map { weights.path(modelChecksum: "\($0)", instructionSet: "any") }
        for (age, path) in paths.enumerated() {
            try Data(count: 100).write(to: URL(fileURLWithPath: path))
            try FileManager.default.setAttributes(
                [.modificationDate: Date(timeIntervalSinceNow: -1_000 * Double(age + 1))], ofItemAtPath: path)
        }
        weights.noteUse(of: paths[3])
        weights.removeLeastRecentlyUsed(sparing: paths[2])
        #expect(Set(weights.entries().map(\.path)) == [paths[3], paths[0], paths[2]])
        #expect(weights.clear() == 300 && weights.entries().isEmpty)
    }

    @Test("Two daemons that warm one work tree: the second leaves word and goes, the first begins anew")
    func singleFlight() throws {
        let first = try #require(try WarmFlight(workTreePath: "/w", folder: folder + "/run/f"))
        #expect(!first.isOutdated)
        #expect(try WarmFlight(workTreePath: "/w", folder: folder + "/run/f") == nil)
        #expect(first.isOutdated)
        first.renew()
        #expect(!first.isOutdated)
        #expect(try WarmFlight(workTreePath: "/other", folder: folder + "/run/f") != nil)
    }
}
