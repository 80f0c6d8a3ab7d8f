// What is read of repositories in every state: ordinary, odd, damaged, hostile. Each is made by its test.

import CGit2
import Foundation
import TestSupport
import Testing

@testable import RepoContext

@Suite struct GitTests {
    /// The snapshot of a fixture with its status, and what was missing.
    private static func snapshot(_ fixture: RepositoryFixture) throws -> (RepositorySnapshot?, [String]) {
        var builder = SnapshotBuilder()
        guard let repository = try GitRepository.discover(fromFolder: fixture.path) else { return (nil, []) }
        var snapshot = builder.listing(of: repository)
        if var listed = snapshot, !listed.isStatusKnown, let root = RootDirectory.open(fixture.path) {
            builder.applyStatus(of: repository, root: root, to: &listed)
            snapshot = listed
        }
        return (snapshot, builder.degradations)
    }

    private static func state(_ snapshot: RepositorySnapshot) -> [String: RepositorySnapshot.Change] {
        Dictionary(uniqueKeysWithValues: snapshot.files.map { ($0.path.string, $0.change) })
    }

    @Test("The snapshot overlays HEAD with what the work tree changed, without touching a file")
    func overlaysTheWorkTree() throws {
        let fixture = try RepositoryFixture()
        for name in ["kept.py", "changed.py", "gone.py", "old_name.py", "folder/deep.py"] {
            try fixture.write(name, "# \(name)\n")
        }
        try fixture.write(".gitignore", "*.log\nbuilt/\n")
        try fixture.commit()
        try fixture.write("changed.py", "# changed, and longer\n")
        try fixture.remove("gone.py")
        try FileManager.default.moveItem(
            atPath: fixture.absolute("old_name.py"), toPath: fixture.absolute("new_name.py"))
        try fixture.write("new/inner/file.py", "x\n")
        try fixture.write("new/inner/file.log", "x\n")
        try fixture.write("built/out.py", "x\n")
        try fixture.write("excluded.py", "x\n")
        try fixture.write("node_modules/a/index.js", "x\n")
        try fixture.damage("info/exclude", with: "excluded.py\n")
        let before = try fixture.contents()
        let (snapshot, degradations) = try Self.snapshot(fixture)
        let files = try Self.state(#require(snapshot))
        #expect(
            files == [
                ".gitignore": .unchanged, "kept.py": .unchanged, "changed.py": .modified,
                "folder/deep.py": .unchanged,
                "new_name.py": .untracked, "new/inner/file.py": .untracked,
            ]
        )
        #expect(snapshot?.deletedPaths.map(\.string) == ["gone.py", "old_name.py"])
        #expect(snapshot?.name == "project")
        #expect(degradations == [])
        #expect(try fixture.contents() == before)
    }

    @Test("Staged changes count as changes")
    func seesStagedChanges() throws {
        let fixture = try RepositoryFixture()
        try fixture.write("a.py", "a\n")
        try fixture.commit()
        try fixture.write("a.py", "other\n")
        try fixture.write("b.py", "b\n")
        var index: OpaquePointer?
        try RepositoryFixture.check(git_repository_index(&index, fixture.repository))
        defer { git_index_free(index) }
        try RepositoryFixture.check(git_index_add_bypath(index, "a.py"))
        try RepositoryFixture.check(git_index_add_bypath(index, "b.py"))
        try RepositoryFixture.check(git_index_write(index))
        let snapshot = try #require(try Self.snapshot(fixture).0)
        #expect(Self.state(snapshot) == ["a.py": .modified, "b.py": .modified])
    }

    @Test("Links, submodules, FIFOs and names that are not UTF-8 are no candidates", .timeLimit(.minutes(10)))
    func leavesOutWhatIsNoFile() throws {
        let fixture = try RepositoryFixture()
        try fixture.write("a.py", "a\n")
        try fixture.link("link.py", to: "a.py")
        let odd = fixture.path + "/"
        let descriptor = (Array(odd.utf8) + [0x62, 0xFF, 0x2E, 0x70, 0x79, 0]).withUnsafeBytes {
            open($0.baseAddress!.assumingMemoryBound(to: CChar.self), O_CREAT | O_WRONLY, 0o644)
        }
        try #require(descriptor >= 0)
        close(descriptor)
        try fixture.commit()
        try fixture.makeFIFO("pipe.py")
        let inner = fixture.absolute("module")
        var submodule: OpaquePointer?
        try RepositoryFixture.check(git_repository_init(&submodule, inner, 0))
        git_repository_free(submodule)
        try fixture.write("module/inner.py", "x\n")
        let (snapshot, _) = try Self.snapshot(fixture)
        #expect(try Self.state(#require(snapshot)) == ["a.py": .unchanged])
        #expect(snapshot?.index(of: RelativePath("link.py")!) == nil)
    }

    @Test("An unborn HEAD, a detached HEAD and a linked folder are ordinary repositories")
    func readsUnbornAndDetachedHeads() throws {
        let unborn = try RepositoryFixture()
        try unborn.write("a.py", "a\n")
        let first = try #require(try Self.snapshot(unborn).0)
        #expect(first.origin == .git(head: nil))
        #expect(Self.state(first) == ["a.py": .untracked])
        let detached = try RepositoryFixture()
        try detached.write("a.py", "a\n")
        let id = try detached.commit()
        try detached.detachHead()
        let second = try #require(try Self.snapshot(detached).0)
        #expect(second.origin == .git(head: GitObjectID(id)))
        #expect("\(GitObjectID(id))".utf8.count == 40)
        #expect(GitObjectID(GitObjectID(id).oid) == GitObjectID(id))
    }

    @Test("A bare repository is listed from HEAD and read from its blobs")
    func readsBareRepositories() throws {
        let fixture = try RepositoryFixture(isBare: true, name: "thing.git")
        var blob = git_oid()
        let text = "def a(): pass\n"
        try RepositoryFixture.check(
            git_blob_create_from_buffer(&blob, fixture.repository, text, text.utf8.count))
        var builder: OpaquePointer?
        try RepositoryFixture.check(git_treebuilder_new(&builder, fixture.repository, nil))
        defer { git_treebuilder_free(builder) }
        try RepositoryFixture.check(git_treebuilder_insert(nil, builder, "a.py", &blob, GIT_FILEMODE_BLOB))
        var tree = git_oid()
        try RepositoryFixture.check(git_treebuilder_write(&tree, builder))
        _ = try fixture.commit(tree: tree, "first")
        guard let repository = try GitRepository.discover(fromFolder: fixture.path) else {
            throw RepositoryFixture.Failure(description: "not found")
        }
        let workTreePath = repository.workTreePath
        #expect(workTreePath == nil)
        var snapshots = SnapshotBuilder()
        let listing = snapshots.listing(of: repository)
        let snapshot = try #require(listing)
        #expect(snapshot.name == "thing")
        #expect(snapshot.files.map(\.path.string) == ["a.py"])
        let file = try #require(snapshot.files.first)
        #expect(!file.isInWorkTree)
        let blobID = try #require(file.blobID)
        let content = try GitBlob.open(blobID, of: repository)
        let (whole, tooLong) = (content.bytes(maximumByteCount: 100), content.bytes(maximumByteCount: 3))
        #expect(whole == Array(text.utf8))
        #expect(tooLong == nil)
    }

    @Test("A damaged HEAD or index costs what it holds and nothing else")
    func survivesDamage() throws {
        let fixture = try RepositoryFixture()
        try fixture.write("a.py", "a\n")
        try fixture.commit()
        try fixture.damage("index", with: "garbage, not an index")
        let (fromTree, first) = try Self.snapshot(fixture)
        #expect(try Self.state(#require(fromTree)) == ["a.py": .unchanged])
        #expect(first.count == 1 && first[0].contains("index"))
        try fixture.damage("HEAD", with: "garbage")
        let (nothing, second) = try Self.snapshot(fixture)
        #expect(nothing == nil)
        #expect(second.contains { $0.contains("HEAD") })
    }

    @Test("Missing and truncated objects are an error of that object alone")
    func survivesMissingObjects() throws {
        let fixture = try RepositoryFixture()
        try fixture.write("a.py", "a\n")
        try fixture.write("b/c.py", "c\n")
        let head = try fixture.commit()
        try fixture.remove(fixture.objectFile(fixture.blobID("a.py")))
        let (snapshot, _) = try Self.snapshot(fixture)
        #expect(try Self.state(#require(snapshot)) == ["a.py": .unchanged, "b/c.py": .unchanged])
        try fixture.write(fixture.objectFile(head), "not zlib")
        guard let repository = try GitRepository.discover(fromFolder: fixture.path) else {
            throw RepositoryFixture.Failure(description: "not found")
        }
        let id = try GitObjectID(fixture.blobID("a.py"))
        var failure: GitError?
        do throws(GitError) { _ = try GitBlob.open(id, of: repository) } catch { failure = error }
        #expect(failure?.kind == .notFound)
        var history = ChangeHistory(head: GitObjectID(head))
        let line = history.readOn(of: repository) { false }
        #expect(history.isComplete && line != nil)
    }

    @Test("History tells what changed lately and together, and passes over sweeping commits")
    func readsHistory() throws {
        let fixture = try RepositoryFixture()
        for number in 0..<60 { try fixture.write("many/\(number).py", "0\n") }
        for name in ["a.py", "b.py", "c.py"] { try fixture.write(name, "0\n") }
        try fixture.commit()
        for round in 1...3 {
            try fixture.write("a.py", "a\(round)\n")
            try fixture.write("b.py", "b\(round)\n")
            try fixture.commit()
        }
        for number in 0..<60 { try fixture.write("many/\(number).py", "1\n") }
        try fixture.write("a.py", "sweep\n")
        try fixture.commit()
        try fixture.write("c.py", "last\n")
        let head = try fixture.commit()
        guard let repository = try GitRepository.discover(fromFolder: fixture.path) else {
            throw RepositoryFixture.Failure(description: "not found")
        }
        // In steps of one commit it must come to the same as in one go.
        var stepwise = ChangeHistory(head: GitObjectID(head))
        while !stepwise.isComplete { _ = stepwise.readOn(of: repository) { true } }
        var whole = ChangeHistory(head: GitObjectID(head))
        let line = whole.readOn(of: repository) { false }
        #expect(line == nil)
        #expect(whole.commits == stepwise.commits)
        let (a, b, c) = (RelativePath("a.py")!, RelativePath("b.py")!, RelativePath("c.py")!)
        #expect(whole.commits == [[c], [a, b], [a, b], [a, b]])
        #expect(whole.companions(of: a) == [b: 1])
        #expect(whole.recency(of: c) > whole.recency(of: a))
        #expect(whole.recency(of: RelativePath("many/1.py")!) == 0)
    }

    @Test("The history of a shallow clone ends where the clone ends")
    func readsShallowHistory() throws {
        let fixture = try RepositoryFixture()
        var ids: [git_oid] = []
        for round in 0..<4 {
            try fixture.write("a.py", "\(round)\n")
            ids.append(try fixture.commit())
        }
        try fixture.remove(fixture.objectFile(ids[0]))
        try fixture.remove(fixture.objectFile(ids[1]))
        try fixture.damage("shallow", with: "\(GitObjectID(ids[2]))\n")
        guard let repository = try GitRepository.discover(fromFolder: fixture.path) else {
            throw RepositoryFixture.Failure(description: "not found")
        }
        var history = ChangeHistory(head: GitObjectID(ids[3]))
        let line = history.readOn(of: repository) { false }
        #expect(line == nil)
        #expect(history.isComplete)
        #expect(history.commits == [[RelativePath("a.py")!]])
    }

    @Test("A file's root is found upwards from folders that do not exist yet, and through links")
    func locatesFiles() throws {
        let fixture = try RepositoryFixture()
        try fixture.write("src/a.py", "a\n")
        try fixture.commit()
        let locator = RepositoryLocator(workspaceFolders: [])
        let expected = RepositoryLocation.repository(
            rootPath: fixture.path, gitDirectoryPath: fixture.absolute(".git")
        )
        let new = locator.locate(fixture.absolute("src/not/yet/there.py"))
        #expect(new.location == expected && new.path?.string == "src/not/yet/there.py")
        let other = try RepositoryFixture(isRepository: false, name: "links")
        try other.link("to", to: fixture.absolute("src"))
        let linked = locator.locate(other.absolute("to/a.py"))
        #expect(linked.location == expected && linked.path?.string == "src/a.py")
        #expect(locator.locate(fixture.absolute(".git/config")).location == .none)
        #expect(locator.locate(other.absolute("alone.py")).location == .none)
        let withFolder = RepositoryLocator(workspaceFolders: [other.path])
        #expect(withFolder.locate(other.absolute("x/alone.py")).location == .folder(rootPath: other.path))
    }

    @Test("A work tree that core.worktree puts elsewhere is not followed")
    func refusesMovedWorkTrees() throws {
        let fixture = try RepositoryFixture()
        try fixture.write("a.py", "a\n")
        try fixture.commit()
        var configuration: OpaquePointer?
        try RepositoryFixture.check(git_repository_config(&configuration, fixture.repository))
        defer { git_config_free(configuration) }
        try RepositoryFixture.check(git_config_set_string(configuration, "core.worktree", "/"))
        let located = RepositoryLocator(workspaceFolders: [fixture.path]).locate(fixture.absolute("a.py"))
        #expect(located.location == .folder(rootPath: fixture.path))
    }

    @Test("Extensions that change nothing for a reader open, unknown ones give way to the plain folder")
    func opensKnownExtensions() throws {
        let fixture = try RepositoryFixture()
        try fixture.write("a.py", "a\n")
        try fixture.commit()
        let plain = try #require(FileManager.default.contents(atPath: fixture.absolute(".git/config")))
        let format = String(decoding: plain, as: UTF8.self)
            .replacingOccurrences(of: "repositoryformatversion = 0", with: "repositoryformatversion = 1")
        try fixture.damage(
            "config", with: format + "[extensions]\n\tpreciousObjects = true\n\tworktreeConfig = true\n")
        let locator = RepositoryLocator(workspaceFolders: [])
        guard case .repository = locator.locate(fixture.absolute("a.py")).location else {
            Issue.record("known extensions must open")
            return
        }
        try fixture.damage("config", with: format + "[extensions]\n\tsomethingNew = true\n")
        let located = locator.locate(fixture.absolute("a.py"))
        #expect(located.location == .folder(rootPath: fixture.path))
        #expect(located.degradation?.contains("cannot be opened") ?? false)
    }

    @Test("safe.directory allows what git allows")
    func readsSafeDirectories() {
        func allows(_ values: [String]) -> Bool {
            GitOwnership.allows(path: "/srv/code", safeDirectories: values)
        }
        #expect(!allows([]))
        #expect(allows(["/srv/code/"]))
        #expect(allows(["*"]))
        #expect(allows(["/srv/*"]))
        #expect(!allows(["/srv"]))
        #expect(!allows(["*", ""]))
        #expect(allows(["*", "", "/srv/code"]))
        #expect(GitOwnership.isTrusted(ownerID: 5, userID: 5, sudoUserID: nil))
        #expect(!GitOwnership.isTrusted(ownerID: 5, userID: 0, sudoUserID: nil))
        #expect(GitOwnership.isTrusted(ownerID: 5, userID: 0, sudoUserID: 5))
        #expect(!GitOwnership.isTrusted(ownerID: 5, userID: 6, sudoUserID: 5))
    }

    @Test(
        "A repository of another user is refused with the command that allows it",
        .enabled(if: geteuid() == 0))
    func refusesOtherOwners() throws {
        let fixture = try RepositoryFixture()
        try fixture.write("a.py", "a\n")
        try fixture.commit()
        try #require(chown(fixture.path, 54_321, 54_321) == 0)
        let located = RepositoryLocator(workspaceFolders: [fixture.path]).locate(fixture.absolute("a.py"))
        #expect(located.location == .none)
        let line = try #require(located.degradation)
        #expect(line.contains("git config --global --add safe.directory '\(fixture.path)'"))
    }

    @Test("A linked work tree and a submodule are roots of their own")
    func readsLinkedWorkTreesAndSubmodules() throws {
        let fixture = try RepositoryFixture()
        try fixture.write("a.py", "a\n")
        try fixture.commit()
        let beside = try RepositoryFixture(isRepository: false, name: "beside")
        var linked: OpaquePointer?
        let path = beside.absolute("linked")
        try RepositoryFixture.check(git_worktree_add(&linked, fixture.repository, "linked", path, nil))
        git_worktree_free(linked)
        let locator = RepositoryLocator(workspaceFolders: [])
        let inLinked = locator.locate(path + "/a.py")
        #expect(
            inLinked.location
                == .repository(rootPath: path, gitDirectoryPath: fixture.absolute(".git/worktrees/linked"))
        )
        let checkout = try #require(Checkout(inLinked.location))
        #expect(checkout.snapshot.files.map(\.path.string) == ["a.py"])
        var submodule: OpaquePointer?
        try RepositoryFixture.check(git_repository_init(&submodule, fixture.absolute("module"), 0))
        git_repository_free(submodule)
        let inSubmodule = locator.locate(fixture.absolute("module/b.py"))
        #expect(inSubmodule.path?.string == "b.py")
    }

    @Test("A file that a sparse checkout leaves out is read from its blob")
    func readsSparseCheckouts() throws {
        let fixture = try RepositoryFixture()
        try fixture.write("a.py", "a = 1\n")
        try fixture.write("far/b.py", "def far_function(): pass\n")
        try fixture.commit()
        var index: OpaquePointer?
        try RepositoryFixture.check(git_repository_index(&index, fixture.repository))
        defer { git_index_free(index) }
        var entry = try #require(git_index_get_bypath(index, "far/b.py", 0)).pointee
        entry.flags_extended |= UInt16(GIT_INDEX_ENTRY_SKIP_WORKTREE.rawValue)
        try RepositoryFixture.check(git_index_add(index, &entry))
        try RepositoryFixture.check(git_index_write(index))
        try fixture.remove("far/b.py")
        let location = RepositoryLocator(workspaceFolders: []).locate(fixture.absolute("a.py")).location
        let checkout = try #require(Checkout(location))
        checkout.advance(focus: nil, mayBlock: true) { false }
        let path = try #require(RelativePath("far/b.py"))
        let outline = try #require(checkout.outline(of: path, documents: [:])?.outline)
        #expect(outline.text == Array("def far_function(): pass\n".utf8))
        #expect(checkout.index.definers(of: identifierHash(Array("far_function".utf8)[...])) == [path])
    }

    @Test("Contents that git has seen are read once, however often branches change")
    func keysRecordsByContent() throws {
        let fixture = try RepositoryFixture()
        try fixture.write("a.py", "def first(): pass\n")
        try fixture.commit()
        let location = RepositoryLocator(workspaceFolders: []).locate(fixture.absolute("a.py")).location
        let checkout = try #require(Checkout(location))
        checkout.advance(focus: nil, mayBlock: true) { false }
        let path = try #require(RelativePath("a.py"))
        let firstKey = try ContentKey.blob(GitObjectID(fixture.blobID("a.py")))
        #expect(checkout.index.key(path) == firstKey)
        try fixture.write("a.py", "def second_version(): pass\n")
        checkout.noteSaved(path)
        checkout.refresh()
        #expect(checkout.index.key(path) != firstKey)
        #expect(checkout.index.idleRecord(firstKey) != nil)
        try fixture.commit()
        checkout.refresh()
        checkout.advance(focus: nil, mayBlock: true) { false }
        #expect(checkout.index.definers(of: identifierHash(Array("second_version".utf8)[...])) == [path])
        #expect(checkout.index.definers(of: identifierHash(Array("first".utf8)[...])) == [])
    }
}
