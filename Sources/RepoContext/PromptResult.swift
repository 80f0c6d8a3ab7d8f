// What a query of RepositoryContext is answered with: the prompt, where its text comes from, and what it cost; and what
// `doctor` shows of a root. Values alone.

/// What a prompt was made from.
package enum PromptScope: Sendable, Equatable {
    /// A git work tree.
    case repository(rootPath: String)
    /// A plain folder.
    case folder(rootPath: String)
    /// The file alone: outside every repository and workspace folder, or the repository is refused.
    case fileAlone
}

/// Where the time of one query went.
package struct ContextTiming: Sendable, Equatable {
    /// Finding the root and following changes.
    package var snapshot = Duration.zero
    /// Reading and scanning files.
    package var indexing = Duration.zero
    /// Ranking, choosing and reading the chosen files.
    package var selection = Duration.zero
    /// Encoding.
    package var tokenisation = Duration.zero
    package var total = Duration.zero
}

/// A prompt and how it came about.
package struct PromptResult: Sendable {
    package var prompt: Prompt
    package var scope: PromptScope
    /// Files in the prompt, in their order there.
    package var contextPaths: [RelativePath]
    /// All files chosen with their scores; the last ranks may have been left out for want of tokens.
    package var selection: [SelectedFile]
    /// What made the context smaller than it could be, one line each.
    package var degradations: [String]
    /// False when files were still unread: a later query may give a better prompt.
    package var isIndexComplete: Bool
    package var timing: ContextTiming
}

/// What `doctor` shows of a file's root.
package struct ContextReport: Sendable {
    package var scope: PromptScope
    package var head: String?
    package var fileCount: Int
    package var indexedFileCount: Int
    /// Files that are listed but never shown or completed in, for their names or for what they hold; the first few.
    package var withheldPaths: [String]
    package var withheldCount: Int
    package var degradations: [String]
}
