// The errors that a caller of RepositoryContext must show. Everything that only makes context smaller is a
// degradation, not an error.

/// Why there is no prompt at all.
package enum RepoContextError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The file's name is on the deny list.
    case secretFile(path: String)
    /// The text holds a private key.
    case privateKey(path: String)
    /// The text assigns a credential.
    case credential(path: String)
    /// The prompt would leave this machine, and the file is excluded from that.
    case excluded(path: String, Exclusion)
    /// The path is not absolute, or has no file name.
    case unusablePath(path: String)
    /// Nobody waits for the prompt any more.
    case cancelled
    /// The file system or git kept the `index` thread for too long.
    case overdue(path: String, limit: Duration)

    package var description: String {
        switch self {
        case .secretFile(let path):
            "no completion in '\(path)': files with this name hold credentials. "
                + "Rename the file if it holds none."
        case .privateKey(let path):
            "no completion in '\(path)': it contains a private key. Remove the key to complete in this file."
        case .credential(let path):
            "no completion in '\(path)': it contains what looks like a credential, a random value of a key or "
                + "password. Read it from the environment or from a file of its own to complete in this file."
        case .excluded(let path, let exclusion):
            "no completion in '\(path)': \(exclusion), so nothing of it is sent to a server. "
                + "Complete in it with a model on this machine, or change the rule."
        case .unusablePath(let path):
            "'\(path)' is no absolute path of a file. Give the full path, starting with /."
        case .cancelled:
            "cancelled"
        case .overdue(let path, let limit):
            "the context of '\(path)' took longer than \(limit). Look for files in its folder that cannot be "
                + "read to an end, such as pipes or a file system that does not answer."
        }
    }
}
