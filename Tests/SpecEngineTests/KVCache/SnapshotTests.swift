// Snapshot files: what is written comes back, and nothing else does.

import Foundation
import TestSupport
import Testing

@testable import SpecEngine

@Suite("Snapshots")
struct SnapshotTests {
    private static let origin = SnapshotOrigin(
        rootPath: "/home/you/shop", documentPath: "main.py",
        sources: [SnapshotSource(path: "shapes.py", blobID: "0123", tokenRange: 3..<140)])

    private final class Folder {
        let path: String

        init() throws { path = try RepositoryFixture.temporaryFolder() }
        deinit { try? FileManager.default.removeItem(atPath: path) }
    }

    private let folder: Folder
    private let store: SnapshotStore
    private let key = SnapshotKey(modelChecksum: "abc", instructionSet: "test", blockByteCount: 10_000)

    init() throws {
        folder = try Folder()
        store = SnapshotStore(directory: folder.path + "/cache/snapshots", byteLimit: 400_000)
    }

    private func tokens(_ count: Int, from first: Int = 0) -> [TokenID] {
        (0..<count).map { TokenID(Int32(first + $0)) }
    }

    private func write(_ tokens: [TokenID], fill: UInt8 = 7, origin: SnapshotOrigin = origin) throws
        -> SnapshotFile?
    {
        let count = KVCache.blockCount(tokens.count)
        let bytes = [UInt8](repeating: fill, count: key.blockByteCount)
        return try bytes.withUnsafeBytes { bytes in
            try store.write(
                tokens: tokens, firstBlock: 0, blocks: Array(repeating: bytes, count: count), key: key,
                origin: origin)
        }
    }

    @Test("What was written is found again, whole and private")
    func roundTrip() throws {
        let written = try #require(try write(tokens(300)))
        let found = store.files(of: "/home/you/shop", key: key)
        #expect(found.damaged.isEmpty && found.files.count == 1)
        let file = try #require(found.files.first)
        #expect(file.header == written.header && file.origin == Self.origin && file.tokenCount == 300)
        #expect((0..<3).allSatisfy { file.verify(block: $0) } && file.block(2)[9_999] == 7)
        for path in [folder.path + "/cache", store.directory, store.folder(of: "/home/you/shop")] {
            #expect(
                try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o700)
        }
        #expect(
            try FileManager.default.attributesOfItem(atPath: file.path)[.posixPermissions] as? Int == 0o600)
        #expect(try write(tokens(300)) == nil, "the same file is not written again")
    }

    @Test("Snapshots of another model, version or repository are not used")
    func foreign() throws {
        _ = try write(tokens(300))
        for other in [
            SnapshotKey(modelChecksum: "abd", instructionSet: "test", blockByteCount: 10_000),
            SnapshotKey(modelChecksum: "abc", instructionSet: "avx2", blockByteCount: 10_000),
        ] {
            #expect(store.files(of: "/home/you/shop", key: other).files.isEmpty)
        }
        #expect(store.files(of: "/home/you/other", key: key).files.isEmpty)
        #expect(store.entries().count == 1)
    }

    @Test("A file that was cut short or changed anywhere is refused or found out at its first use")
    func damage() throws {
        let path = try #require(try write(tokens(300))).path
        let whole = try Data(contentsOf: URL(fileURLWithPath: path))
        let headerByteCount = try #require(SnapshotFile.open(path)).header.dataOffset
        var random = SeededRandom(seed: 3)
        let cuts = [
            0, 1, 8, 47, 48, headerByteCount - 1, headerByteCount, whole.count - 1, whole.count - 4_096,
        ]
        for count in cuts + (0..<20).map({ _ in random.below(whole.count) }) {
            try whole.prefix(count).write(to: URL(fileURLWithPath: path))
            #expect(SnapshotFile.open(path) == nil, "\(count) bytes")
        }
        for _ in 0..<300 {
            var changed = whole
            let place = random.oneIn(2) ? random.below(2_000) : random.below(whole.count)
            changed[place] ^= UInt8(1 << random.below(8))
            try changed.write(to: URL(fileURLWithPath: path))
            guard let file = SnapshotFile.open(path) else { continue }
            let isIntact = (0..<3).allSatisfy { file.verify(block: $0) }
            // Padding between the parts carries nothing.
            let original = try #require(whole.prefix(headerByteCount).withUnsafeBytes { SnapshotHeader($0) })
            let block = (place - headerByteCount) % original.blockStride
            let isPadding = place < headerByteCount || block >= original.blockByteCount
            #expect(isIntact == isPadding && file.header == original, "byte \(place)")
        }
        try whole.prefix(1_000).write(to: URL(fileURLWithPath: path))
        #expect(store.files(of: "/home/you/shop", key: key).damaged == [path])
        #expect(!FileManager.default.fileExists(atPath: path))
    }

    @Test("The least recently used go when the budget is reached, and clear removes a repository's alone")
    func limits() throws {
        var paths: [String] = []
        for number in 0..<12 {
            let path = try #require(try write(tokens(300, from: number))).path
            paths.append(path)
            let time = Date(timeIntervalSince1970: Double(1_700_000_000 + number))
            try FileManager.default.setAttributes([.modificationDate: time], ofItemAtPath: path)
        }
        let left = store.entries()
        #expect(left.reduce(0) { $0 + $1.byteCount } <= 400_000)
        #expect(Set(left.map(\.path)) == Set(paths.suffix(left.count)))
        var other = Self.origin
        other.rootPath = "/home/you/other"
        _ = try write(tokens(200), origin: other)
        #expect(store.clear(rootPath: "/home/you/shop") > 0)
        #expect(store.entries().map(\.origin?.rootPath) == ["/home/you/other"])
        #expect(store.clear(rootPath: nil) > 0)
        #expect(store.entries().isEmpty)
    }

    @Test("A folder that others may have prepared is refused")
    func untrustedFolder() throws {
        try FileManager.default.createSymbolicLink(
            atPath: folder.path + "/link", withDestinationPath: folder.path + "/elsewhere")
        #expect(throws: SnapshotStore.Failure.self) {
            try SnapshotStore.makePrivateFolder(folder.path + "/link")
        }
        #expect(throws: SnapshotStore.Failure.self) { try SnapshotStore.makePrivateFolder("/proc/foretoken") }
    }

    @Test("A share's file is locked as soon as it has its name; one that never got its own is removed, but not at once")
    func shareBegins() throws {
        let path = folder.path + "/run"
        let share = try #require(MemoryShare(folder: path, byteLimit: 1_000))
        let names = try FileManager.default.contentsOfDirectory(atPath: path)
        #expect(names.count == 1 && names.allSatisfy { $0.hasPrefix("share-") })
        let lock = open(path + "/" + (names.first ?? ""), O_RDONLY)
        defer { close(lock) }
        #expect(lock >= 0 && flock(lock, LOCK_SH | LOCK_NB) != 0)
        let (beginning, left) = (path + "/new-1-2", path + "/new-1-3")
        for path in [beginning, left] { try Data().write(to: URL(fileURLWithPath: path)) }
        try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSinceNow: -120)], ofItemAtPath: left)
        #expect(share.update(usedByteCount: 10) == 1_000 && share.otherCount == 0)
        #expect(FileManager.default.fileExists(atPath: beginning) && !FileManager.default.fileExists(atPath: left))
    }

    @Test("Processes share one budget, and what a dead one used is free again")
    func memoryShare() throws {
        let path = folder.path + "/run"
        let first = try #require(MemoryShare(folder: path, byteLimit: 1_000))
        #expect(first.update(usedByteCount: 900) == 1_000)
        var second = MemoryShare(folder: path, byteLimit: 1_000)
        #expect(try #require(second).update(usedByteCount: 0) == 500, "at least an equal part")
        #expect(try #require(second).update(usedByteCount: 300) == 500)
        #expect(first.update(usedByteCount: 900) == 700, "what the others leave")
        #expect(first.otherCount == 1)
        second = nil
        #expect(first.update(usedByteCount: 900) == 1_000)
        #expect(first.otherCount == 0)
        // A process that was killed leaves its file, without the lock.
        try Data(count: 8).write(to: URL(fileURLWithPath: path + "/share-1-2"))
        #expect(first.update(usedByteCount: 900) == 1_000)
        #expect(!FileManager.default.fileExists(atPath: path + "/share-1-2"))
    }

    @Test("Weights become pages of a file with the same contents, and never of another")
    func sharedPages() throws {
        let buffers = [3, 64, 70_000].map { AlignedBuffer(byteCount: $0) }
        for (index, buffer) in buffers.enumerated() {
            for byte in 0..<buffer.byteCount {
                buffer.pointer(to: UInt8.self)[byte] = UInt8(truncatingIfNeeded: byte + index)
            }
        }
        let path = folder.path + "/weights/tiny"
        #expect(SharedPages.share(buffers, with: path) == .different)
        try SharedPages.write(buffers, to: path)
        let url = URL(fileURLWithPath: path)
        let whole = try Data(contentsOf: url)
        var changed = whole
        changed[8_192 + 69_999] ^= 1
        for wrong in [changed, whole.dropLast(), whole + [0]] {
            try wrong.write(to: url)
            #expect(SharedPages.share(buffers, with: path) == .different)
        }
        try whole.write(to: url)
        #expect(SharedPages.share(buffers, with: path) == .shared)
        let last = withExtendedLifetime(buffers) { buffers[2].pointer(to: UInt8.self)[69_999] }
        #expect(last == UInt8(truncatingIfNeeded: 69_999 + 2))
    }

    @Test("An outdated prompt's pages go; those of a context and of documents that nobody knows stay")
    func forgetting() throws {
        let cache = PrefixCache(blockByteCount: key.blockByteCount)
        var origin = Self.origin
        origin.documentPath = ""
        let context = try #require(try write(tokens(256), origin: origin))
        let document = try #require(try write(tokens(400)))
        let other = tokens(200, from: 1_000)
        var another = Self.origin
        another.documentPath = "another.swift"
        for file in [context, document, try #require(try write(other, origin: another))] { #expect(cache.attach(file)) }
        for _ in 0..<2 { cache.retain([]) { $0.documentPath == Self.origin.documentPath } }
        #expect(cache.longestPrefix(of: tokens(400)) == 256 && cache.longestPrefix(of: other) == 200)
        cache.checkInvariants()
    }

    #if os(Linux)
        @Test("What nobody wants of a snapshot takes no memory, and is the same when it is read again")
        func pagesAreGivenBack() throws {
            let cache = PrefixCache(blockByteCount: key.blockByteCount)
            var origin = Self.origin
            origin.documentPath = ""
            let context = try #require(try write(tokens(256), fill: 9, origin: origin))
            #expect(cache.attach(context))
            let read = { cache.checkout(self.tokens(257), limit: 256).blocks.allSatisfy { $0.base[9_999] == 9 } }
            #expect(read())
            let before = try residentKiB(of: context.path)
            #expect(before >= 2 * key.blockByteCount >> 10)
            cache.retain([]) { _ in true }
            #expect(try residentKiB(of: context.path) == before, "used since the last time")
            cache.retain([tokens(256)]) { _ in true }
            #expect(try residentKiB(of: context.path) == before, "wanted")
            cache.retain([]) { _ in true }
            #expect(try residentKiB(of: context.path) <= before - 2 * key.blockByteCount >> 10)
            #expect(read() && cache.longestPrefix(of: tokens(256)) == 256)
            // Used again, it is given back again.
            for _ in 0..<2 { cache.retain([]) { _ in true } }
            #expect(try residentKiB(of: context.path) <= before - 2 * key.blockByteCount >> 10)
        }

        /// Memory that this process has of a file's pages.
        private func residentKiB(of path: String) throws -> Int {
            // The file has no size: it is read until it ends.
            let maps = try #require(fopen("/proc/self/smaps", "r"))
            var bytes: UnsafeMutablePointer<CChar>?
            var capacity = 0
            defer {
                fclose(maps)
                free(bytes)
            }
            var (sum, isWanted) = (0, false)
            while getline(&bytes, &capacity, maps) > 0, let bytes {
                let line = String(cString: bytes).split(whereSeparator: \.isWhitespace)
                if line.count > 1, line[0].contains("-") { isWanted = line.last.map { $0 == path } ?? false }
                if isWanted, line[0] == "Rss:" { sum += Int(line[1]) ?? 0 }
            }
            return sum
        }
    #endif

    @Test("Pages of a removed snapshot give way to those of the one that has taken its place")
    func replacing() throws {
        let cache = PrefixCache(blockByteCount: key.blockByteCount)
        let old = try #require(try write(tokens(300)))
        #expect(cache.attach(old))
        let longer = try #require(try write(tokens(400)))
        #expect(cache.attach(longer))
        #expect(try #require(cache.blocks(of: tokens(256))).allSatisfy { $0.snapshot === old }, "both are there")
        store.remove(old.path)
        #expect(cache.attach(longer))
        #expect(try #require(cache.blocks(of: tokens(400))).allSatisfy { $0.snapshot === longer })
        cache.checkInvariants()
    }
}
