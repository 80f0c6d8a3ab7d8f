// Settings from several places: who wins, what a hostile repository cannot do, and what is said about mistakes.

import CompletionEvaluation
import FoundationEssentials
import Glibc
import Synchronization
import TestSupport
import Testing

@testable import CompletionDaemon

struct SettingsTests {
    private func parse(_ text: String) throws -> JSONValue {
        try WireCoding.decode(JSONValue.self, from: Array(text.utf8))
    }

    private func apply(
        _ text: String, _ source: Settings.Source = .user, to settings: Settings = Settings()
    ) throws -> (settings: Settings, problems: [String]) {
        var problems: [String] = []
        let result = settings.applying(try parse(text), from: source, problems: &problems)
        return (result, problems)
    }

    private func withFolder(_ body: (String) throws -> Void) throws {
        var template = Array("/tmp/settings-test-XXXXXX".utf8CString)
        let folder = try #require(mkdtemp(&template).map { String(cString: $0) })
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try body(folder)
    }

    private func write(_ text: String, to path: String) throws {
        let folder = path.prefix(upTo: try #require(path.lastIndex(of: "/")))
        try FileManager.default.createDirectory(atPath: String(folder), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: URL(filePath: path))
    }

    @Test(
        "Patterns",
        arguments: [
            ("*.min.js", "web/a.min.js", true), ("*.min.js", "web/a.js", false), ("web/*", "web/a.js", true),
            ("web/*", "web/deep/a.js", false), ("web/**", "web/deep/a.js", true), ("**/gen/*", "gen/a", true),
            ("**/gen/*", "x/y/gen/a", true), ("**/gen/*", "x/regen/a/b", false), ("gen/", "gen/a/b", true),
            ("/gen/a", "gen/a", true), ("a?c", "x/abc", true), ("a?c", "ac", false), ("**", "any/where", true),
            ("größe*", "größer", true), ("**/a.py", "data.py", false), ("**/a.py", "x/a.py", true),
            ("src/**/x.py", "src/foox.py", false), ("src/**/x.py", "src/x.py", true),
            ("src/**/x.py", "src/a/b/x.py", true),
        ])
    func patterns(pattern: String, path: String, isMatch: Bool) throws {
        #expect(try #require(PathPattern(pattern)).matches(path) == isMatch)
    }

    @Test("A pattern made to take exponential time is matched in proportion to its length")
    func hostilePattern() throws {
        let pattern = try #require(PathPattern(String(repeating: "*a", count: 127) + "b"))
        #expect(!pattern.matches(String(repeating: "a", count: 4_096)))
        #expect(PathPattern(String(repeating: "a", count: 257)) == nil)
    }

    @Test("The user may say anything, a later place in place of an earlier one")
    func user() throws {
        let first = try apply(
            #"{"enabled":false,"automatic":false,"contextTokens":512,"languages":{"markdown":false}}"#)
        #expect(first.problems.isEmpty && !first.settings.isEnabled && !first.settings.isAutomatic)
        let second = try apply(
            #"{"enabled":true,"contextTokens":2048,"languages":{"markdown":true}}"#, to: first.settings)
        #expect(second.settings.isEnabled && second.settings.contextTokens == 2048)
        #expect(second.settings.languages["markdown"] == true && !second.settings.isAutomatic)
    }

    @Test("A repository may only narrow, and what is not its business is ignored with one line each")
    func hostileRepository() throws {
        var strict = Settings()
        strict.isEnabled = false
        strict.isAutomatic = false
        strict.contextTokens = 512
        strict.maximumTokens = 16
        strict.countsUsage = false
        strict.languages = ["markdown": false]
        let hostile = try apply(
            #"""
            {"enabled":true,"automatic":true,"contextTokens":900000,"maximumTokens":1000,"statistics":true,
             "languages":{"markdown":true},"engine":{"url":"https://example.com"},"model":"/tmp/m.gguf",
             "record":"/tmp/r","log":"trace","cache":"/tmp","hook":true}
            """#, .repository, to: strict)
        #expect(hostile.settings == strict)
        #expect(hostile.problems.count == 7)

        let narrow = try apply(
            #"{"enabled":false,"contextTokens":256,"exclude":["secret/**"],"languages":{"sql":false}}"#, .repository)
        #expect(narrow.problems.isEmpty && !narrow.settings.isEnabled && narrow.settings.contextTokens == 256)
        #expect(narrow.settings.excludes("secret/a/b") && narrow.settings.languages["sql"] == false)
    }

    @Test("Another engine is the user's own file's to name: an editor may hand on what a folder says")
    func engine() throws {
        let text = #"{"engine":{"url":"https://host/v1","model":"m","prompt":"text","timeoutSeconds":5}}"#
        let own = try apply(text)
        #expect(own.problems == [] && own.settings.remoteEngine?.model == "m")
        #expect(own.settings.remoteEngine?.promptForm == .text && own.settings.remoteEngine?.timeoutSeconds == 5)
        for source in [Settings.Source.editor, .repository] {
            let other = try apply(text, source)
            #expect(other.settings == Settings() && other.problems.count == 1)
        }
        for wrong in [
            #"{"engine":"http://127.0.0.1/v1"}"#, #"{"engine":{"url":"http://host/v1"}}"#,
            #"{"engine":{"url":"https://user:secret@host/v1"}}"#, #"{"engine":{"model":"m"}}"#,
            #"{"engine":{"url":"https://host/v1","key":"secret"}}"#,
            #"{"engine":{"url":"https://host/v1","keyFile":"key"}}"#,
            #"{"engine":{"url":"https://host/v1","timeoutSeconds":0}}"#,
        ] {
            let (settings, problems) = try apply(wrong)
            #expect(settings == Settings() && problems.count == 1)
            #expect(!problems[0].contains("secret"))
        }
    }

    @Test("A repository may only raise the confidence that is asked for; who asks sees everything")
    func confidence() async throws {
        let raised = try apply(#"{"minimumConfidence":0.6}"#, .repository)
        #expect(raised.settings.minimumConfidence == 0.6)
        #expect(try apply(#"{"minimumConfidence":0}"#, .repository).settings == Settings())
        #expect(try apply(#"{"minimumConfidence":0}"#).settings.minimumConfidence == 0)
        let store = SettingsStore(userFilePath: nil, logger: silentLogger)
        let provider = ScriptedProvider { request in
            .answer(request.doubt(confidence: 0.2) ?? .items([CompletionItem(text: "x", at: 0)]))
        }
        let gate = GatingProvider(provider, settings: store, usage: nil)
        let document = DocumentSnapshot(
            uri: DocumentURI("file:///nowhere/a"), languageID: "swift", version: 1, bytes: [])
        func isShown(_ kind: InlineCompletionTriggerKind) async -> Bool {
            let outcome = await gate.complete(
                CompletionRequest(
                    document: document, byteOffset: 0, triggerKind: kind, selectedCompletion: nil,
                    openDocuments: [], recentPaths: [], cancellation: RequestCancellation()))
            if case .items = outcome { return true }
            return false
        }
        #expect(await !isShown(.automatic))
        #expect(await isShown(.invoked))
        gate.settingsChanged(try parse(#"{"minimumConfidence":0.1}"#))
        #expect(await isShown(.automatic))
    }

    @Test("Where completions are switched off, no repository is read ahead")
    func readsNothingAhead() throws {
        let on = try RepositoryFixture(name: "on")
        let off = try RepositoryFixture(name: "off")
        try off.write(".foretoken.json", #"{"enabled":false}"#)
        let provider = ScriptedProvider.inserting("x")
        let gate = GatingProvider(
            provider, settings: SettingsStore(userFilePath: nil, logger: silentLogger), usage: nil)
        gate.workspaceOpened(
            WorkspaceDescription(rootPaths: [off.path, on.path], clientName: nil, initializationOptions: nil),
            progress: NoProgress())
        #expect(provider.readAheadPaths.withLock { $0 } == [on.path])
        gate.settingsChanged(try parse(#"{"enabled":false}"#))
        #expect(provider.readAheadPaths.withLock { $0 } == [])
        gate.workspaceChanged(rootPaths: [on.path])
        #expect(provider.readAheadPaths.withLock { $0 } == [])
        gate.settingsChanged(try parse(#"{"enabled":true}"#), forFolder: on.path)
        #expect(provider.readAheadPaths.withLock { $0 } == [on.path])
        gate.settingsChanged(try parse(#"{"enabled":false}"#), forFolder: on.path)
        #expect(provider.readAheadPaths.withLock { $0 } == [])
    }

    @Test("What the editor says of a folder counts in that folder, until the folder goes")
    func editorsFolders() throws {
        let store = SettingsStore(userFilePath: nil, logger: silentLogger)
        store.setWorkspaceRoots(["/one", "/two"])
        store.setEditorSettings(try parse(#"{"contextTokens":512}"#))
        store.setEditorSettings(try parse(#"{"contextTokens":256}"#), forFolder: "/two")
        #expect(store.settings(forFile: "/one/a").settings.contextTokens == 512)
        #expect(store.settings(forFile: "/two/deep/a").settings.contextTokens == 256)
        store.setWorkspaceRoots(["/one"])
        #expect(store.settings(forFile: "/two/a").settings.contextTokens == 512)
    }

    @Test(
        "Mistakes are named and change nothing",
        arguments: [
            #"{"enabled":"yes"}"#, #"{"contextTokens":1}"#, #"{"maximumTokens":1.5}"#,
            #"{"contextTokens":9223372036854775807}"#, #"{"exclude":"a"}"#, #"{"exclude":[""]}"#,
            #"{"languages":{"a":1}}"#, #"{"colour":"red"}"#, "[1]",
        ])
    func mistakes(text: String) throws {
        let (settings, problems) = try apply(text)
        #expect(settings == Settings())
        #expect(problems.count == 1)
    }

    @Test("Files are read again when they change; a pipe, a link or a huge file is not read")
    func files() throws {
        try withFolder { folder in
            let path = folder + "/settings.json"
            var file = SettingsFile(path: path)
            #expect(file.refresh() == false)
            try write(#"{"enabled":false}"#, to: path)
            #expect(file.refresh() && file.value == .object(["enabled": .boolean(false)]))
            #expect(file.refresh() == false)
            try write(#"{"enabled":fal"#, to: path)
            #expect(file.refresh() && file.value == nil && file.problem == "is not valid JSON")
            unlink(path)
            #expect(file.refresh() && file.value == nil && file.problem == nil)
            #expect(mkfifo(path, 0o600) == 0)
            #expect(file.refresh() && file.problem == "is not a regular file")
            unlink(path)
            #expect(symlink("/etc/passwd", path) == 0)
            #expect(file.refresh() && file.problem != nil)
            unlink(path)
            try write(String(repeating: " ", count: SettingsFile.maximumByteCount + 1), to: path)
            #expect(file.refresh() && file.value == nil && file.problem != nil)
        }
    }

    @Test("A file obeys the folders above it up to its repository's root, and nobody beyond")
    func places() throws {
        try withFolder { folder in
            let repository = folder + "/repo"
            try write("", to: repository + "/.git/HEAD")
            try write(#"{"enabled":false}"#, to: folder + "/.foretoken.json")
            try write(#"{"contextTokens":1024,"exclude":["gen/**"]}"#, to: repository + "/.foretoken.json")
            try write(#"{"contextTokens":512,"exclude":["*.sql"]}"#, to: repository + "/web/.foretoken.json")
            try write(#"{"contextTokens":4096}"#, to: folder + "/user.json")
            let store = SettingsStore(userFilePath: folder + "/user.json", logger: silentLogger)

            let top = store.settings(forFile: repository + "/a.py")
            #expect(top.settings.isEnabled && top.settings.contextTokens == 1024 && !top.isExcluded)
            #expect(store.settings(forFile: repository + "/gen/a.py").isExcluded)
            let web = store.settings(forFile: repository + "/web/a.sql")
            #expect(web.settings.contextTokens == 512 && web.isExcluded)
            #expect(!store.settings(forFile: repository + "/a.sql").isExcluded)

            try write(#"{"enabled":false,"exclude":[]}"#, to: repository + "/.foretoken.json")
            let after = store.settings(forFile: repository + "/gen/a.py")
            #expect(after.refusal(languageID: "python", isAutomatic: true) != nil && !after.isExcluded)

            store.setEditorSettings(try parse(#"{"foretoken":{"contextTokens":300}}"#))
            #expect(store.settings(forFile: folder + "/elsewhere/a.py").settings.contextTokens == 300)
        }
    }

    @Test("The gate lets through what settings allow; silence ends typing's requests, not the asked ones")
    func gate() async throws {
        let store = SettingsStore(userFilePath: nil, logger: silentLogger)
        let gate = GatingProvider(ScriptedProvider.inserting("x"), settings: store, usage: nil)
        func ask(_ languageID: String, _ kind: InlineCompletionTriggerKind) async -> Bool {
            let document = DocumentSnapshot(
                uri: DocumentURI("file:///nowhere/a"), languageID: languageID, version: 1, bytes: [])
            let outcome = await gate.complete(
                CompletionRequest(
                    document: document, byteOffset: 0, triggerKind: kind, selectedCompletion: nil,
                    openDocuments: [], recentPaths: [], cancellation: RequestCancellation()))
            return outcome == .items([CompletionItem(text: "x", at: 0)])
        }
        #expect(await ask("swift", .automatic))
        gate.settingsChanged(try parse(#"{"languages":{"markdown":false}}"#))
        #expect(await !ask("markdown", .invoked))
        #expect(await ask("swift", .automatic))
        gate.settingsChanged(try parse(#"{"automatic":false}"#))
        #expect(await !ask("swift", .automatic))
        #expect(await ask("swift", .invoked))
        gate.settingsChanged(.null)
        #expect(await !ask("swift", .automatic))
        gate.settingsChanged(try parse("{}"))
        gate.silence(for: .seconds(600))
        #expect(await !ask("swift", .automatic))
        #expect(await ask("swift", .invoked))
        gate.silence(for: .zero)
        #expect(await ask("swift", .automatic))
    }
}
