// Which files may leave the machine: the rules on the disk decide, asked at the time, and doubt refuses.

import Foundation
import TestSupport
import Testing

@testable import RepoContext

@Suite("Exclusion")
struct ExclusionTests {
    private func exclusion(_ fixture: RepositoryFixture, _ file: String, workspace: Bool = true) async -> Exclusion? {
        let context = RepositoryContext(
            .init(workspaceFolders: workspace ? [fixture.path] : [], onDegradation: { _ in }))
        return await context.exclusion(ofFile: fixture.absolute(file))
    }

    @Test("Git's rules of every kind hold for what is not tracked, on the disk or not")
    func gitRules() async throws {
        let fixture = try RepositoryFixture()
        try fixture.write("a.py", "1\n")
        try fixture.write("sub/kept.log", "1\n")
        try fixture.commit()
        try fixture.write(".gitignore", "*.log\n!kept2.log\nbuild/\n")
        try fixture.write("sub/.gitignore", "local.py\n")
        try fixture.write(".git/info/exclude", "mine.py\n")
        for name in ["x.log", "build/a.py", "build/deep/a.py", "sub/local.py", "sub/mine.py"] {
            #expect(await exclusion(fixture, name) == .ignoredByGit, "\(name)")
            #expect(await exclusion(fixture, name, workspace: false) == .ignoredByGit, "\(name)")
        }
        for name in ["a.py", "new.py", "sub/kept.log", "sub/kept2.log", "local.py"] {
            #expect(await exclusion(fixture, name) == nil, "\(name)")
        }
    }

    @Test("A change of rules, or of what is tracked, counts at once and without a word from an editor")
    func freshRules() async throws {
        let fixture = try RepositoryFixture()
        try fixture.write("a.py", "1\n")
        try fixture.commit()
        let context = RepositoryContext(.init(onDegradation: { _ in }))
        let path = fixture.absolute("a.py")
        #expect(await context.exclusion(ofFile: path) == nil)
        try fixture.write(".foretokenignore", "a.py\n")
        #expect(await context.exclusion(ofFile: path) == .named)
        try fixture.remove(".foretokenignore")
        #expect(await context.exclusion(ofFile: path) == nil)
        try fixture.write(".gitignore", "*.py\n")
        #expect(await context.exclusion(ofFile: fixture.absolute("b.py")) == .ignoredByGit)
    }

    @Test("Rules hold where git is of no use: in plain folders, damaged repositories and for files opened alone")
    func withoutGit() async throws {
        let fixture = try RepositoryFixture(isRepository: false)
        try fixture.write(".gitignore", "local.py\n")
        try fixture.write(".foretokenignore", "private/\n")
        for workspace in [true, false] {
            #expect(await exclusion(fixture, "local.py", workspace: workspace) == .ignoredByGit)
            #expect(await exclusion(fixture, "private/a.py", workspace: workspace) == .named)
            #expect(await exclusion(fixture, "a.py", workspace: workspace) == nil)
        }
        let damaged = try RepositoryFixture()
        try damaged.write(".gitignore", "local.py\n")
        try damaged.write(".git/HEAD", "nonsense\n")
        try damaged.write(".git/config", "[core\n")
        for workspace in [true, false] {
            #expect(await exclusion(damaged, "local.py", workspace: workspace) == .ignoredByGit)
        }
        let alone = try RepositoryFixture(isRepository: false)
        try alone.write("a.py", "1\n")
        #expect(await exclusion(alone, "a.py", workspace: false) == nil)
    }

    @Test("Rules that cannot be read exclude what they might name", .timeLimit(.minutes(10)))
    func unreadableRules() async throws {
        func expectUnreadable(_ change: (RepositoryFixture) throws -> Void) async throws {
            let fixture = try RepositoryFixture()
            try fixture.write("tracked.py", "1\n")
            try fixture.commit()
            try change(fixture)
            guard case .unreadableRules = await exclusion(fixture, "a.py") else {
                Issue.record("not excluded")
                return
            }
        }
        try await expectUnreadable { try $0.makeFIFO(".gitignore") }
        try await expectUnreadable { try $0.makeFIFO(".foretokenignore") }
        try await expectUnreadable {
            #expect(symlink("tracked.py", $0.absolute(".foretokenignore")) == 0)
        }
        try await expectUnreadable { try $0.write(".foretokenignore", String(repeating: "# x\n", count: 20_000)) }
        try await expectUnreadable { try $0.write(".foretokenignore", String(repeating: "x\n", count: 1_001)) }
    }

    @Test("A rules file that libgit2 passes over in silence excludes what it might name")
    func silentlyUnreadableRules() async throws {
        func expectUnreadable(_ file: String, _ change: (RepositoryFixture) throws -> Void) async throws {
            let fixture = try RepositoryFixture()
            try fixture.write("tracked.py", "1\n")
            try fixture.commit()
            try change(fixture)
            guard case .unreadableRules = await exclusion(fixture, file) else {
                Issue.record("\(file) is not excluded")
                return
            }
            #expect(await exclusion(fixture, "tracked.py") == nil)
        }
        try await expectUnreadable("a.py") { try $0.write(".gitignore/inner", "") }
        try await expectUnreadable("sub/deep/a.py") { try $0.write("sub/.gitignore/inner", "") }
        try await expectUnreadable("a.py") {
            try $0.write("rules", "b.py\n")
            try $0.link(".gitignore", to: $0.absolute("rules"))
        }
        try await expectUnreadable("a.py") {
            try? $0.remove(".git/info/exclude")
            try $0.write(".git/info/exclude/inner", "")
        }
        try await expectUnreadable("a.py") {
            try $0.write("excludes/inner", "")
            try $0.appendConfiguration("[core]\n\texcludesFile = \($0.absolute("excludes"))\n")
        }
        // Long rules are read by libgit2 all the same.
        let fixture = try RepositoryFixture()
        try fixture.write(".gitignore", String(repeating: "# x\n", count: 20_000) + "local.py\n")
        #expect(await exclusion(fixture, "local.py") == .ignoredByGit)
        #expect(await exclusion(fixture, "a.py") == nil)
    }

    @Test("What is behind a link or cannot be opened is not taken for missing")
    func unreadableIsNotMissing() async throws {
        let fixture = try RepositoryFixture()
        try fixture.write("folder/a", "1\n")
        try fixture.link("linked", to: "folder")
        func reason(_ path: String) throws -> FileSkipReason? {
            let path = try #require(RelativePath(path))
            guard let root = RootDirectory.open(fixture.path) else { return .unreadable }
            return switch root.bytes(of: path, maximumByteCount: 100) {
            case .success: nil
            case .failure(let skip): skip.reason
            }
        }
        #expect(try reason("folder/a") == nil)
        #expect(try reason("linked/a") == .unreadable)
        #expect(try reason("none/a") == .missing)
        #expect(try reason("folder/a/b") == .missing)
        let elsewhere = try RepositoryFixture(isRepository: false, name: "elsewhere")
        try elsewhere.write("exclude", "local.py\n")
        try? fixture.remove(".git/info")
        try fixture.link(".git/info", to: elsewhere.path)
        #expect(await exclusion(fixture, "local.py") != nil)
    }

    @Test("Each folder above a file that was opened alone has a say, also another user's")
    func allFoldersAbove() async throws {
        let fixture = try RepositoryFixture(isRepository: false)
        try fixture.write(".foretokenignore", "inner/secret.py\n")
        try fixture.write("inner/.foretokenignore", "other.py\n")
        #expect(await exclusion(fixture, "inner/secret.py", workspace: false) == .named)
        #expect(await exclusion(fixture, "inner/other.py", workspace: false) == .named)
        #expect(await exclusion(fixture, "inner/a.py", workspace: false) == nil)
        guard geteuid() == 0 else { return }
        let others = try RepositoryFixture()
        try others.write(".gitignore", "sub/local.py\n")
        try others.write("sub/.foretokenignore", "other.py\n")
        try #require(chown(others.path, 54_321, 54_321) == 0)
        for workspace in [true, false] {
            #expect(await exclusion(others, "sub/local.py", workspace: workspace) == .ignoredByGit)
            #expect(await exclusion(others, "sub/a.py", workspace: workspace) == nil)
        }
    }

    @Test("The null device as excludes file means none; a damaged configuration may name any")
    func excludesOfConfiguration() async throws {
        let fixture = try RepositoryFixture()
        try fixture.appendConfiguration("[core]\n\texcludesFile = /dev/null\n")
        let git = fixture.absolute(".git")
        #expect(GitExcludes.files(root: fixture.path, gitDirectory: git).allSatisfy { $0.rules.defect == nil })
        #expect(await exclusion(fixture, "a.py") == nil)
        try fixture.appendConfiguration("[core\n")
        let damaged = GitExcludes.files(root: fixture.path, gitDirectory: git).filter { $0.rules.defect != nil }
        #expect(damaged.map(\.path) == [git + "/config"])
        #expect(await exclusion(fixture, "a.py") != nil)
    }

    @Test("A link is excluded with what it leads to, and git's own files are")
    func linksAndGit() async throws {
        let fixture = try RepositoryFixture()
        try fixture.write(".gitignore", "local/\n")
        try fixture.write("local/a.py", "1\n")
        #expect(symlink("local/a.py", fixture.absolute("file.py")) == 0)
        #expect(symlink("local", fixture.absolute("folder")) == 0)
        #expect(await exclusion(fixture, "file.py") == .ignoredByGit)
        #expect(await exclusion(fixture, "folder/a.py") == .ignoredByGit)
        #expect(await exclusion(fixture, ".git/config") == .gitDirectory)
        #expect(await exclusion(fixture, ".github/a.yml") == nil)
    }
}
