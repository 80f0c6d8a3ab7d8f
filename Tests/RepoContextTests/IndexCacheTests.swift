// Indexes that outlive a session: what comes back is what was saved, whatever else lies in the file is refused, and
// the next session reads no file again.

import Foundation
import Synchronization
import TestSupport
import Testing

@testable import RepoContext

@Suite struct IndexCacheTests {
    private final class Lines: Sendable {
        private let lines = Mutex<[String]>([])
        func add(_ line: String) { lines.withLock { $0.append(line) } }
        var all: [String] { lines.withLock { $0 } }
    }

    private static func project() throws -> RepositoryFixture {
        let fixture = try RepositoryFixture(name: "project")
        for number in 0..<20 {
            try fixture.write(
                "src/part_\(number).py", "from .other import thing\ndef part_\(number)(a): return a\n")
        }
        try fixture.commit()
        return fixture
    }

    private static func checkout(_ fixture: RepositoryFixture, _ cache: IndexCache) throws -> Checkout {
        let location = RepositoryLocator(workspaceFolders: []).locate(fixture.absolute("src/part_0.py"))
            .location
        return try #require(Checkout(location, cache: cache))
    }

    private static func saved(_ fixture: RepositoryFixture) throws -> (
        cache: IndexCache, file: String, folder: String
    ) {
        let folder = try RepositoryFixture.temporaryFolder()
        let cache = IndexCache(cacheFolder: folder + "/cache")
        let checkout = try Self.checkout(fixture, cache)
        checkout.advance(focus: nil, mayBlock: true) { false }
        checkout.save()
        let name = try #require(try FileManager.default.contentsOfDirectory(atPath: cache.folder).first)
        return (cache, cache.folder + "/" + name, folder)
    }

    @Test(
        "A reopened repository knows its files and history before anything is read, and sees what changed since"
    )
    func comesBack() throws {
        let fixture = try Self.project()
        let (cache, _, folder) = try Self.saved(fixture)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let reopened = try Self.checkout(fixture, cache)
        #expect(reopened.index.fileCount == 20)
        #expect(reopened.history.isComplete && reopened.history.commits.isEmpty)  // a root commit has no parent
        let path = try #require(RelativePath("src/part_7.py"))
        #expect(reopened.index.definers(of: identifierHash(Array("part_7".utf8)[...])) == [path])
        #expect(reopened.index.entry(path)?.imports == [.module(["other"], levelsUp: 0, names: ["thing"])])
        try fixture.write("src/part_7.py", "def renamed(): pass\n")
        reopened.advance(focus: nil, mayBlock: true) { false }
        #expect(reopened.index.definers(of: identifierHash(Array("part_7".utf8)[...])) == [])
        #expect(reopened.index.definers(of: identifierHash(Array("renamed".utf8)[...])) == [path])
    }

    @Test("The cache is the user's alone")
    func isPrivate() throws {
        let fixture = try Self.project()
        let (cache, file, folder) = try Self.saved(fixture)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        for (path, mode) in [(folder + "/cache", 0o700), (cache.folder, 0o700), (file, 0o600)] {
            var status = stat()
            try #require(stat(path, &status) == 0)
            #expect(Int(status.st_mode) & 0o777 == mode, "\(path)")
        }
        // A folder that others can write to is not believed.
        try #require(chmod(cache.folder, 0o777) == 0)
        #expect(cache.load(rootPath: fixture.path).saved == nil)
    }

    @Test("A damaged, shortened or foreign file costs one line and is made anew")
    func refusesDamage() throws {
        let fixture = try Self.project()
        let (cache, file, folder) = try Self.saved(fixture)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let whole = try Data(contentsOf: URL(fileURLWithPath: file))
        var variants = [whole.prefix(0), whole.prefix(31), whole.prefix(whole.count - 1), whole + [0]]
        for place in stride(from: 0, to: whole.count, by: max(1, whole.count / 60)) {
            var damaged = whole
            damaged[place] ^= 0x40
            variants.append(damaged)
        }
        for (number, variant) in variants.enumerated() {
            try variant.write(to: URL(fileURLWithPath: file))
            let (saved, problem) = cache.load(rootPath: fixture.path)
            #expect(saved == nil && problem != nil, "variant \(number)")
        }
        #expect(SavedIndex(Array(whole), rootPath: fixture.path) != nil)
        #expect(SavedIndex(Array(whole), rootPath: "/another") == nil)
        let checkout = try Self.checkout(fixture, cache)
        #expect(checkout.degradations.count == 1)
        checkout.advance(focus: nil, mayBlock: true) { false }
        checkout.save()
        #expect(cache.load(rootPath: fixture.path).saved?.entries.count == 20)
    }

    @Test("A body that fits its checksum but lies about its lengths is refused, not believed")
    func refusesLies() throws {
        let fixture = try Self.project()
        let (_, file, folder) = try Self.saved(fixture)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let whole = [UInt8](try Data(contentsOf: URL(fileURLWithPath: file)))
        var random = SeededRandom(seed: 7)
        for _ in 0..<400 {
            var forged = whole
            for _ in 0..<4 {
                forged[Int.random(in: 32..<forged.count, using: &random)] = UInt8.random(
                    in: 0...255, using: &random)
            }
            withUnsafeBytes(of: wordChecksum(forged.dropFirst(32))) {
                forged.replaceSubrange(24..<32, with: $0)
            }
            // Whatever comes of it must be an index that can be asked.
            guard let saved = SavedIndex(forged, rootPath: fixture.path) else { continue }
            let index = RepositoryIndex(entries: saved.entries, terms: saved.terms, weights: saved.weights)
            _ = index.hits(of: [1, 2, 3])
            index.keepOnly(RepositorySnapshot(origin: .folder, rootPath: "/", files: []))
        }
    }

    @Test("Terms survive replacement, removal and compaction")
    func keepsTermsApart() throws {
        let index = RepositoryIndex()
        func record(_ text: String) -> FileRecord { .scan(Array(text.utf8), language: .python) }
        func set(_ name: String, _ text: String) throws {
            let path = try #require(RelativePath(name))
            index.set(
                path, key: .document(byteCount: text.utf8.count, hash: identifierHash(Array(text.utf8)[...])),
                record: record(text))
        }
        let many = (0..<1_500).map { "name_\($0) = other_\($0)\n" }.joined()
        for round in 0..<60 {
            try set("a.py", many + "round_\(round) = 1\n")
            try set("b\(round % 3).py", "def kept_\(round): pass\n")
        }
        let definers = { (name: String) in
            index.definers(of: identifierHash(Array(name.utf8)[...])).map(\.string)
        }
        #expect(definers("round_59") == ["a.py"] && definers("round_58") == [])
        #expect(
            definers("kept_57") == ["b0.py"] && definers("kept_59") == ["b2.py"] && definers("kept_3") == [])
        #expect(index.fileCount == 4)
        #expect(index.terms.count < 4 * 3_100 + (1 << 16))
    }
}
