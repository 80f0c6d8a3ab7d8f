// Repositories that try to make the daemon read files elsewhere, and rules and contents that keep files out of
// prompts. Each hostile repository is used as a plain folder, with one line that says why.

import CGit2
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import RepoContext

@Suite struct ConfinementTests {
    private static func project() throws -> RepositoryFixture {
        let fixture = try RepositoryFixture()
        try fixture.write("pricing.py", "def discounted_total(): pass\n")
        try fixture.write("view.py", "x\n")
        try fixture.commit()
        return fixture
    }

    private static func answer(_ fixture: RepositoryFixture, text: String = "import pricing\nx = ")
        async throws
        -> PromptResult
    {
        let context = RepositoryContext(
            .init(workspaceFolders: [fixture.path], queryTimeLimit: .seconds(60), onDegradation: { _ in }))
        let query = ContextQuery(
            filePath: fixture.absolute("view.py"), text: Array(text.utf8), cursorOffset: text.utf8.count,
            tokenBudget: 2_000)
        await context.prepare(file: query.filePath)
        return try await context.prompt(for: query, tokenizer: ByteTokenizer())
    }

    /// The repository of somebody else's secrets.
    private static func elsewhere() throws -> RepositoryFixture {
        let fixture = try RepositoryFixture(name: "private")
        try fixture.write("pricing.py", "def discounted_total(): top_secret_plan\n")
        try fixture.write("rules", "view.py\n")
        try fixture.commit()
        return fixture
    }

    private static func expectPlainFolder(_ fixture: RepositoryFixture, _ word: String) async throws {
        let answer = try await Self.answer(fixture)
        #expect(answer.scope == .folder(rootPath: fixture.path), "\(word): \(answer.degradations)")
        #expect(
            answer.degradations.count == 1 && answer.degradations[0].contains(word), "\(answer.degradations)")
        #expect(!answer.prompt.text.contains("top_secret_plan"))
        #expect(answer.contextPaths.map(\.string) == ["pricing.py"])
    }

    @Test("A .git file, a common directory and a linked folder that lead elsewhere are not followed")
    func staysInItsGitDirectory() async throws {
        let other = try Self.elsewhere()
        let gitFile = try Self.project()
        try gitFile.remove(".git")
        try gitFile.write(".git", "gitdir: \(other.absolute(".git"))\n")
        try await Self.expectPlainFolder(gitFile, "does not belong to this folder")
        let common = try Self.project()
        try common.damage("commondir", with: other.absolute(".git") + "\n")
        try await Self.expectPlainFolder(common, "commondir")
        let linked = try Self.project()
        try linked.remove(".git/objects")
        try linked.link(".git/objects", to: other.absolute(".git/objects"))
        try await Self.expectPlainFolder(linked, "objects is a link")
    }

    @Test("Objects are not borrowed from a repository elsewhere")
    func refusesAlternates() async throws {
        let other = try Self.elsewhere()
        let fixture = try Self.project()
        try fixture.damage("objects/info/alternates", with: other.absolute(".git/objects") + "\n")
        try await Self.expectPlainFolder(fixture, "borrowed")
        // Neither directly, nor by way of a place inside, nor by a list behind a link.
        try fixture.damage("objects/info/alternates", with: fixture.absolute("more") + "\n")
        try fixture.write("more/info/alternates", other.absolute(".git/objects") + "\n")
        try await Self.expectPlainFolder(fixture, "borrowed")
        try fixture.remove(".git/objects/info/alternates")
        try fixture.link(".git/objects/info/alternates", to: fixture.absolute("more/info/alternates"))
        try await Self.expectPlainFolder(fixture, "borrowed")
    }

    @Test(
        "Lines of alternates that libgit2 reads in another way, or that lead nowhere, are refused",
        arguments: ["# c\rTARGET\n", "objects\n", "/nowhere/objects\n", "./nowhere\n", " TARGET\n", "./\u{FF}\n"])
    func refusesStrangeAlternates(lines: String) async throws {
        let other = try Self.elsewhere()
        let fixture = try Self.project()
        let text = lines.replacingOccurrences(of: "TARGET", with: other.absolute(".git/objects"))
        try fixture.damage("objects/info/alternates", with: text)
        try await Self.expectPlainFolder(fixture, "borrowed")
    }

    @Test("A link to a place whose name is no UTF-8 is refused")
    func refusesUnnameablePlaces() async throws {
        let fixture = try Self.project()
        let name: [CChar] = (fixture.path + "/x").utf8CString.dropLast() + [-1, 0]
        #expect(mkdir(name, 0o700) == 0)
        try? fixture.remove(".git/logs")
        #expect(symlink(name, fixture.absolute(".git/logs")) == 0)
        try await Self.expectPlainFolder(fixture, "cannot be told")
    }

    @Test("A rules file that is a folder keeps new files out of prompts that stay here")
    func closesLocalListing() async throws {
        let fixture = try Self.project()
        try fixture.write("new/pricing2.py", "def discounted_total2(): pass\n")
        let text = "import pricing2\nx = discounted_total2("
        #expect(try await Self.answer(fixture, text: text).contextPaths.contains { $0.string == "new/pricing2.py" })
        try fixture.write("new/.gitignore/inner", "")
        let answer = try await Self.answer(fixture, text: text)
        #expect(answer.scope == .repository(rootPath: fixture.path))
        #expect(!answer.contextPaths.map(\.string).contains("new/pricing2.py"))
        #expect(answer.degradations.contains { $0.contains("new/.gitignore") })
    }

    @Test("Configuration behind a link, and more of it than is read, is no way out")
    func refusesHiddenConfiguration() async throws {
        let other = try Self.elsewhere()
        let fixture = try Self.project()
        let config = try String(contentsOfFile: fixture.absolute(".git/config"), encoding: .utf8)
        let leading = config + "[include]\n\tpath = \(other.absolute("rules"))\n"
        try fixture.damage("inner", with: leading)
        try fixture.remove(".git/config")
        try fixture.link(".git/config", to: "inner")
        try await Self.expectPlainFolder(fixture, "include.path")
        try fixture.remove(".git/config")
        try fixture.damage("config", with: leading + String(repeating: "# filler\n", count: 120_000))
        try await Self.expectPlainFolder(fixture, "larger than 1 MiB")
    }

    @Test(
        "Configuration of a repository names no files elsewhere",
        arguments: [
            "[include]\n\tpath = TARGET\n", "[includeIf \"gitdir:/\"]\npath=\"TARGET\" # why not\n",
            "[core]\n\texcludesFile = TARGET\n", "[CORE] AttributesFile = TARGET\n",
        ])
    func refusesConfiguration(setting: String) async throws {
        let other = try Self.elsewhere()
        let fixture = try Self.project()
        let name = fixture.absolute(".git/config")
        let config = try String(contentsOfFile: name, encoding: .utf8)
        // The fixture's own excludes file names nothing, which is allowed.
        let target = setting.replacingOccurrences(of: "TARGET", with: other.absolute("rules"))
        try fixture.damage("config", with: config + target)
        try await Self.expectPlainFolder(fixture, "names \(other.absolute("rules"))")
    }

    @Test(
        "No byte hides a setting that libgit2 sees",
        arguments: [
            "\u{FEFF}[include]\n\tpath = TARGET\n", "[include] path = TARGET ;]\n",
            "[include]\n\tpath = ../in\u{2028}side\n", "[include]\n\tpath = ../in\u{B}side\n",
            "[include]\n\tpath = ../in\u{C}side\n", "[include]\n\tpath = ../in\rside\n",
            "[include]\n\tpath =\u{301}x/../../in\u{2028}side\n", "[include]\n\tpath = ../in\\tside\n",
            "[include]\n\tpath = \"../in side \"\n", "[include]\n\tpath = ../in \\\nside\n",
        ])
    func hidesNoSetting(setting: String) async throws {
        let other = try Self.elsewhere()
        let fixture = try Self.project()
        for name in ["in\u{2028}side", "in\u{B}side", "in\u{C}side", "in\rside", "in\tside", "in side ", "in side"] {
            #expect(symlink(other.absolute("rules"), fixture.absolute(name)) == 0)
        }
        #expect(mkdir(fixture.absolute(".git") + "/" + "\u{301}x", 0o700) == 0)
        let config = try String(contentsOfFile: fixture.absolute(".git/config"), encoding: .utf8)
        let target = setting.replacingOccurrences(of: "TARGET", with: other.absolute("rules"))
        try fixture.damage("config", with: target + config)
        try await Self.expectPlainFolder(fixture, "include.path in its configuration names")
    }

    @Test("Configuration is understood as git writes it, and not at all where it is damaged")
    func configurationSyntax() throws {
        func settings(_ text: String) -> [String]? {
            let found = try? GitConfigurationSyntax.settings(in: Array(text.utf8))
            return found?.map { "\($0.name)=\(String(decoding: $0.value, as: UTF8.self))" }
        }
        #expect(
            settings("# c\r\n[core] ; c\r\n\tbare = false\r\n\tName\n[a.B \"x ]\\\"\"] y=1\n")
                == ["core.bare=false", "core.name=", "a.b.x ]\".y=1"])
        #expect(
            settings("[a]\nb = \" x # \"  y  # c\nd = e\\\n  f\ng = \\\\\\n\\\"")
                == ["a.b= x #   y", "a.d=e  f", "a.g=\\\n\""])
        #expect(settings("[includeIf \"gitdir:[x]\"] path = p # c") == ["include.path=p"])
        for text in [
            "a = 1\n", "[a\n", "[a] [b]\nc=1", "[]\n", "[a]\nb = \"x\n", "[a]\nb = \\x\n", "[a]\nb c\n",
            "[a]\n=1\n", "[a \"b]\n", "[a \"b\" ]\n", "[a]\nb = c\\\n# d\ne\n", "[a]\nb = c\\\n\nd", "[a]\nb\0=c\n",
            "[a]\n\u{2028}b=c\n", "[a]\nb\u{301}=c\n", "[a]\nb = \"x\\\\\" ; y\"",
        ] {
            #expect(settings(text) == nil, "\(text)")
        }
    }

    @Test("Configuration that stays inside is followed; one that includes itself ends")
    func followsInnerConfiguration() async throws {
        let fixture = try Self.project()
        let config = try String(contentsOfFile: fixture.absolute(".git/config"), encoding: .utf8)
        try fixture.damage("config", with: config + "[include]\n\tpath = ../shared.config\n")
        try fixture.write("shared.config", "[core]\n\tignoreCase = false\n")
        #expect(try await Self.answer(fixture).scope == .repository(rootPath: fixture.path))
        try fixture.write("shared.config", "[include]\n\tpath = shared.config\n")
        try await Self.expectPlainFolder(fixture, "includes itself")
    }

    @Test(
        "A FIFO behind the configuration or among the objects does not stop the thread",
        .timeLimit(.minutes(10)))
    func waitsForNoFIFO() async throws {
        for setting in ["[include]\n\tpath = TARGET\n", "[core]\n\texcludesFile = TARGET\n"] {
            let fixture = try Self.project()
            let config = try String(contentsOfFile: fixture.absolute(".git/config"), encoding: .utf8)
            try fixture.makeFIFO("pipe")
            let target = setting.replacingOccurrences(of: "TARGET", with: fixture.absolute("pipe"))
            try fixture.damage("config", with: config + target)
            try await Self.expectPlainFolder(fixture, "no regular file")
        }
        let fixture = try Self.project()
        let object = fixture.objectFile(try fixture.blobID("pricing.py"))
        try fixture.remove(object)
        try fixture.makeFIFO(object)
        try await Self.expectPlainFolder(fixture, "no regular file")
    }

    @Test("Two files whose names differ in case alone are two files")
    func keepsCasesApart() async throws {
        let fixture = try Self.project()
        try fixture.write("Pricing.py", "def other_total(): pass\n")
        try fixture.commit()
        let answer = try await Self.answer(fixture, text: "a = other_total()\nb = discounted_total()\nc = ")
        #expect(Set(answer.contextPaths.map(\.string)) == ["Pricing.py", "pricing.py"])
    }

    // MARK: Rules

    private static let questionText = "import pricing\nx = discounted_total("

    /// A cursor in `view.py`, for tests that ask more than once.
    private static func question(_ fixture: RepositoryFixture) -> (RepositoryContext, ContextQuery) {
        let context = RepositoryContext(
            .init(workspaceFolders: [fixture.path], queryTimeLimit: .seconds(60), onDegradation: { _ in }))
        let text = Array(questionText.utf8)
        let query = ContextQuery(
            filePath: fixture.absolute("view.py"), text: text, cursorOffset: text.count, tokenBudget: 2_000)
        return (context, query)
    }

    @Test("A .foretokenignore keeps files out, tracked or not, as soon as it is saved")
    func followsOwnRules() async throws {
        let fixture = try Self.project()
        let (context, query) = Self.question(fixture)
        let before = try await context.prompt(for: query, tokenizer: ByteTokenizer())
        #expect(before.contextPaths.map(\.string) == ["pricing.py"])
        try fixture.write(".foretokenignore", "pri*.py\n")
        await context.noteSaved(fixture.absolute(".foretokenignore"))
        let after = try await context.prompt(for: query, tokenizer: ByteTokenizer())
        #expect(after.contextPaths == [])
        try fixture.remove(".git")
        #expect(try await Self.answer(fixture).contextPaths == [])
    }

    @Test(
        "A .foretokenignore that cannot be followed keeps everything out, and one line says what to do",
        arguments: ["large", "long", "link", "pipe", "folder"])
    func closesWithoutOwnRules(kind: String) async throws {
        for isRepository in [true, false] {
            let fixture = try Self.project()
            if !isRepository { try fixture.remove(".git") }
            try fixture.breakRules(".foretokenignore", kind)
            let (context, query) = Self.question(fixture)
            let answer = try await context.prompt(for: query, tokenizer: ByteTokenizer())
            #expect(answer.contextPaths == [])
            #expect(answer.prompt.text.hasSuffix(Self.questionText + "<|fim_middle|>"))
            let lines = answer.degradations.filter { $0.contains(".foretokenignore") }
            #expect(lines.count == 1 && lines[0].contains("; "), "\(answer.degradations)")
            try fixture.remove(".foretokenignore")
            await context.noteSaved(fixture.absolute(".foretokenignore"))
            let mended = try await context.prompt(for: query, tokenizer: ByteTokenizer())
            #expect(mended.contextPaths.map(\.string) == ["pricing.py"])
            #expect(!mended.degradations.contains { $0.contains(".foretokenignore") })
        }
    }

    @Test(
        "Patterns mean what they mean to git",
        arguments: [
            ("*.py", "a/b.py", true), ("*.py", "a.pyc", false), ("/a.py", "b/a.py", false),
            ("/a.py", "a.py", true),
            ("build/", "build/x.py", true), ("build/", "src/build/x.py", true), ("build/", "build", false),
            ("a/*.py", "a/b.py", true), ("a/*.py", "a/b/c.py", false), ("a/**/c.py", "a/c.py", true),
            ("a/**/c.py", "a/x/y/c.py", true), ("**/gen", "x/gen/a.py", true), ("a/**", "a/b/c", true),
            ("[a-c]?.py", "b1.py", true), ("[!a-c].py", "b.py", false), ("\\#x", "#x", true),
            ("# x", "# x", false),
            ("*.py\n!keep.py", "keep.py", false), ("gen/\n!gen/keep.py", "gen/keep.py", true),
            ("[x", "[x", false), ("[[:digit:]]?.py", "1x.py", true), ("[![:alpha:]_]x", "ax", false),
            ("[\\]]x", "]x", true), ("a\\ ", "a ", true), ("a ", "a", true), ("\u{FEFF}*.py", "a.py", true),
        ])
    func matchesPatterns(rules: String, path: String, isIgnored: Bool) throws {
        let path = try #require(RelativePath(path))
        #expect(Self.ignores(IgnoreRules(Array(rules.utf8)), path) == isIgnored)
    }

    private static func ignores(_ rules: IgnoreRules, _ path: RelativePath) -> Bool {
        var listing = IgnoreListing(rules)
        return listing.ignores(path)
    }

    @Test("A pattern of stars ends, and what it may name counts as ignored", .timeLimit(.minutes(10)))
    func boundsMatching() throws {
        let rules = IgnoreRules(Array((String(repeating: "*a", count: 60) + "b\n").utf8))
        let path = try #require(RelativePath(String(repeating: "a", count: 250)))
        #expect(Self.ignores(rules, path))
        #expect(!Self.ignores(rules, try #require(RelativePath("view.py"))))
        // A long set is read for every byte of a name.
        let set = IgnoreRules(Array(("*[" + String(repeating: "a", count: 5_000) + "]\n").utf8))
        #expect(Self.ignores(set, try #require(RelativePath(String(repeating: "b", count: 250)))))
        #expect(!Self.ignores(set, try #require(RelativePath("v"))))
    }

    @Test("A listing's matching is bounded in all, and what it leaves undecided counts as ignored")
    func boundsListings() throws {
        let rules = IgnoreRules(Array("*a*b\n*c*d\n".utf8))
        var listing = IgnoreListing(rules, allowance: MatchAllowance(stepCount: 2_000))
        let paths = try (0..<1_000).map { try #require(RelativePath("folder/view\($0).py")) }
        let ignored = paths.map { listing.ignores($0) }
        let followed = try #require(ignored.firstIndex(of: true))
        #expect(followed > 10 && ignored[followed...].allSatisfy { $0 })
        #expect(listing.degradation(rootPath: "/shop")?.hasPrefix("/shop/.foretokenignore takes too long") == true)
        var whole = IgnoreListing(rules)
        #expect(!paths.contains { whole.ignores($0) } && whole.degradation(rootPath: "/shop") == nil)

        let fixture = try Self.project()
        try fixture.remove(".git")
        try fixture.write(".gitignore", "*a*b\n*c*d\n")
        let folder = try #require(
            FolderRules(rootPath: fixture.path, allowance: MatchAllowance(stepCount: 2_000)))
        #expect(!folder.ignores(paths[0]) && paths.map { folder.ignores($0) }.last == true)
        #expect(folder.degradation?.contains("takes too long to match") == true)
    }

    @Test("A pattern that cannot be decided leaves out what it may name, and a line says which pattern")
    func namesUndecidedPatterns() throws {
        let pattern = "*[" + String(repeating: "a", count: 20_000) + "]"
        let line = "has a pattern that takes too long to match, '*[aaa"
        let path = try #require(RelativePath("view.py"))
        var listing = IgnoreListing(IgnoreRules(Array("\(pattern)\n".utf8)))
        #expect(listing.degradation(rootPath: "/shop") == nil)
        let isIgnored = listing.ignores(path)
        #expect(isIgnored && listing.degradation(rootPath: "/shop")?.contains(line) == true)
        #expect((listing.degradation(rootPath: "/shop")?.count ?? 0) < 250)

        let fixture = try Self.project()
        try fixture.remove(".git")
        try fixture.write(".gitignore", "\(pattern)\n")
        let folder = try #require(FolderRules(rootPath: fixture.path))
        #expect(folder.ignores(path) && folder.ignores(path))
        #expect(folder.degradation?.contains(line) == true && folder.degradation?.contains("more rules") == false)
    }

    // MARK: Credentials

    private static let value = "q7Zp1xVt9LmB3nKc8RwD5sYh2GfJ6aQe"

    @Test("Random values of secrets and marked tokens are found, and whoever completes beside them is told")
    func findsCredentials() async throws {
        let marked = "ghp_" + "q7Zp1xVt9LmB3nKc8RwD5sYh2GfJ6aQeX4Tu"
        for text in [
            "api_key = \"\(Self.value)\"",
            "clientSecret: '\(Self.value)'".replacingOccurrences(of: "S", with: "_s"),
            "PASSWORD=\(Self.value)", "x = '\(marked)'",
            "secret = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b'",
        ] {
            #expect(SecretAssignment.isFound(in: Array(text.utf8)), "\(text)")
        }
        for text in [
            "password = 'correct horse battery'", "secret = os.environ['THE_APPLICATION_SECRET']",
            "api_key = 'abcdefghijklmnopqrstuvwxyz0123456789ABC'", "hash = '\(Self.value)'",
            "token: \(Self.value)",
            "password = get_password_from_the_vault_of_1Password",
            "secret = \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaA1\"",
        ] {
            #expect(!SecretAssignment.isFound(in: Array(text.utf8)), "\(text)")
        }
        let fixture = try Self.project()
        try fixture.write("pricing.py", "def discounted_total(): pass\napi_key = '\(Self.value)'\n")
        try fixture.commit()
        #expect(try await Self.answer(fixture).contextPaths == [])
        let context = RepositoryContext(
            .init(workspaceFolders: [fixture.path], queryTimeLimit: .seconds(60), onDegradation: { _ in }))
        let path = fixture.absolute("view.py")
        await context.prepare(file: path)
        #expect(await context.report(forFile: path).withheldPaths == ["pricing.py"])
        await #expect(throws: RepoContextError.credential(path: path)) {
            _ = try await Self.answer(fixture, text: "api_key = '\(Self.value)'\n")
        }
    }
}
