// `foretoken bench --scenario context`: what the index costs in time and memory, how long a cursor waits for its
// context, and how often that context changes while somebody types. Reads one repository; writes only an index into
// a temporary folder.

import Foundation
import RepoContext

#if canImport(Glibc)
    import Glibc
#endif

/// Measures repository context on one repository.
struct ContextBench {
    struct Measurement {
        let name: String
        let unit: String
        let values: [Double]
    }

    /// Cursors asked for once each, and places where text is typed.
    static let cursorCount = 300
    static let typingPlaceCount = 20
    /// Keystrokes at each place: about eight lines.
    static let keystrokeCount = 240
    /// Files drawn for all that.
    private static let sampleCount = 400

    let rootPath: String
    let tokenizer: EnginePromptTokenizer
    let tokenBudget: Int

    func run(repeats: Int) async throws -> [Measurement] {
        let files = try sample()
        guard let first = files.first else {
            throw CommandError.usage(
                "\(rootPath) holds no source files", fix: "name a repository with --workload")
        }
        var cold: [Double] = []
        var reopened: [Double] = []
        var memory: [Double] = []
        for _ in 0..<min(repeats, 3) {
            let cache = try TemporaryFolder()
            let before = residentMebibytes()
            cold.append(try await time { await context(cache: cache.path).prepare(file: first) })
            memory.append(residentMebibytes() - before)
            reopened.append(try await time { await context(cache: cache.path).prepare(file: first) })
        }
        let warm = context(cache: nil)
        await warm.prepare(file: first)
        let saved = try await savedTimes(warm, files: files)
        let (cursors, timings) = try await cursorTimes(warm, files: files)
        let typing = try await typing(warm, files: files)
        return [
            Measurement(name: "cold_index", unit: "ms", values: cold),
            Measurement(name: "cold_index_memory", unit: "MiB", values: memory),
            Measurement(name: "reopen", unit: "ms", values: reopened),
            Measurement(name: "saved_file", unit: "ms", values: saved),
            Measurement(name: "cursor", unit: "ms", values: cursors),
            Measurement(
                name: "cursor_selection", unit: "ms", values: timings.map { $0.selection.milliseconds }),
            Measurement(
                name: "cursor_tokenisation", unit: "ms", values: timings.map { $0.tokenisation.milliseconds }),
            Measurement(name: "keystroke", unit: "ms", values: typing.times),
            Measurement(
                name: "changes_per_20_keys", unit: "changes",
                values: [20 * Double(typing.changeCount) / Double(max(1, typing.keyCount))]),
        ]
    }

    private func context(cache: String?) -> RepositoryContext {
        RepositoryContext(
            RepositoryContext.Configuration(workspaceFolders: [rootPath], cacheFolder: cache) { _ in })
    }

    private func time(_ body: () async throws -> Void) async throws -> Double {
        let start = ContinuousClock.now
        try await body()
        return (ContinuousClock.now - start).milliseconds
    }

    // MARK: Measurements

    /// A save to the answer of the next query, less what a query costs anyway.
    private func savedTimes(_ context: RepositoryContext, files: [String]) async throws -> [Double] {
        var times: [Double] = []
        for file in files.prefix(40) {
            let query = try query(file, at: 0.5)
            _ = try await context.prompt(for: query, tokenizer: tokenizer)
            await context.noteSaved(file)
            times.append(
                try await context.prompt(for: query, tokenizer: tokenizer).timing.snapshot.milliseconds)
        }
        return times
    }

    private func cursorTimes(
        _ context: RepositoryContext, files: [String]
    ) async throws -> ([Double], [ContextTiming]) {
        var times: [Double] = []
        var timings: [ContextTiming] = []
        for number in 0..<Self.cursorCount {
            let file = files[number % files.count]
            let result = try await context.prompt(
                for: try query(file, at: Double(number * 37 % 100) / 100), tokenizer: tokenizer)
            times.append(result.timing.total.milliseconds)
            timings.append(result.timing)
        }
        return (times, timings)
    }

    /// Types the lines that follow a place, one byte after the other, as if they were new.
    private func typing(
        _ context: RepositoryContext, files: [String]
    ) async throws -> (times: [Double], changeCount: Int, keyCount: Int) {
        var times: [Double] = []
        var changeCount = 0
        var keyCount = 0
        for number in 0..<Self.typingPlaceCount {
            let whole = try query(files[(number * 7 + 3) % files.count], at: 0.3)
            let start = whole.cursorOffset
            let end = min(whole.text.count, start + Self.keystrokeCount)
            var shown: [Int32]?
            for cursor in start..<max(start, end) where whole.text[cursor] & 0xC0 != 0x80 {
                var query = whole
                query.text = Array(whole.text[..<cursor] + whole.text[end...])
                query.cursorOffset = cursor
                let result = try await context.prompt(for: query, tokenizer: tokenizer)
                times.append(result.timing.total.milliseconds)
                let context = Array(
                    result.prompt.tokens[..<(result.prompt.contextOrigins.last?.tokenRange.upperBound ?? 0)])
                if let shown {
                    keyCount += 1
                    if shown != context { changeCount += 1 }
                }
                shown = context
            }
        }
        return (times, changeCount, keyCount)
    }

    /// A cursor at the start of the line that is this far down the file.
    private func query(_ file: String, at share: Double) throws -> ContextQuery {
        let text = try SourceFile.readBytes(file)
        let middle = Int(Double(text.count) * share)
        let start = text[middle...].firstIndex(of: 0x0A).map { $0 + 1 } ?? text.count
        return ContextQuery(filePath: file, text: text, cursorOffset: start, tokenBudget: tokenBudget)
    }

    // MARK: Surroundings

    /// Source files of the repository, spread evenly over it.
    private func sample() throws -> [String] {
        let endings = [".py", ".ts", ".js", ".go", ".rs", ".java", ".swift", ".c", ".cpp", ".kt", ".cs"]
        var found: [String] = []
        let names = FileManager.default.enumerator(atPath: rootPath)
        while let name = names?.nextObject() as? String {
            if name.hasPrefix(".git/") || !endings.contains(where: name.hasSuffix) { continue }
            found.append(rootPath + "/" + name)
        }
        found.sort()
        let step = max(1, found.count / Self.sampleCount)
        return stride(from: 0, to: found.count, by: step).map { found[$0] }
    }

    private func residentMebibytes() -> Double {
        let words = (FileManager.default.contents(atPath: "/proc/self/statm")).map {
            String(decoding: $0, as: UTF8.self)
        }
        let pages = words?.split(separator: " ").dropFirst().first.flatMap { Double($0) } ?? 0
        return pages * Double(sysconf(Int32(_SC_PAGESIZE))) / 0x1p20
    }

    /// A folder that goes with the value.
    private final class TemporaryFolder {
        let path: String

        init() throws {
            path = NSTemporaryDirectory() + "foretoken-bench-\(getpid())-\(UInt32.random(in: 0 ... .max))"
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        }

        deinit { try? FileManager.default.removeItem(atPath: path) }
    }
}
