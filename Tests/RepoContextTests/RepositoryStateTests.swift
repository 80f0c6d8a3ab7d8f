// Repositories in the states that git itself makes: SHA-256 names, reftable, partial, sparse and shallow clones, names
// that differ in case alone. Each still gives context, with at most one line about what is missing; what git ignores
// stays out where libgit2 cannot be asked.

import CGit2
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import RepoContext

@Suite struct RepositoryStateTests {
    private static let text = "import pricing\nx = discounted_total(far_function(local_function()))\ny = "

    /// A folder under git with three commits and an ignored file.
    private static func project(_ options: [String] = []) throws -> RepositoryFixture {
        let fixture = try RepositoryFixture(isRepository: false)
        try GitCommand.run(["init", "-q"] + options, in: fixture.path)
        try fixture.write(".gitignore", "local.py\n")
        try fixture.write("local.py", "def local_function(): ignored_by_git\n")
        for round in 1...3 {
            try fixture.write("pricing.py", "def discounted_total(order):\n    return \(round)\n")
            try fixture.write("view.py", "x = \(round)\n")
            try fixture.write("far/away/place.py", "def far_function(a):\n    return \(round)\n")
            try GitCommand.run(["add", "-A"], in: fixture.path)
            try GitCommand.run(["commit", "-q", "-m", "Round \(round)"], in: fixture.path)
        }
        return fixture
    }

    /// A clone of it with git's own transport, which shortens and filters as a server would.
    private static func clone(_ source: RepositoryFixture, _ options: [String]) throws -> RepositoryFixture {
        try GitCommand.run(["config", "uploadpack.allowFilter", "true"], in: source.path)
        let clone = try RepositoryFixture(isRepository: false, name: "clone")
        try GitCommand.run(["clone", "-q"] + options + ["file://" + source.path, "."], in: clone.path)
        return clone
    }

    /// The third answer of one context, and all lines that it reported.
    private static func answer(_ fixture: RepositoryFixture) async throws -> (PromptResult, lines: [String]) {
        let lines = Lines()
        let context = RepositoryContext(
            .init(queryTimeLimit: .seconds(60), onDegradation: { lines.add($0) }))
        let query = ContextQuery(
            filePath: fixture.absolute("view.py"), text: Array(text.utf8), cursorOffset: text.utf8.count,
            tokenBudget: 2_000)
        await context.prepare(file: query.filePath)
        for _ in 0..<2 { _ = try await context.prompt(for: query, tokenizer: ByteTokenizer()) }
        let result = try await context.prompt(for: query, tokenizer: ByteTokenizer())
        #expect(!result.prompt.text.contains("ignored_by_git"))
        return (result, lines.all)
    }

    private final class Lines: Sendable {
        private let lines = Mutex<[String]>([])
        func add(_ line: String) { lines.withLock { $0.append(line) } }
        var all: [String] { lines.withLock { $0 } }
    }

    private static func paths(_ result: PromptResult) -> Set<String> {
        Set(result.contextPaths.map(\.string))
    }

    // MARK: Formats that libgit2 does not read

    @Test(
        "A repository with SHA-256 names is a plain folder that keeps its ignore rules",
        .enabled(if: GitCommand.isInstalled))
    func readsSHA256() async throws {
        let fixture = try Self.project(["--object-format=sha256"])
        let (result, lines) = try await Self.answer(fixture)
        #expect(result.scope == .folder(rootPath: fixture.path))
        #expect(Self.paths(result) == ["pricing.py", "far/away/place.py"])
        #expect(lines.count == 1 && lines[0].contains("cannot be opened"), "\(lines)")
    }

    @Test("A reftable repository is a plain folder too", .enabled(if: GitCommand.isInstalled))
    func readsReftable() async throws {
        let fixture = try Self.project()
        // As git lays it out since 2.45; made by hand, because older ones cannot.
        let config = try String(contentsOfFile: fixture.absolute(".git/config"), encoding: .utf8)
            .replacingOccurrences(of: "repositoryformatversion = 0", with: "repositoryformatversion = 1")
        try fixture.damage("config", with: config + "[extensions]\n\trefStorage = reftable\n")
        try fixture.damage("HEAD", with: "ref: refs/heads/.invalid\n")
        try fixture.remove(".git/refs")
        try fixture.damage("refs/heads", with: "this repository uses the reftable format\n")
        try fixture.damage("reftable/tables.list", with: "0x000000000001-0x000000000004-a1b2c3d4.ref\n")
        try fixture.damage("reftable/0x000000000001-0x000000000004-a1b2c3d4.ref", with: "REFT\u{1}")
        let (result, lines) = try await Self.answer(fixture)
        #expect(result.scope == .folder(rootPath: fixture.path))
        #expect(Self.paths(result) == ["pricing.py", "far/away/place.py"])
        #expect(lines.count == 1 && lines[0].contains("cannot be opened"), "\(lines)")
    }

    // MARK: Clones that lack something

    @Test(
        "A partial clone with a sparse checkout gives what is there, and fetches nothing",
        .enabled(if: GitCommand.isInstalled))
    func readsPartialClones() async throws {
        let clone = try Self.clone(Self.project(), ["--filter=blob:none", "--sparse"])
        func missing() throws -> Int {
            let objects = try GitCommand.run(
                ["rev-list", "--objects", "--all", "--missing=print"], in: clone.path)
            return objects.split(separator: "\n").count { $0.hasPrefix("?") }
        }
        let before = try missing()
        #expect(before > 0)
        let (result, lines) = try await Self.answer(clone)
        #expect(result.scope == .repository(rootPath: clone.path))
        #expect(Self.paths(result) == ["pricing.py"])
        #expect(lines == [])
        #expect(try missing() == before)
    }

    @Test(
        "A clone without the trees of its past has no history, and says so once",
        .enabled(if: GitCommand.isInstalled))
    func readsTreelessClones() async throws {
        let clone = try Self.clone(Self.project(), ["--filter=tree:0"])
        let (result, lines) = try await Self.answer(clone)
        #expect(result.scope == .repository(rootPath: clone.path))
        #expect(Self.paths(result) == ["pricing.py", "far/away/place.py"])
        #expect(lines.count == 1 && lines[0].contains("history"), "\(lines)")
    }

    @Test(
        "A sparse index, which libgit2 refuses, costs the status alone",
        .enabled(if: GitCommand.isInstalled))
    func readsSparseIndexes() async throws {
        let clone = try Self.clone(Self.project(), [])
        try GitCommand.run(["sparse-checkout", "set", "--cone", "--sparse-index", "near"], in: clone.path)
        let (result, lines) = try await Self.answer(clone)
        #expect(result.scope == .repository(rootPath: clone.path))
        #expect(Self.paths(result) == ["pricing.py"])
        #expect(lines.count == 1 && lines[0].contains("listed from HEAD"), "\(lines)")
    }

    @Test("A shallow clone is a repository like any other", .enabled(if: GitCommand.isInstalled))
    func readsShallowClones() async throws {
        let clone = try Self.clone(Self.project(), ["--depth", "2"])
        let (result, lines) = try await Self.answer(clone)
        #expect(result.scope == .repository(rootPath: clone.path))
        #expect(Self.paths(result) == ["pricing.py", "far/away/place.py"])
        #expect(lines == [])
    }

    @Test(
        "Where a file system keeps one of two names that differ in case, one file is shown",
        .enabled(if: GitCommand.isInstalled))
    func readsCaseClashes() async throws {
        let fixture = try Self.project()
        try fixture.write("Pricing.py", "def discounted_total(order):\n    return 'the other'\n")
        try GitCommand.run(["add", "-A"], in: fixture.path)
        try GitCommand.run(["commit", "-q", "-m", "Clash"], in: fixture.path)
        // What a checkout onto such a file system leaves.
        try GitCommand.run(["config", "core.ignoreCase", "true"], in: fixture.path)
        try fixture.remove("Pricing.py")
        let (result, lines) = try await Self.answer(fixture)
        #expect(result.scope == .repository(rootPath: fixture.path))
        #expect(Self.paths(result) == ["pricing.py", "far/away/place.py"])
        #expect(!result.prompt.text.contains("the other"))
        #expect(lines == [])
    }

    // MARK: Ignore rules without git

    @Test("A folder without git follows the .gitignore of every folder, the nearest one first")
    func followsRulesWithoutGit() throws {
        let fixture = try RepositoryFixture(isRepository: false)
        try fixture.write(".gitignore", "*.gen.py\nmade/\n!keep.gen.py\n")
        try fixture.write("sub/.gitignore", "!b.gen.py\n/only.py\n")
        try fixture.write(".git/info/exclude", "mine.py\n")
        for name in [
            "a.py", "a.gen.py", "keep.gen.py", "made/c.py", "mine.py", "sub/b.gen.py", "sub/only.py",
            "sub/deep/only.py", "sub/made/d.py",
        ] { try fixture.write(name, "x = 1\n") }
        let checkout = try #require(Checkout(.folder(rootPath: fixture.path)))
        let listed = ["a.py", "keep.gen.py", "sub/b.gen.py", "sub/deep/only.py"]
        #expect(checkout.snapshot.files.map(\.path.string) == listed)
        for name in ["sub/new.gen.py", "sub/new.py"] {
            try fixture.write(name, "x = 1\n")
            checkout.noteSaved(try #require(RelativePath(name)))
        }
        checkout.refresh()
        #expect(checkout.snapshot.files.map(\.path.string) == listed + ["sub/new.py"])
    }

    private static func listed(_ fixture: RepositoryFixture, _ folder: String = "") throws -> Checkout {
        let path = folder.isEmpty ? fixture.path : fixture.absolute(folder)
        return try #require(Checkout(.folder(rootPath: path)))
    }

    @Test("However many folders there are, the rules of each hold; beyond the bound of rules files nothing is shown")
    func followsRulesInManyFolders() throws {
        let fixture = try RepositoryFixture(isRepository: false)
        func folder(_ number: Int) -> String { "f\(10_000 + number)" }
        for number in 0..<1_200 { try fixture.write(folder(number) + "/a.py", "x = 1\n") }
        try fixture.write("z/.gitignore", "local.py\n")
        try fixture.write("z/local.py", "x = 1\n")
        try fixture.write("z/open.py", "x = 1\n")
        let checkout = try Self.listed(fixture)
        #expect(checkout.snapshot.files.count == 1_201)
        #expect(checkout.snapshot.files.last?.path.string == "z/open.py")
        #expect(checkout.degradations == [])
        for number in 0..<1_000 { try fixture.write(folder(number) + "/.gitignore", "b.py\n") }
        let crowded = try Self.listed(fixture)
        #expect(crowded.snapshot.files.count == 1_200)
        #expect(crowded.snapshot.files.last?.path.string == folder(1_199) + "/a.py")
        let lines = crowded.degradations
        let start = fixture.absolute("z/.gitignore") + " is one rules file too many"
        #expect(lines.count == 1 && lines[0].hasPrefix(start), "\(lines)")
    }

    @Test(
        "Rules that cannot be followed close their folder and what is below, and one line says what to do",
        arguments: ["large", "long", "link", "pipe", "folder"])
    func closesWithoutRules(kind: String) throws {
        let fixture = try RepositoryFixture(isRepository: false)
        for name in ["a.py", "sub/b.py", "sub/deep/c.py", "sub/other/d.py", "t/e.py"] {
            try fixture.write(name, "x = 1\n")
        }
        try fixture.write("sub/other/.gitignore", "!d.py\n")
        try fixture.breakRules("sub/.gitignore", kind)
        let checkout = try Self.listed(fixture)
        #expect(checkout.snapshot.files.map(\.path.string) == ["a.py", "t/e.py"])
        let lines = checkout.degradations
        #expect(lines.count == 1 && lines[0].hasPrefix(fixture.absolute("sub/.gitignore ")), "\(lines)")
        try fixture.write("sub/new.py", "x = 1\n")
        checkout.noteSaved(try #require(RelativePath("sub/new.py")))
        checkout.refresh()
        #expect(checkout.snapshot.files.map(\.path.string) == ["a.py", "t/e.py"])
        try fixture.breakRules("t/.gitignore", kind)
        let more = try Self.listed(fixture)
        #expect(more.snapshot.files.map(\.path.string) == ["a.py"])
        #expect(more.degradations.count == 1 && more.degradations[0].hasSuffix("(and 1 more rules files)"))
        try fixture.breakRules(".git/info/exclude", kind)
        #expect(try Self.listed(fixture).snapshot.files.isEmpty)
    }

    @Test(
        "Without git, excludes of repository and user hold too, in linked work trees and opened parts as well",
        .enabled(if: GitCommand.isInstalled))
    func followsExcludesWithoutGit() throws {
        let fixture = try Self.project(["--object-format=sha256"])
        for name in ["mine.py", "yours.py", "far/local.py"] { try fixture.write(name, "x = 1\n") }
        try fixture.write(".git/info/exclude", "mine.py\n")
        try fixture.write(".git/own excludes", "/yours.py\n")
        try GitCommand.run(
            ["config", "core.excludesFile", fixture.absolute(".git/own excludes")], in: fixture.path)
        let expected = ["far/away/place.py", "pricing.py", "view.py"]
        #expect(try Self.listed(fixture).snapshot.files.map(\.path.string) == expected)
        // The .gitignore above the opened folder names a file in it.
        #expect(try Self.listed(fixture, "far").snapshot.files.map(\.path.string) == ["away/place.py"])

        let linked = try RepositoryFixture(isRepository: false, name: "linked")
        try GitCommand.run(["worktree", "add", "-q", linked.absolute("tree")], in: fixture.path)
        for name in ["tree/mine.py", "tree/yours.py"] { try linked.write(name, "x = 1\n") }
        let checkout = try Self.listed(linked, "tree")
        #expect(checkout.snapshot.files.map(\.path.string) == expected)
        #expect(checkout.degradations == [])
    }

    @Test("The user's global excludes hold in a folder without git", arguments: ["XDG_CONFIG_HOME", "HOME"])
    func followsGlobalExcludes(variable: String) async {
        let result = await #expect(processExitsWith: .success, observing: [\.standardErrorContent]) {
            [variable] in
            // libgit2 takes these when it starts.
            let home = try RepositoryFixture.temporaryFolder()
            defer { try? FileManager.default.removeItem(atPath: home) }
            unsetenv("XDG_CONFIG_HOME")
            setenv("HOME", home, 1)
            setenv(variable, home, 1)
            let fixture = try RepositoryFixture(isRepository: false)
            _ = foretoken_git_set_search_path(Int32(GIT_CONFIG_LEVEL_SYSTEM.rawValue), home + "/none")
            for name in ["a.py", "b.py", "c.py"] { try fixture.write(name, "x = 1\n") }
            let folder = home + (variable == "HOME" ? "/.config/git" : "/git")
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            // A link, as those who keep such files elsewhere have it.
            try Data("b.py\n".utf8).write(to: URL(filePath: home + "/default"))
            try FileManager.default.createSymbolicLink(
                atPath: folder + "/ignore", withDestinationPath: home + "/default")
            let byDefault = Checkout(.folder(rootPath: fixture.path))?.snapshot.files.map(\.path.string)
            try Data("c.py\n".utf8).write(to: URL(filePath: home + "/chosen"))
            try Data("[core]\n\texcludesFile = ~/chosen\n".utf8).write(to: URL(filePath: home + "/.gitconfig"))
            let chosen = Checkout(.folder(rootPath: fixture.path))?.snapshot.files.map(\.path.string)
            let exported = Checkout(.folder(rootPath: fixture.path), followsRepository: false)
            guard byDefault == ["a.py", "c.py"], chosen == ["a.py", "b.py"],
                exported?.snapshot.files.count == 3
            else {
                let line = "\(byDefault ?? []) \(chosen ?? [])\n"
                _ = write(2, line, line.utf8.count)
                exit(EXIT_SUCCESS)
            }
        }
        #expect(String(decoding: result?.standardErrorContent ?? [], as: UTF8.self) == "")
    }

    @Test("A new file whose rules cannot be asked for is not shown", .timeLimit(.minutes(10)))
    func closesWhereGitCannotBeAsked() async throws {
        let fixture = try RepositoryFixture()
        try fixture.write("view.py", "x = 1\n")
        try fixture.commit()
        let context = RepositoryContext(.init(queryTimeLimit: .seconds(60), onDegradation: { _ in }))
        let query = ContextQuery(
            filePath: fixture.absolute("view.py"), text: Array(Self.text.utf8),
            cursorOffset: Self.text.utf8.count, tokenBudget: 2_000)
        await context.prepare(file: query.filePath)
        try fixture.write("new/local.py", "def local_function(): pass\n")
        try fixture.makeFIFO("new/.gitignore")
        await context.noteSaved(fixture.absolute("new/local.py"))
        #expect(try await context.prompt(for: query, tokenizer: ByteTokenizer()).contextPaths == [])
        try fixture.remove("new/.gitignore")
        await context.noteSaved(fixture.absolute("new/local.py"))
        let answer = try await context.prompt(for: query, tokenizer: ByteTokenizer())
        #expect(answer.contextPaths.map(\.string) == ["new/local.py"])
    }
}
