// What editing costs: how many tokens of a long prompt are computed again, and how long the first token takes,
// after the things that happen in an editor. On real files of a real repository, in one process; the restart is a
// new engine, a new repository context and what the disk gives back.

import RepoContext
import SpecEngine

#if canImport(Glibc)
    import Glibc
#endif

/// Measures `bench --scenario edits` and `restart`.
struct EditsBench {
    /// Values of one kind.
    struct Measurement {
        let name: String
        let unit: String
        var values: [Double]
    }

    /// Lines that the first and the second file must have.
    private static let lineCounts = [300, 60, 60]
    private static let typedByteCount = 40
    /// Lines between an edit and the cursor below it.
    private static let editDistance = 200
    private static let nearEditDistance = 100

    let configuration: EngineConfiguration
    /// A folder in the repository.
    let folder: String
    let tokenBudget: Int
    let repeats: Int

    /// An engine with everything around it, as `serve` has it.
    private struct Session {
        let engine: InferenceEngine
        let context: RepositoryContext
        let pipeline: CompletionPipeline
        let keeper: PrefixKeeper
        let disk: SnapshotKeeper
    }

    private struct Document {
        let path: String
        var text: [UInt8]
        var cursor: Int
    }

    private struct Answer {
        let promptTokens: Int
        let computedTokens: Int
        /// Of the other files' tokens.
        let computedContextTokens: Int
        /// Context and prefill: when the first token's logits are there.
        let firstTokenTime: Duration
    }

    private func session(cacheDirectory: String) throws -> Session {
        let engine = try configuration.load()
        let context = RepositoryContext(RepositoryContext.Configuration(workspaceFolders: [folder]) { _ in })
        let disk = SnapshotKeeper(cacheDirectory: cacheDirectory)
        let pipeline = CompletionPipeline(engine: engine, context: context, keptContext: disk.kept)
        let keeper = PrefixKeeper(
            engine: engine, context: context, pipeline: pipeline, disk: disk, memory: nil,
            progress: NoProgress())
        return Session(engine: engine, context: context, pipeline: pipeline, keeper: keeper, disk: disk)
    }

    private func ask(_ session: Session, _ document: Document) async throws -> Answer {
        let query = ContextQuery(
            filePath: document.path, text: document.text, cursorOffset: document.cursor,
            tokenBudget: tokenBudget)
        let request = CompletionPipeline.Request(
            query: query, languageID: LanguageID.guess(path: document.path), maximumTokens: 16,
            sampling: .greedy,
            cancellation: CancellationFlag())
        let activity = session.keeper.requestArrived()
        let result = try await session.pipeline.complete(request)
        session.keeper.requestFinished(
            PromptRecord(request, result.prompt), text: result.text, since: activity)
        let generation = result.generation
        let prompt = result.prompt.result
        let ownTokens = prompt.prompt.tokens.count - prompt.contextTokenCount
        return Answer(
            promptTokens: generation.promptTokenCount,
            computedTokens: generation.promptTokenCount - generation.reusedTokenCount,
            computedContextTokens: max(0, result.prompt.tokens.count - ownTokens - generation.reusedTokenCount),
            firstTokenTime: result.contextTime + generation.prefillTime)
    }

    // MARK: Editing

    func edits() async throws -> [Measurement] {
        let cache = try temporaryFolder()
        defer { removeTemporary(cache) }
        let session = try session(cacheDirectory: cache)
        await session.context.prepare(file: folder + "/x")
        let documents = try await documents(session)
        var results = try await typing(session, documents[0])
        results += try await editing(session, documents[0])
        results += try await switching(session, documents)
        session.keeper.requestArrived()
        await session.keeper.storeRecords()
        results += try await restarts(cacheDirectory: cache, documents: documents)
        return results
    }

    private func documents(_ session: Session) async throws -> [Document] {
        var found: [Document] = []
        for path in await session.context.recentlyChangedFiles(beneath: folder, limit: 4_096)
        where found.count < Self.lineCounts.count {
            guard let text = try? SourceFile.read(path), text.count < 64 << 10 else { continue }
            let breaks = text.indices.filter { text[$0] == 0x0A }
            guard breaks.count >= Self.lineCounts[found.count] else { continue }
            found.append(Document(path: path, text: text, cursor: breaks[breaks.count * 4 / 5]))
        }
        guard found.count == Self.lineCounts.count else {
            throw CommandError.usage(
                "\(folder) has no files of \(Self.lineCounts) lines",
                fix: "name a larger repository with --repository")
        }
        return found
    }

    /// The bytes behind the cursor are taken out and typed in again, one by one.
    private func typing(_ session: Session, _ document: Document) async throws -> [Measurement] {
        var document = document
        let end = min(document.text.count, document.cursor + Self.typedByteCount)
        let typed = Array(document.text[document.cursor..<end])
        document.text.removeSubrange(document.cursor..<end)
        let cold = try await ask(session, document)
        var tokens = Measurement(name: "typed_recomputed", unit: "tokens", values: [])
        var times = Measurement(name: "typed_first_token", unit: "ms", values: [])
        for byte in typed where byte < 0x80 {
            document.text.insert(byte, at: document.cursor)
            document.cursor += 1
            let answer = try await ask(session, document)
            tokens.values.append(Double(answer.computedTokens))
            times.values.append(answer.firstTokenTime.milliseconds)
        }
        let mean = tokens.values.reduce(0, +) / Double(max(1, tokens.values.count))
        return [
            Measurement(name: "prompt", unit: "tokens", values: [Double(cold.promptTokens)]),
            Measurement(name: "cold_first_token", unit: "ms", values: [cold.firstTokenTime.milliseconds]),
            Measurement(name: "typed_recomputed_mean", unit: "tokens", values: [mean]), tokens, times,
        ]
    }

    private func editing(_ session: Session, _ document: Document) async throws -> [Measurement] {
        var share = Measurement(name: "edit_above_recomputed", unit: "%", values: [])
        var near = Measurement(name: "edit_100_above_recomputed", unit: "%", values: [])
        var idle = Measurement(name: "edit_above_after_1s_recomputed", unit: "tokens", values: [])
        var nearIdle = Measurement(name: "edit_100_above_after_1s_recomputed", unit: "tokens", values: [])
        var undone = Measurement(name: "undo_recomputed", unit: "tokens", values: [])
        var deleted = Measurement(name: "delete_20_recomputed", unit: "tokens", values: [])
        var saved = Measurement(name: "save_recomputed", unit: "tokens", values: [])
        _ = try await ask(session, document)
        for round in 0..<repeats {
            share.values.append(try await edit(session, document, Self.editDistance, round))
            undone.values.append(Double(try await ask(session, document).computedTokens))
            idle.values.append(try await editAndIdle(session, document, Self.editDistance, round))
            _ = try await ask(session, document)
            near.values.append(try await edit(session, document, Self.nearEditDistance, round))
            _ = try await ask(session, document)
            nearIdle.values.append(try await editAndIdle(session, document, Self.nearEditDistance, round))
            var shorter = document
            let start = max(0, shorter.cursor - 20)
            shorter.text.removeSubrange(start..<shorter.cursor)
            shorter.cursor = start
            _ = try await ask(session, document)
            deleted.values.append(Double(try await ask(session, shorter).computedTokens))
            _ = try await ask(session, document)
            await session.context.noteSaved(document.path)
            saved.values.append(Double(try await ask(session, document).computedTokens))
        }
        return [share, idle, near, nearIdle, undone, deleted, saved]
    }

    /// Percent of the prompt that is computed after a line was put in above the cursor.
    private func edit(
        _ session: Session, _ document: Document, _ distance: Int, _ round: Int
    ) async throws -> Double {
        let answer = try await ask(session, Self.editedAbove(document, distance, "// note \(round)\n"))
        return 100 * Double(answer.computedTokens) / Double(answer.promptTokens)
    }

    /// Tokens that are left to compute when the next request comes a second after the edit.
    private func editAndIdle(
        _ session: Session, _ document: Document, _ distance: Int, _ round: Int
    ) async throws -> Double {
        let later = Self.editedAbove(document, distance, "// later \(round)\n")
        session.keeper.documentChanged(path: later.path, text: later.text)
        try await Task.sleep(for: .seconds(1))
        return Double(try await ask(session, later).computedTokens)
    }

    /// A line put in `distance` lines above the cursor, or at the start.
    private static func editedAbove(_ document: Document, _ distance: Int, _ line: String) -> Document {
        var edited = document
        var place = document.cursor
        for _ in 0..<distance {
            guard let lineBreak = edited.text[..<place].lastIndex(of: 0x0A) else { break }
            place = lineBreak
        }
        let start = place == document.cursor ? 0 : place + 1
        edited.text.insert(contentsOf: line.utf8, at: start)
        edited.cursor += line.utf8.count
        return edited
    }

    private func switching(_ session: Session, _ documents: [Document]) async throws -> [Measurement] {
        var back = Measurement(name: "switch_back_recomputed", unit: "tokens", values: [])
        var backTime = Measurement(name: "switch_back_first_token", unit: "ms", values: [])
        var other = Measurement(name: "switch_other_recomputed", unit: "tokens", values: [])
        for _ in 0..<repeats {
            _ = try await ask(session, documents[0])
            // Twice: the first answer may come behind another file's context, and the own one is read then.
            other.values.append(Double(try await ask(session, documents[1]).computedTokens))
            _ = try await ask(session, documents[1])
            let answer = try await ask(session, documents[0])
            back.values.append(Double(answer.computedTokens))
            backTime.values.append(answer.firstTokenTime.milliseconds)
        }
        return [other, back, backTime]
    }

    // MARK: Restart

    private func restarts(cacheDirectory: String, documents: [Document]) async throws -> [Measurement] {
        var time = Measurement(name: "restart_first_completion", unit: "ms", values: [])
        var tokens = Measurement(name: "restart_recomputed", unit: "tokens", values: [])
        var otherTime = Measurement(name: "restart_other_first_completion", unit: "ms", values: [])
        var otherTokens = Measurement(name: "restart_other_recomputed", unit: "tokens", values: [])
        var context = Measurement(name: "restart_other_context_recomputed", unit: "tokens", values: [])
        for _ in 0..<repeats {
            let (elapsed, answer) = try await restart(cacheDirectory: cacheDirectory, documents[0])
            time.values.append(elapsed.milliseconds)
            tokens.values.append(Double(answer.computedTokens))
            let (otherElapsed, other) = try await restart(cacheDirectory: cacheDirectory, documents[2])
            otherTime.values.append(otherElapsed.milliseconds)
            otherTokens.values.append(Double(other.computedTokens))
            context.values.append(Double(other.computedContextTokens))
        }
        return [time, tokens, otherTime, otherTokens, context]
    }

    private func restart(cacheDirectory: String, _ document: Document) async throws -> (Duration, Answer) {
        let start = ContinuousClock.now
        let session = try session(cacheDirectory: cacheDirectory)
        let rootPath = await session.context.report(forFile: folder + "/x").scope.rootPath ?? folder
        await session.disk.attach(rootPath: rootPath, engine: session.engine, context: session.context)
        let answer = try await ask(session, document)
        return (ContinuousClock.now - start, answer)
    }

    /// The first completions after a start with what the user's cache directory holds of this repository.
    func restart() async throws -> [Measurement] {
        guard let cache = UserDirectories.cache else {
            throw CommandError.file("there is no home directory", fix: "set HOME or XDG_CACHE_HOME")
        }
        let folders = try? GitFolders.find(from: folder)
        let rootPath = folders?.workTreePath ?? folder
        let origins = SnapshotStore(directory: cache + "/snapshots").entries().compactMap(\.origin).filter {
            $0.rootPath == rootPath && !$0.documentPath.isEmpty
        }
        guard !origins.isEmpty else {
            throw CommandError.usage(
                "nothing is stored of \(rootPath)", fix: "run foretoken warm there first")
        }
        var results = [
            Measurement(name: "restart_first_completion", unit: "ms", values: []),
            Measurement(name: "restart_recomputed", unit: "tokens", values: []),
        ]
        for origin in origins.prefix(PrefixKeeper.documentCount) {
            let path = rootPath + "/" + origin.documentPath
            guard let text = try? SourceFile.read(path) else { continue }
            let document = Document(path: path, text: text, cursor: min(origin.cursorOffset, text.count))
            let (elapsed, answer) = try await restart(cacheDirectory: cache, document)
            results[0].values.append(elapsed.milliseconds)
            results[1].values.append(Double(answer.computedTokens))
        }
        return results
    }

    private func temporaryFolder() throws(CommandError) -> String {
        var template = Array("/tmp/foretoken-bench-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw .file("no temporary folder can be made in /tmp", fix: "check its permissions")
        }
        return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private func removeTemporary(_ folder: String) {
        _ = SnapshotStore(directory: folder + "/snapshots").clear(rootPath: nil)
        rmdir(folder + "/snapshots")
        _ = WeightsFolder(cacheDirectory: folder).clear()
        unlink(folder + "/checksums")
        rmdir(folder)
    }
}
