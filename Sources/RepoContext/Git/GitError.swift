// What can go wrong inside libgit2, copied out of it at once: libgit2 keeps its message per thread and
// overwrites it with the next call. `gitCall` is the single door through which every fallible libgit2
// call of this module passes, so it is also the place where a test makes the n-th call fail.
// This file decides nothing about degradation; callers do.

import CGit2
import Synchronization

/// A failed libgit2 call: what failed, in which operation, and libgit2's own words.
package struct GitError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The failures that callers tell apart. libgit2 reuses its return codes, so the kind also depends
    /// on the error class and on the message.
    package enum Kind: Equatable, Sendable {
        /// No such object, reference or repository.
        case notFound
        /// HEAD names a branch that has no commit yet.
        case unbornBranch
        /// The repository belongs to another user; the fix is in the message.
        case notOwned
        /// Unknown repository format: sha256, reftable, an extension that this libgit2 cannot read.
        case unsupportedFormat
        /// Damaged references, index, objects or configuration, and everything else.
        case failed
    }

    package let kind: Kind
    package let code: Int32
    package let operation: GitOperation
    package let message: String

    package var description: String { "\(operation.rawValue): \(message)" }

    init(kind: Kind, code: Int32, operation: GitOperation, message: String) {
        self.kind = kind
        self.code = code
        self.operation = operation
        self.message = message
    }

    /// Reads libgit2's last error; must run on the thread of the failed call, before any other call.
    init(code: Int32, operation: GitOperation) {
        var message = "libgit2 gave no message (code \(code))"
        var errorClass: Int32 = 0
        if let last = git_error_last(), let text = last.pointee.message {
            message = String(cString: text)
            errorClass = last.pointee.klass
        }
        self.init(
            kind: GitError.kind(code: code, errorClass: errorClass, message: message),
            code: code, operation: operation, message: message
        )
    }

    /// The error for something that stands where git keeps a file and would have to be waited for.
    static func notRegular(_ path: String, operation: GitOperation) -> GitError {
        GitError(
            kind: .failed, code: -1, operation: operation,
            message: "'\(path)' is no regular file. Remove it to use git's data"
        )
    }

    /// The error for a rules file that stands there and cannot be read.
    static func unusable(_ path: String, operation: GitOperation) -> GitError {
        GitError(
            kind: .failed, code: -1, operation: operation,
            message: "'\(path)' is no regular file or cannot be read. Mend or remove it to use git's rules"
        )
    }

    private static func kind(code: Int32, errorClass: Int32, message: String) -> Kind {
        // GIT_EOWNER; its name is missing from the headers before 1.4.3.
        if code == -36 { return .notOwned }
        // libgit2 1.5 answers "not found" when it wants to look up safe.directory and there is none.
        if errorClass == Int32(GIT_ERROR_CONFIG.rawValue), message.contains("safe.directory") {
            return .notOwned
        }
        if code == GIT_EUNBORNBRANCH.rawValue { return .unbornBranch }
        if code == GIT_ENOTFOUND.rawValue { return .notFound }
        if errorClass == Int32(GIT_ERROR_REPOSITORY.rawValue), message.contains("unsupported") {
            return .unsupportedFormat
        }
        return .failed
    }
}

/// The libgit2 operations of this module, as they appear in messages.
package enum GitOperation: String, Sendable {
    case initialise = "start libgit2"
    case openRepository = "open repository"
    case readHead = "read HEAD"
    case readIndex = "read index"
    case readStatus = "read status"
    case readIgnoreRules = "read ignore rules"
    case readCommit = "read commit"
    case readTree = "read tree"
    case readBlob = "read blob"
    case walkHistory = "walk history"
    case compareTrees = "compare trees"
    case readConfiguration = "read configuration"
}

/// Makes the n-th libgit2 call of the process fail. Tests only, each in a process of its own.
package enum GitFaultInjection {
    /// Calls left until one fails; negative means never. Relaxed is enough: tests arm it before they start.
    private static let callsUntilFailure = Atomic<Int>(-1)

    /// Arms the fault: the call with this 0-based number fails, all others run.
    package static func failCall(number: Int) {
        callsUntilFailure.store(number, ordering: .relaxed)
    }

    /// True once the armed fault has happened (or none was armed).
    package static var isSpent: Bool { callsUntilFailure.load(ordering: .relaxed) < 0 }

    static func takesThisCall() -> Bool {
        guard callsUntilFailure.load(ordering: .relaxed) >= 0 else { return false }
        return callsUntilFailure.wrappingSubtract(1, ordering: .relaxed).newValue == -1
    }
}

/// Runs one libgit2 call and turns a negative code into an error on the same thread.
func gitCall(_ operation: GitOperation, _ call: () -> Int32) throws(GitError) {
    if GitFaultInjection.takesThisCall() {
        throw GitError(kind: .failed, code: -1, operation: operation, message: "injected fault")
    }
    let code = call()
    if code < 0 { throw GitError(code: code, operation: operation) }
}
