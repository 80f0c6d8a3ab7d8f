// Starts libgit2 once per process and sets its process-wide options: bounded caches, the repository
// extensions that do not change how we read, and ownership checks left to GitOwnership.swift, which
// understands what git understands. It is never shut down: handles may live until exit.

import CGit2
import Synchronization

/// libgit2's process-wide state.
package enum GitRuntime {
    /// Bound of libgit2's object cache. Trees and commits of a history walk fit; blobs are not kept by it.
    private static let objectCacheByteCount = 16 << 20
    /// Bound of mapped pack windows: address space that the kernel can drop, not memory of our own.
    private static let mappedPackByteCount = 256 << 20

    /// What happened at start; a failure is reported by each repository that cannot be opened for it.
    private static let startCode: Int32 = {
        let code = git_libgit2_init()
        guard code >= 0 else { return code }
        _ = foretoken_git_set_cache_byte_count(objectCacheByteCount)
        _ = foretoken_git_set_mapped_byte_count(mappedPackByteCount)
        setExtensions()
        // Ours replaces libgit2's check only where this library has one to switch off; where it has none
        // (before 1.4.3) ours is the only one. See GitOwnership.
        _ = foretoken_git_set_owner_validation(0)
        return code
    }()

    /// Starts libgit2 if this is the first call.
    static func start() throws(GitError) {
        let code = startCode
        if code < 0 { throw GitError(code: code, operation: .initialise) }
    }

    /// The version of the library that is running, not of the headers; for `doctor`.
    package static var libraryVersion: String {
        var (major, minor, revision): (Int32, Int32, Int32) = (0, 0, 0)
        git_libgit2_version(&major, &minor, &revision)
        return "\(major).\(minor).\(revision)"
    }

    /// git writes these three into ordinary repositories (sparse checkout, partial clone); they change
    /// nothing for a reader that never fetches. Where the library is too old the repository opens as
    /// `unsupportedFormat` and a plain folder takes its place.
    private static func setExtensions() {
        let names = ["worktreeconfig", "partialclone", "preciousobjects"]
        var pointers: [UnsafePointer<CChar>?] = []
        // Never freed: one allocation per process, and older libraries may keep the pointers.
        for name in names {
            let bytes = Array(name.utf8CString)
            let copy = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count)
            copy.initialize(from: bytes, count: bytes.count)
            pointers.append(UnsafePointer(copy))
        }
        _ = pointers.withUnsafeMutableBufferPointer { foretoken_git_set_extensions($0.baseAddress, $0.count) }
    }
}

/// How many libgit2 handles were opened and freed; equal when nothing leaks.
package enum GitHandleCount {
    private static let openedCount = Atomic<Int>(0)
    private static let freedCount = Atomic<Int>(0)

    static func didOpen() { openedCount.wrappingAdd(1, ordering: .relaxed) }
    static func didFree() { freedCount.wrappingAdd(1, ordering: .relaxed) }

    /// Handles opened since the process started.
    package static var opened: Int { openedCount.load(ordering: .relaxed) }
    /// Handles freed since the process started.
    package static var freed: Int { freedCount.load(ordering: .relaxed) }
}
