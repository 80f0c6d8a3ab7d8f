// The workload of `bench --scenario speculation`: prompts of an exact length at the committed cursor positions of
// Benchmarks/cursors, from source trees that Benchmarks/fetch.sh unpacks. The prompt has the shape that the shipped
// model was trained on: repository, context files with the nearest folder last, then the file as suffix and prefix.

import RepoContext
import SpecEngine

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

struct SpeculationWorkload {
    struct Case {
        let name: String
        let prompt: [TokenID]
    }

    /// A list of positions, as in Benchmarks/cursors.
    private struct CursorList: Decodable {
        struct Repository: Decodable {
            let name: String
            let commit: String
        }
        struct Cursor: Decodable {
            let repository: String
            let path: String
            let line: Int
            let column: Int
        }
        let repositories: [Repository]
        let cursors: [Cursor]
    }

    private let list: CursorList
    private let directory: String
    private let tokenizer: Tokenizer
    private var filesOf: [String: [String]] = [:]

    private static let extensions = [
        ".c", ".cc", ".cpp", ".cs", ".go", ".h", ".hpp", ".java", ".js", ".kt", ".py", ".rs", ".swift", ".ts",
        ".tsx",
    ]
    private static let contextFileByteCounts = 150...60_000
    private static let suffixByteCount = 1_500
    private static let prefixByteCount = 5_000
    private static let listByteCount = 1 << 20

    init(cursorPath: String, directory: String, tokenizer: Tokenizer) throws {
        let bytes = try SourceFile.readBytes(cursorPath)
        guard bytes.count < Self.listByteCount,
            let list = try? JSONDecoder().decode(CursorList.self, from: Data(bytes))
        else {
            throw CommandError.usage(
                "\(cursorPath) is no list of cursor positions", fix: "choose one of Benchmarks/cursors")
        }
        guard tokenizer.specialTokens.supportsFillInTheMiddle else {
            throw CommandError.usage("this model cannot fill holes", fix: "choose another one with --model")
        }
        self.list = list
        self.directory = directory
        self.tokenizer = tokenizer
    }

    /// The cases of these numbers (from 1), of exactly `tokenCount` tokens, repositories in turn; fewer where texts are
    /// too short.
    mutating func cases(_ numbers: ClosedRange<Int>, tokenCount: Int) throws -> [Case] {
        let byRepository = list.repositories.map { repository in
            list.cursors.filter { $0.repository == repository.name }
        }
        var cases: [Case] = []
        for turn in 0..<(byRepository.map(\.count).max() ?? 0) {
            for cursors in byRepository where turn < cursors.count && cases.count < numbers.upperBound {
                guard let prompt = try prompt(cursors[turn], tokenCount: tokenCount) else { continue }
                let cursor = cursors[turn]
                cases.append(
                    Case(
                        name: "\(cursor.repository)/\(cursor.path):\(cursor.line):\(cursor.column)",
                        prompt: prompt))
            }
        }
        cases.removeFirst(min(cases.count, numbers.lowerBound - 1))
        guard !cases.isEmpty else {
            throw CommandError.usage(
                "no cursor in --cases has \(tokenCount) tokens of context below \(directory)",
                fix: "run Benchmarks/fetch.sh, or name its folder with --workload")
        }
        return cases
    }

    private mutating func prompt(_ cursor: CursorList.Cursor, tokenCount: Int) throws -> [TokenID]? {
        let root = directory + "/" + cursor.repository
        let text = try SourceFile.readBytes(root + "/" + cursor.path)
        let lines = text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        guard cursor.line >= 1, cursor.line <= lines.count, cursor.column >= 1,
            cursor.column <= lines[cursor.line - 1].count + 1
        else {
            throw CommandError.usage(
                "\(cursor.path) has no position \(cursor.line):\(cursor.column)",
                fix: "the files are not those of the commit in the list: run Benchmarks/fetch.sh again")
        }
        let place = lines[cursor.line - 1].startIndex + cursor.column - 1
        // The rest of the line is what the completion should write.
        let suffix = text[lines[cursor.line - 1].endIndex...].prefix(Self.suffixByteCount)
        func plain(_ bytes: some Collection<UInt8>) -> [TokenID] {
            tokenizer.encode(Array(bytes), parsingSpecialTokens: false)
        }
        let special = tokenizer.specialTokens
        func mark(_ token: TokenID?) -> [TokenID] { token.map { [$0] } ?? [] }
        let opening = mark(special.repositoryName) + plain((cursor.repository + "\n").utf8)
        let head =
            mark(special.fileSeparator) + plain((cursor.path + "\n").utf8) + mark(special.fimSuffix)
            + plain(suffix) + mark(special.fimPrefix)
        let prefix = plain(text[..<place].suffix(Self.prefixByteCount))
        // A short prompt has a shorter prefix, never fewer marks.
        let prefixRoom = tokenCount - opening.count - head.count - 1
        guard prefixRoom > 0 else { return nil }
        let current = head + prefix.suffix(prefixRoom) + mark(special.fimMiddle)
        let room = tokenCount - opening.count - current.count
        var context: [TokenID] = []
        for other in sourceFiles(of: cursor.repository, near: cursor.path) where context.count < room {
            let bytes = try SourceFile.readBytes(root + "/" + other)
            guard Self.contextFileByteCounts.contains(bytes.count) else { continue }
            context = mark(special.fileSeparator) + plain((other + "\n").utf8) + plain(bytes) + context
        }
        guard context.count >= room else { return nil }
        return opening + context.suffix(room) + current
    }

    /// All source files but the current one, the fewest folders away first.
    private mutating func sourceFiles(of repository: String, near path: String) -> [String] {
        if filesOf[repository] == nil {
            // A folder that is not there has no files; the caller says so.
            let names =
                (try? FileManager.default.subpathsOfDirectory(atPath: directory + "/" + repository)) ?? []
            filesOf[repository] = names.filter { name in Self.extensions.contains { name.hasSuffix($0) } }
        }
        let here = path.split(separator: "/").dropLast()
        func distance(_ other: String) -> Int {
            let there = other.split(separator: "/").dropLast()
            let common = zip(here, there).prefix { $0 == $1 }.count
            return here.count + there.count - 2 * common
        }
        return (filesOf[repository] ?? []).filter { $0 != path }.map { (distance($0), $0) }.sorted { $0 < $1 }
            .map(\.1)
    }
}
