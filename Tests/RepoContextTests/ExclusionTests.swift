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
