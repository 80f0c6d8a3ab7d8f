// Repositories for tests, made in temporary folders through libgit2 alone: no git process, no user
// configuration. Everything is removed when the fixture goes.

package import CGit2
import Foundation

/// A temporary folder that may be a git repository.
package final class RepositoryFixture {
    /// Absolute path of the work tree, without links.
    package let path: String
    package private(set) var repository: OpaquePointer?
    private var commitTime: git_time_t = 1_700_000_000

    /// What libgit2 refused while a test was being set up.
    package struct Failure: Error, CustomStringConvertible {
        package var description: String

        package init(description: String) { self.description = description }
    }

    /// Makes the folder and, unless told otherwise, an empty repository in it.
    package init(isRepository: Bool = true, isBare: Bool = false, name: String = "project") throws {
        git_libgit2_init()
        let parent = try Self.temporaryFolder()
        path = parent + "/" + name
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        guard isRepository else { return }
        try Self.check(git_repository_init(&repository, path, isBare ? 1 : 0))
        // The user's own excludes and line-ending settings must not decide a test.
        var configuration: OpaquePointer?
        try Self.check(git_repository_config(&configuration, repository))
        defer { git_config_free(configuration) }
        try Self.check(git_config_set_string(configuration, "core.excludesFile", "/nonexistent"))
        try Self.check(git_config_set_string(configuration, "core.autocrlf", "false"))
    }

    deinit {
        git_repository_free(repository)
        let parent = (path as NSString).deletingLastPathComponent
        // Best effort: a test may have taken permissions away.
        try? FileManager.default.removeItem(atPath: parent)
    }

    package static func temporaryFolder() throws -> String {
        var template = Array("/tmp/foretoken-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil, let resolved = realpath(template, nil) else {
            throw Failure(description: "no temporary folder (errno \(errno))")
        }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    package static func check(_ code: Int32) throws {
        guard code < 0 else { return }
        let message = git_error_last().flatMap { $0.pointee.message }.map { String(cString: $0) } ?? "?"
        throw Failure(description: "libgit2 \(code): \(message)")
    }

    /// Absolute path of a file.
    package func absolute(_ file: String) -> String { path + "/" + file }

    // MARK: Work tree

    package func write(_ file: String, _ text: String) throws { try write(file, bytes: Array(text.utf8)) }

    package func write(_ file: String, bytes: [UInt8]) throws {
        let folder = (absolute(file) as NSString).deletingLastPathComponent
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        // Not Data.write, which waits for the disk.
        guard let stream = fopen(absolute(file), "w") else {
            throw Failure(description: "fopen \(file): \(errno)")
        }
        defer { fclose(stream) }
        guard fwrite(bytes, 1, bytes.count, stream) == bytes.count else {
            throw Failure(description: "fwrite")
        }
    }

    package func remove(_ file: String) throws { try FileManager.default.removeItem(atPath: absolute(file)) }

    package func link(_ file: String, to target: String) throws {
        guard symlink(target, absolute(file)) == 0 else { throw Failure(description: "symlink: \(errno)") }
    }

    package func makeFIFO(_ file: String) throws {
        guard mkfifo(absolute(file), 0o644) == 0 else { throw Failure(description: "mkfifo: \(errno)") }
    }

    /// Puts something in place of a rules file that cannot be followed: "large", "long" (too many rules), "undecidable"
    /// (a pattern that takes too long to match), "link", "pipe" or "folder".
    package func breakRules(_ file: String, _ kind: String) throws {
        switch kind {
        case "large": try write(file, String(repeating: "# no rule at all\n", count: 4_000))
        case "long": try write(file, (0...1_000).map { "n\($0)\n" }.joined())
        case "undecidable": try write(file, "*[" + String(repeating: "a", count: 20_000) + "]\n")
        case "link":
            try write(".linked-rules", "nothing\n")
            try write(file, "")
            try remove(file)
            try link(file, to: absolute(".linked-rules"))
        case "pipe":
            try write(file, "")
            try remove(file)
            try makeFIFO(file)
        default: try write(file + "/inner", "")
        }
    }

    // MARK: History

    /// Adds lines to the repository's configuration.
    package func appendConfiguration(_ text: String) throws {
        let old = try String(contentsOfFile: absolute(".git/config"), encoding: .utf8)
        try damage("config", with: old + text)
    }

    /// Stages everything (ignored files left out) and commits it.
    @discardableResult
    package func commit(_ message: String = "change") throws -> git_oid {
        var index: OpaquePointer?
        try Self.check(git_repository_index(&index, repository))
        defer { git_index_free(index) }
        try Self.check(git_index_add_all(index, nil, 0, nil, nil))
        try Self.check(git_index_update_all(index, nil, nil, nil))
        try Self.check(git_index_write(index))
        var treeID = git_oid()
        try Self.check(git_index_write_tree(&treeID, index))
        return try commit(tree: treeID, message)
    }

    /// Commits a tree on HEAD.
    package func commit(tree treeID: git_oid, _ message: String) throws -> git_oid {
        var treeID = treeID
        var tree: OpaquePointer?
        try Self.check(git_tree_lookup(&tree, repository, &treeID))
        defer { git_tree_free(tree) }
        commitTime += 60
        var signature: UnsafeMutablePointer<git_signature>?
        try Self.check(git_signature_new(&signature, "Test", "test@example.com", commitTime, 0))
        defer { git_signature_free(signature) }
        var parentID = git_oid()
        var parent: OpaquePointer?
        if git_reference_name_to_id(&parentID, repository, "HEAD") == 0 {
            try Self.check(git_commit_lookup(&parent, repository, &parentID))
        }
        defer { git_commit_free(parent) }
        var id = git_oid()
        var parents: [OpaquePointer?] = parent == nil ? [] : [parent]
        try parents.withUnsafeMutableBufferPointer { parents in
            try Self.check(
                git_commit_create(
                    &id, repository, "HEAD", signature, signature, nil, message, tree, parents.count,
                    parents.baseAddress
                )
            )
        }
        return id
    }

    package func detachHead() throws {
        var id = git_oid()
        try Self.check(git_reference_name_to_id(&id, repository, "HEAD"))
        try Self.check(git_repository_set_head_detached(repository, &id))
    }

    /// Overwrites a file of the git directory.
    package func damage(_ file: String, with text: String) throws { try write(".git/" + file, text) }

    /// Path of a loose object.
    package func objectFile(_ id: git_oid) -> String {
        var id = id
        let name = withUnsafePointer(to: &id) { String(cString: git_oid_tostr_s($0)) }
        return ".git/objects/" + name.prefix(2) + "/" + name.dropFirst(2)
    }

    /// The name of a file's blob in the index.
    package func blobID(_ file: String) throws -> git_oid {
        var index: OpaquePointer?
        try Self.check(git_repository_index(&index, repository))
        defer { git_index_free(index) }
        guard let entry = git_index_get_bypath(index, file, 0) else {
            throw Failure(description: "not tracked")
        }
        return entry.pointee.id
    }

    /// Every file of the folder with its bytes and modification time, to show that nothing was written.
    package func contents() throws -> [String: String] {
        var contents: [String: String] = [:]
        let names = FileManager.default.enumerator(atPath: path)
        while let name = names?.nextObject() as? String {
            var status = stat()
            guard lstat(absolute(name), &status) == 0, status.st_mode & S_IFMT == S_IFREG else { continue }
            let bytes = FileManager.default.contents(atPath: absolute(name)) ?? Data()
            contents[name] =
                "\(bytes.base64EncodedString()) \(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec)"
        }
        return contents
    }
}
