// Remembered checksums: right after every change of the file, private on disk, and never trusted when damaged.

import Foundation
import SpecEngine
import TestSupport
import Testing

@testable import CompletionDaemon

@Suite("Checksum cache")
struct ChecksumCacheTests {
    private let directory = NSTemporaryDirectory() + "/foretoken-checksums-\(UUID().uuidString)/foretoken"
    private var file: String { directory + "/checksums" }

    /// A file whose times say that it was written long ago.
    private func settledFile(_ text: String) throws -> TemporaryFile {
        let file = try TemporaryFile(Array(text.utf8))
        try FileManager.default.setAttributes(
            [.modificationDate: Date(timeIntervalSinceNow: -60)], ofItemAtPath: file.path)
        return file
    }

    /// Puts `checksum` beside every entry, to see whether it is used.
    private func forge(_ checksum: String) throws {
        let text = try String(contentsOfFile: file, encoding: .utf8)
        let forged = text.split(separator: "\n").map { checksum + $0.dropFirst(64) + "\n" }.joined()
        try Data(forged.utf8).write(to: URL(fileURLWithPath: file))
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file)
    }

    /// Remembers `model` without waiting for its change time to settle.
    private func cache() -> ChecksumCache { ChecksumCache(directory: directory, settledSeconds: -1) }

    @Test("An entry is used as long as the file is the same, and is private")
    func remembers() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let model = try settledFile("weights")
        let checksum = try cache().sha256(model.path)
        #expect(checksum == (try FileChecksum.sha256(model.path)))
        let forged = String(repeating: "a", count: 64)
        try forge(forged)
        #expect(try cache().sha256(model.path) == forged)
        func mode(_ path: String) throws -> Int? {
            try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        }
        #expect(try mode(directory) == 0o700)
        #expect(try mode(file) == 0o600)
        try model.write(Array("other weights".utf8))
        #expect(try cache().sha256(model.path) == (try FileChecksum.sha256(model.path)))
    }

    @Test("A damaged or foreign cache is ignored, one that cannot be made is done without")
    func damage() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let model = try settledFile("weights")
        let checksum = try cache().sha256(model.path)
        for damage in ["", "x", "\u{0}\n\n \n", String(repeating: "a", count: 64) + " 1 2 3\n"] {
            try Data(damage.utf8).write(to: URL(fileURLWithPath: file))
            #expect(try cache().sha256(model.path) == checksum)
        }
        // Writable by others: they could have written it.
        try forge(String(repeating: "b", count: 64))
        try FileManager.default.setAttributes([.posixPermissions: 0o666], ofItemAtPath: file)
        #expect(try cache().sha256(model.path) == checksum)
        // A link to an entry that would be used if it lay here.
        try FileManager.default.removeItem(atPath: file)
        #expect(try cache().sha256(model.path) == checksum)
        try forge(String(repeating: "c", count: 64))
        try FileManager.default.moveItem(atPath: file, toPath: directory + "/elsewhere")
        try FileManager.default.createSymbolicLink(atPath: file, withDestinationPath: directory + "/elsewhere")
        #expect(try cache().sha256(model.path) == checksum)
        #expect(try ChecksumCache(directory: "/proc/no/such").sha256(model.path) == checksum)
        #expect(try ChecksumCache(directory: nil).sha256(model.path) == checksum)
    }

    @Test("Other contents of the same size and modification time are other contents")
    func changeTime() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let model = try settledFile("weights")
        let date = try #require(
            try FileManager.default.attributesOfItem(atPath: model.path)[.modificationDate] as? Date)
        try FileManager.default.setAttributes([.modificationDate: date], ofItemAtPath: model.path)
        _ = try cache().sha256(model.path)
        let handle = try #require(FileHandle(forWritingAtPath: model.path))
        handle.write(Data("WEIGHTS".utf8))
        try handle.close()
        try FileManager.default.setAttributes([.modificationDate: date], ofItemAtPath: model.path)
        #expect(try cache().sha256(model.path) == (try FileChecksum.sha256(model.path)))
    }

    @Test("What a killed process left half written is in nobody's way")
    func leftOver() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let model = try settledFile("weights")
        _ = try cache().sha256(model.path)
        try FileManager.default.moveItem(atPath: file, toPath: "\(file).\(getpid())")
        _ = try cache().sha256(model.path)
        #expect(FileManager.default.fileExists(atPath: file))
    }

    @Test("A file that is another one than was opened has no checksum for us")
    func replaced() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let model = try settledFile("weights")
        let opened = try #require(FileIdentity.of(model.path))
        #expect(try cache().sha256(model.path, openedAs: opened) == (try FileChecksum.sha256(model.path)))
        let other = try TemporaryFile(Array("WEIGHTS".utf8))
        try #require(rename(other.path, model.path) == 0)
        #expect(try cache().sha256(model.path, openedAs: opened) == nil)
    }

    @Test("A file that was changed a moment ago is not remembered")
    func unsettled() throws {
        let model = try TemporaryFile(Array("weights".utf8))
        _ = try ChecksumCache(directory: directory).sha256(model.path)
        #expect(!FileManager.default.fileExists(atPath: file))
    }
}
