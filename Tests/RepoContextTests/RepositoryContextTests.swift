// The whole module through its face: which files reach the prompt of a real repository, what changes it, what
// does not, and what is refused.

import Foundation
import Synchronization
import TestSupport
import Testing

@testable import RepoContext

@Suite struct RepositoryContextTests {
    /// A shop: a view that imports a module and calls it, and files that have nothing to do with it.
    private static func shop() throws -> RepositoryFixture {
        let fixture = try RepositoryFixture(name: "shop")
        try fixture.write(
            "shop/pricing.py", "def discounted_total(order, rate):\n    return order.total * (1 - rate)\n")
        try fixture.write("shop/models/order.py", "class Purchase:\n    amount = 0\n")
        for name in ["weather", "colours", "zebra", "music"] {
            try fixture.write("unrelated/\(name).py", "def \(name)_function():\n    return '\(name)'\n")
        }
        try fixture.write("shop/views/checkout.py", text)
        try fixture.write(".env", "TOKEN=very-secret\n")
        try fixture.write("shop/views/notes.pem", "secret\n")
        try fixture.commit()
        return fixture
    }

    private static let text =
        "from shop.pricing import discounted_total\n\n\ndef show(order):\n    total = \n"
    private static let cursor = text.utf8.count - 1

    private static func query(_ fixture: RepositoryFixture, text: String = text, cursor: Int = cursor)
        -> ContextQuery
    {
        ContextQuery(
            filePath: fixture.absolute("shop/views/checkout.py"), text: Array(text.utf8),
            cursorOffset: cursor,
            tokenBudget: 4_096
        )
    }

    private static func context(_ folders: [String] = [], lines: Lines = Lines()) -> RepositoryContext {
        RepositoryContext(
            .init(workspaceFolders: folders, queryTimeLimit: .seconds(60), onDegradation: { lines.add($0) })
        )
    }

    final class Lines: Sendable {
        private let lines = Mutex<[String]>([])
        func add(_ line: String) { lines.withLock { $0.append(line) } }
        var all: [String] { lines.withLock { $0 } }
    }

    @Test("The file that defines the imported function is in the prompt, files without relation are not")
    func choosesTheImportedFile() async throws {
        let fixture = try Self.shop()
        let lines = Lines()
        let result = try await Self.context(lines: lines).prompt(
            for: Self.query(fixture), tokenizer: ByteTokenizer())
        #expect(result.contextPaths.map(\.string) == ["shop/pricing.py"])
        #expect(
            result.prompt.text
                == """
                <|repo_name|>shop
                <|file_sep|>shop/pricing.py
                def discounted_total(order, rate):
                    return order.total * (1 - rate)
                <|file_sep|>shop/views/checkout.py
                <|fim_suffix|>
                <|fim_prefix|>from shop.pricing import discounted_total


                def show(order):
                    total = <|fim_middle|>
                """
        )
        #expect(result.scope == .repository(rootPath: fixture.path))
        #expect(result.degradations == [] && lines.all == [])
        #expect(result.isIndexComplete)
    }

    @Test("A name used near the cursor brings in the file that defines it, without an import")
    func choosesDefinersOfUsedNames() async throws {
        let fixture = try Self.shop()
        let text = "def paint():\n    a = zebra_function()\n    b = \n"
        let query = Self.query(fixture, text: text, cursor: text.utf8.count - 1)
        let result = try await Self.context().prompt(for: query, tokenizer: ByteTokenizer())
        #expect(result.contextPaths.map(\.string) == ["unrelated/zebra.py"])
        #expect(result.selection.first?.score.signals.contains(.definitions) ?? false)
    }

    @Test(
        "Removing the file that defines the called function changes the prompt, and so does editing it"
    )
    func followsTheDefiningFile() async throws {
        let fixture = try Self.shop()
        let context = Self.context()
        let first = try await context.prompt(for: Self.query(fixture), tokenizer: ByteTokenizer())
        var edited = Self.query(fixture)
        edited.openDocuments = [
            OpenDocument(
                path: fixture.absolute("shop/pricing.py"), text: Array("def discounted_total(): edited".utf8))
        ]
        let second = try await context.prompt(for: edited, tokenizer: ByteTokenizer())
        #expect(second.prompt.text.contains("def discounted_total(): edited\n<|file_sep|>"))
        let third = try await context.prompt(for: Self.query(fixture), tokenizer: ByteTokenizer())
        #expect(third.prompt == first.prompt)
        try fixture.remove("shop/pricing.py")
        await context.noteSaved(fixture.absolute("shop/pricing.py"))
        let fourth = try await context.prompt(for: Self.query(fixture), tokenizer: ByteTokenizer())
        #expect(fourth.contextPaths == [])
        #expect(!fourth.prompt.text.contains("<|repo_name|>"))
    }

    @Test("A saved file is seen by the next query: new, changed, and moved by git")
    func followsSavesAndCommits() async throws {
        let fixture = try Self.shop()
        let context = Self.context()
        let text = "from shop.pricing import discounted_total\nx = brand_new_thing(\n"
        let query = Self.query(fixture, text: text, cursor: text.utf8.count - 1)
        let first = try await context.prompt(for: query, tokenizer: ByteTokenizer())
        #expect(first.contextPaths.map(\.string) == ["shop/pricing.py"])
        try fixture.write("shop/added.py", "def brand_new_thing():\n    return 1\n")
        let unseen = try await context.prompt(for: query, tokenizer: ByteTokenizer())
        #expect(unseen.prompt == first.prompt)
        await context.noteSaved(fixture.absolute("shop/added.py"))
        let second = try await context.prompt(for: query, tokenizer: ByteTokenizer())
        #expect(second.contextPaths.map(\.string) == ["shop/pricing.py", "shop/added.py"])
        // A commit by somebody else: nobody tells, git's own files do.
        try fixture.write("shop/added.py", "nothing = 1\n")
        try fixture.write("shop/later.py", "def brand_new_thing():\n    return 2\n")
        try fixture.commit()
        let third = try await context.prompt(for: query, tokenizer: ByteTokenizer())
        #expect(Set(third.contextPaths.map(\.string)).isSuperset(of: ["shop/pricing.py", "shop/later.py"]))
        #expect(!third.contextPaths.map(\.string).contains("shop/added.py"))
    }

    @Test("Typing a line changes only the tokens at the end, and the order of the context never")
    func typingKeepsThePrompt() async throws {
        let fixture = try Self.shop()
        for number in 0..<30 {
            try fixture.write(
                "shop/views/page_\(number).py", "def page_\(number)(request):\n    return \(number)\n")
        }
        try fixture.commit()
        let context = Self.context()
        let typed = "result = order.total + len(order.lines)"
        var previous: Prompt?
        for count in 0...typed.utf8.count {
            let start = Self.text.dropLast(1) + typed.prefix(count)
            let query = Self.query(fixture, text: start + "\n", cursor: start.utf8.count)
            let prompt = try await context.prompt(for: query, tokenizer: ByteTokenizer()).prompt
            if let previous {
                #expect(prompt.tokens.starts(with: previous.tokens.dropLast()), "after \(count) characters")
            }
            previous = prompt
        }
        #expect((previous?.contextPaths.count ?? 0) > 5)
    }

    @Test("A name typed to its end adds its file behind the context that was there")
    func namesAppendContext() async throws {
        let fixture = try Self.shop()
        let context = Self.context()
        // No two words in a row that another file has: one pair of few would outweigh the name.
        let text = "from shop.pricing import discounted_total\n\n\ndef show(order):\n    due = \n"
        let before = try await context.prompt(
            for: Self.query(fixture, text: text, cursor: text.utf8.count - 1), tokenizer: ByteTokenizer())
        for typed in ["mus", "music_functio", "music_function"] {
            let start = text.dropLast(1) + typed
            let query = Self.query(fixture, text: start + "\n", cursor: start.utf8.count)
            let result = try await context.prompt(for: query, tokenizer: ByteTokenizer())
            #expect(result.contextPaths == before.contextPaths, "while \(typed) is being typed")
        }
        let start = text.dropLast(1) + "music_function()"
        let query = Self.query(fixture, text: start + "\n", cursor: start.utf8.count)
        let after = try await context.prompt(for: query, tokenizer: ByteTokenizer())
        #expect(before.contextPaths.map(\.string) == ["shop/pricing.py"])
        #expect(after.contextPaths.map(\.string) == ["shop/pricing.py", "unrelated/music.py"])
    }

    @Test("Recent, modified and sibling files are chosen")
    func usesTheTrail() async throws {
        let fixture = try Self.shop()
        try fixture.write("tests/test_checkout.py", "def test_it():\n    pass\n")
        try fixture.commit()
        var query = Self.query(fixture)
        query.recentPaths = [fixture.absolute("unrelated/colours.py")]
        let result = try await Self.context().prompt(for: query, tokenizer: ByteTokenizer())
        #expect(
            result.contextPaths.map(\.string) == [
                "unrelated/colours.py", "tests/test_checkout.py", "shop/pricing.py",
            ]
        )
        let signals = Dictionary(
            uniqueKeysWithValues: result.selection.map { ($0.path.string, $0.score.signals) })
        #expect(signals["unrelated/colours.py"]?.contains(.recent) ?? false)
        #expect(signals["tests/test_checkout.py"]?.contains(.sibling) ?? false)
    }

    @Test("Secrets never reach a prompt, and completion in them is refused")
    func keepsSecretsOut() async throws {
        let fixture = try Self.shop()
        let key = "-----BEGIN RSA PRIVATE KEY-----\n" + String(repeating: "MIIEpAIBAAKCAQEA", count: 8)
        try fixture.write("shop/views/keys.py", "key = '''\(key)'''\n")
        try fixture.commit()
        let context = Self.context()
        var query = Self.query(fixture)
        query.recentPaths = [".env", "shop/views/notes.pem", "shop/views/keys.py"].map(fixture.absolute)
        query.openDocuments = query.recentPaths.map {
            OpenDocument(path: $0, text: Array("TOKEN=very-secret\n\(key)".utf8))
        }
        let result = try await context.prompt(for: query, tokenizer: ByteTokenizer())
        #expect(!result.prompt.text.contains("secret") && !result.prompt.text.contains("PRIVATE KEY"))
        query.filePath = fixture.absolute(".env")
        await #expect(throws: RepoContextError.secretFile(path: query.filePath)) {
            _ = try await context.prompt(for: query, tokenizer: ByteTokenizer())
        }
        query.filePath = fixture.absolute("shop/views/checkout.py")
        query.text = Array(key.utf8)
        await #expect(throws: RepoContextError.privateKey(path: query.filePath)) {
            _ = try await context.prompt(for: query, tokenizer: ByteTokenizer())
        }
        try fixture.link("harmless.py", to: fixture.absolute(".env"))
        #expect(RepositoryContext.isDenied(fixture.absolute("harmless.py")))
    }

    @Test("An open link with a harmless name does not bring a secret into another file's prompt")
    func keepsLinkedSecretsOut() async throws {
        let fixture = try Self.shop()
        try fixture.remove("unrelated/zebra.py")
        try fixture.link("unrelated/zebra.py", to: fixture.absolute(".env"))
        var query = Self.query(fixture)
        query.openDocuments = [
            OpenDocument(
                path: fixture.absolute("unrelated/zebra.py"), text: Array("TOKEN=very-secret\n".utf8))
        ]
        let result = try await Self.context().prompt(for: query, tokenizer: ByteTokenizer())
        #expect(result.contextPaths.map(\.string) == ["shop/pricing.py"])
        #expect(!result.prompt.text.contains("very-secret"))
    }

    @Test("A query that nobody waits for any more ends at the next step, wherever that is")
    func stopsWhenCancelled() async throws {
        let fixture = try Self.shop()
        let askedCount = Atomic<Int>(0)
        let stopAt = Atomic<Int>(.max)
        var query = Self.query(fixture)
        query.isCancelled = {
            askedCount.wrappingAdd(1, ordering: .relaxed).newValue > stopAt.load(ordering: .relaxed)
        }
        _ = try await Self.context().prompt(for: query, tokenizer: ByteTokenizer())
        let stepCount = askedCount.load(ordering: .relaxed)
        #expect(stepCount > 5)
        for step in 0..<stepCount {
            stopAt.store(step, ordering: .relaxed)
            askedCount.store(0, ordering: .relaxed)
            let tokenizer = CountingTokenizer()
            await #expect(throws: RepoContextError.cancelled, "step \(step)") {
                _ = try await Self.context().prompt(for: query, tokenizer: tokenizer)
            }
            if step == 0 { #expect(tokenizer.count.encodeCount == 0) }
        }
    }

    @Test("Reading ahead says how far it is, rising")
    func preparesWithProgress() async throws {
        let fixture = try Self.shop()
        let context = RepositoryContext(
            .init(backgroundTimeLimit: .zero, onDegradation: { _ in }))  // a file in each step
        let shares = Mutex<[Double]>([])
        await context.prepare(
            file: Self.query(fixture).filePath, onProgress: { share in shares.withLock { $0.append(share) } })
        let seen = shares.withLock { $0 }
        #expect(seen.count >= 6 && seen == seen.sorted() && seen.allSatisfy { (0...1).contains($0) })
        #expect(seen.last ?? 0 > 0.5)
    }

    @Test("Reading ahead ends when it is told to, and goes on when asked again")
    func preparesUntilCancelled() async throws {
        let fixture = try Self.shop()
        let path = Self.query(fixture).filePath
        let context = Self.context()
        await context.prepare(file: path, isCancelled: { true })
        #expect(await context.report(forFile: path).indexedFileCount == 0)
        let askedCount = Atomic<Int>(0)
        await context.prepare(file: path) { askedCount.wrappingAdd(1, ordering: .relaxed).newValue > 3 }
        let partial = await context.report(forFile: path).indexedFileCount
        #expect(partial > 0 && partial < 7)
        await context.prepare(file: path)
        #expect(await context.report(forFile: path).indexedFileCount == 7)
    }

    @Test("Outside of repositories a workspace folder gives context, and nothing at all gives the file alone")
    func worksWithoutGit() async throws {
        let fixture = try RepositoryFixture(isRepository: false, name: "plain")
        try fixture.write("pricing.py", "def discounted_total(): pass\n")
        try fixture.write("view.py", "x\n")
        let text = "import pricing\nx = "
        let query = ContextQuery(
            filePath: fixture.absolute("view.py"), text: Array(text.utf8), cursorOffset: text.utf8.count,
            tokenBudget: 2_000
        )
        let inFolder = try await Self.context([fixture.path]).prompt(for: query, tokenizer: ByteTokenizer())
        #expect(inFolder.scope == .folder(rootPath: fixture.path))
        #expect(inFolder.contextPaths.map(\.string) == ["pricing.py"])
        #expect(inFolder.prompt.text.hasPrefix("<|repo_name|>plain\n"))
        let alone = try await Self.context().prompt(for: query, tokenizer: ByteTokenizer())
        #expect(alone.scope == .fileAlone)
        #expect(alone.prompt.text == "<|file_sep|>view.py\n<|fim_suffix|><|fim_prefix|>\(text)<|fim_middle|>")
    }

    @Test("A damaged repository still gives context and says once what is missing")
    func survivesDamage() async throws {
        let fixture = try Self.shop()
        try fixture.damage("HEAD", with: "garbage")
        try fixture.damage("index", with: "garbage")
        let lines = Lines()
        let context = Self.context(lines: lines)
        for _ in 0..<3 {
            let result = try await context.prompt(for: Self.query(fixture), tokenizer: ByteTokenizer())
            #expect(result.contextPaths.map(\.string) == ["shop/pricing.py"])
        }
        #expect(!lines.all.isEmpty)
        #expect(Set(lines.all).count == lines.all.count)
    }

    @Test(
        "A repository of another user gives the file alone and the command that allows it",
        .enabled(if: geteuid() == 0))
    func refusesOtherOwners() async throws {
        let fixture = try Self.shop()
        try #require(chown(fixture.absolute(".git"), 54_321, 54_321) == 0)
        let lines = Lines()
        let result = try await Self.context([fixture.path], lines: lines)
            .prompt(for: Self.query(fixture), tokenizer: ByteTokenizer())
        #expect(result.scope == .fileAlone && result.contextPaths == [])
        #expect(lines.all.count == 1 && lines.all[0].contains("safe.directory '\(fixture.path)'"))
    }

    @Test("Paths that are no files are refused, a name with control characters is not")
    func refusesUnusablePaths() async throws {
        let context = Self.context()
        for path in ["", "relative.py", "/folder/", "/a\0b"] {
            let query = ContextQuery(filePath: path, text: [], cursorOffset: 0, tokenBudget: 500)
            await #expect(throws: RepoContextError.unusablePath(path: path)) {
                _ = try await context.prompt(for: query, tokenizer: ByteTokenizer())
            }
        }
        let odd = ContextQuery(filePath: "/nowhere/a\nb.py", text: [], cursorOffset: 7, tokenBudget: 500)
        let result = try await context.prompt(for: odd, tokenizer: ByteTokenizer())
        #expect(result.prompt.text.hasPrefix("<|file_sep|>a_b.py\n"))
    }

    @Test("When time is over a query answers with what is read, and the rest follows in the background")
    func degradesInTime() async throws {
        let fixture = try Self.shop()
        for number in 0..<50 {
            try fixture.write("lib/part_\(number).py", "def part_function_\(number)(): pass\n")
        }
        try fixture.commit()
        // Each reading of this clock is a second later: the first check finds the time over.
        let ticks = Atomic<UInt64>(0)
        let clock = MonotonicClock { ticks.wrappingAdd(1_000_000_000, ordering: .relaxed).newValue }
        let context = RepositoryContext(
            .init(queryTimeLimit: .milliseconds(1), clock: clock, onDegradation: { _ in }))
        let text = "a = part_function_7()\nb = \n"
        let query = Self.query(fixture, text: text, cursor: text.utf8.count - 1)
        let first = try await context.prompt(for: query, tokenizer: ByteTokenizer())
        #expect(!first.isIndexComplete && first.contextPaths == [])
        await context.prepare(file: query.filePath)
        let second = try await context.prompt(for: query, tokenizer: ByteTokenizer())
        #expect(second.isIndexComplete)
        #expect(second.contextPaths.map(\.string) == ["lib/part_7.py"])
    }

    @Test("Asked twice, it gives the same prompt; asked without context, the file alone with its path")
    func isDeterministic() async throws {
        let fixture = try Self.shop()
        let first = try await Self.context().prompt(for: Self.query(fixture), tokenizer: ByteTokenizer())
        let other = Self.context()
        await other.prepare(file: Self.query(fixture).filePath)
        let second = try await other.prompt(for: Self.query(fixture), tokenizer: ByteTokenizer())
        #expect(first.prompt == second.prompt)
        var query = Self.query(fixture)
        query.includeContext = false
        let alone = try await other.prompt(for: query, tokenizer: ByteTokenizer())
        #expect(alone.prompt.text.hasPrefix("<|file_sep|>shop/views/checkout.py\n<|fim_suffix|>"))
    }

    @Test("CRLF files keep their line endings, binary, huge and generated files stay out")
    func keepsTextAsItIs() async throws {
        let fixture = try Self.shop()
        try fixture.write("shop/pricing.py", "def discounted_total():\r\n    pass\r\n")
        try fixture.write("shop/binary.py", bytes: Array("def brand_new(): pass\n".utf8) + [0])
        try fixture.write("shop/latin.py", bytes: Array("def brand_new(): pass # ".utf8) + [0xE9, 0x0A])
        try fixture.write(
            "shop/huge.py", "def brand_new(): pass\n" + String(repeating: "# filler\n", count: 80_000))
        try fixture.write("shop/made.py", "# @generated\ndef brand_new(): pass\n")
        try fixture.write(
            "shop/min.py", "def brand_new(): pass;" + String(repeating: "x=1;", count: 900) + "\n")
        try fixture.commit()
        let imports = ["pricing", "binary", "latin", "huge", "made", "min"].map { "import shop.\($0)\r\n" }
            .joined()
        let text = imports + "brand_new()\r\nx = "
        let query = Self.query(fixture, text: text, cursor: text.utf8.count)
        let result = try await Self.context().prompt(for: query, tokenizer: ByteTokenizer())
        #expect(result.contextPaths.map(\.string) == ["shop/pricing.py"])
        #expect(
            result.prompt.text.contains("pricing.py\ndef discounted_total():\r\n    pass\r\n<|file_sep|>"))
        #expect(result.prompt.text.contains("brand_new()\r\nx = <|fim_middle|>"))
    }

    @Test("A definition far down in a long file is chosen with the definitions beside it")
    func showsTheWantedDefinition() async throws {
        let fixture = try Self.shop()
        let filler = (0..<600).map { "def filler_\($0)():\n    return \($0)\n" }
        try fixture.write(
            "shop/pricing.py",
            (filler[..<400] + ["def discounted_total(order):\n    return 42\n"] + filler[400...]).joined()
        )
        try fixture.commit()
        let text = "from shop.pricing import discounted_total\n\nx = discounted_total(order)\ny = "
        let query = Self.query(fixture, text: text, cursor: text.utf8.count)
        let result = try await Self.context().prompt(for: query, tokenizer: ByteTokenizer())
        #expect(result.contextPaths.map(\.string) == ["shop/pricing.py"])
        let shown = String(decoding: try #require(result.selection.first).text, as: UTF8.self)
        #expect(shown.contains("def discounted_total(order):\n    return 42\n"))
        #expect(result.prompt.text.contains("shop/pricing.py\ndef "))
    }

    @Test("A changed .gitignore is followed")
    func followsIgnoreRules() async throws {
        let fixture = try Self.shop()
        try fixture.write("shop/local.py", "def local_thing(): pass\n")
        let context = Self.context()
        let text = "a = local_thing()\nb = "
        let query = Self.query(fixture, text: text, cursor: text.utf8.count)
        let before = try await context.prompt(for: query, tokenizer: ByteTokenizer())
        #expect(before.contextPaths.map(\.string) == ["shop/local.py"])
        try fixture.write(".gitignore", "local.py\n")
        await context.noteSaved(fixture.absolute(".gitignore"))
        let after = try await context.prompt(for: query, tokenizer: ByteTokenizer())
        #expect(after.contextPaths == [])
    }

    @Test("A file that nobody has added to git is not taken for gone, whenever it is asked about first")
    func blobIDsOfUntracked() async throws {
        let fixture = try Self.shop()
        try fixture.write("shop/new.py", "def new(): pass\n")
        try fixture.write("shop/local.py", "x = 1\n")
        try fixture.write(".gitignore", "local.py\n")
        let ids = await Self.context().blobIDs(
            of: ["shop/new.py", "shop/local.py", "shop/none.py"], beneath: fixture.path)
        #expect(ids.map { $0 == nil } == [false, true, true])
    }

    @Test("Queries leave the repository and its index as they were")
    func writesNothing() async throws {
        let fixture = try Self.shop()
        try fixture.write("shop/pricing.py", "def discounted_total(): changed\n")
        let before = try fixture.contents()
        let context = Self.context()
        await context.prepare(file: Self.query(fixture).filePath)
        _ = try await context.prompt(for: Self.query(fixture), tokenizer: ByteTokenizer())
        #expect(try fixture.contents() == before)
    }

    @Test("Work runs on the thread named index, not on the pool")
    func runsOnItsThread() async throws {
        let fixture = try Self.shop()
        let names = Lines()
        let clock = MonotonicClock {
            names.add((try? String(contentsOfFile: "/proc/thread-self/comm", encoding: .utf8)) ?? "?")
            return 0
        }
        let context = RepositoryContext(.init(clock: clock, onDegradation: { _ in }))
        _ = try await context.prompt(for: Self.query(fixture), tokenizer: ByteTokenizer())
        #expect(Set(names.all) == ["index\n"])
    }
}
