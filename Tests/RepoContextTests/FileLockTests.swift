// Locks on files and folders: one holder at a time, and an error where there can be none.

import Foundation
import TestSupport
import Testing

@testable import RepoContext

@Suite("File lock")
struct FileLockTests {
    private func checkExclusive(_ take: () throws -> FileLock?) throws {
        var first = try take()
        #expect(first != nil)
        var second = try take()
        #expect(second == nil)
        first = nil
        second = try take()
        #expect(second != nil)
    }

    @Test("One has it at a time, a file or a folder; whoever lets go leaves it to the next")
    func exclusive() throws {
        let folder = try RepositoryFixture.temporaryFolder()
        try checkExclusive { try FileLock.take(file: folder + "/lock") }
        try checkExclusive { try FileLock.take(folder: folder) }
    }

    private func code(of take: () throws -> FileLock?) -> Int32? {
        do {
            _ = try take()
            return nil
        } catch {
            return (error as? FileLock.Failure)?.code
        }
    }

    @Test("A lock that cannot be is an error with its reason, and no link is followed")
    func failures() throws {
        let folder = try RepositoryFixture.temporaryFolder()
        #expect(code { try FileLock.take(file: folder + "/none/lock") } == ENOENT)
        try FileManager.default.createSymbolicLink(
            atPath: folder + "/link", withDestinationPath: folder + "/elsewhere")
        #expect(code { try FileLock.take(file: folder + "/link") } == ELOOP)
        #expect(!FileManager.default.fileExists(atPath: folder + "/elsewhere"))
    }
}
