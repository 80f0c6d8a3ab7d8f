// The question: a cursor in a file, and what the editor knows besides.

/// A document as the editor has it; it overrides the file on disk.
package struct OpenDocument: Sendable, Equatable {
    /// Absolute.
    package var path: String
    package var text: [UInt8]

    package init(path: String, text: [UInt8]) {
        self.path = path
        self.text = text
    }
}

/// A place that the user changed in this session.
package struct RecentEdit: Sendable, Equatable {
    /// Absolute.
    package var path: String
    /// 0-based.
    package var line: Int

    package init(path: String, line: Int) {
        self.path = path
        self.line = line
    }
}

/// Asks for the prompt at one cursor.
package struct ContextQuery: Sendable {
    /// Documents and recent paths looked at, at most.
    package static let maximumOpenDocumentCount = 32
    package static let maximumRecentPathCount = 32
    package static let maximumRecentEditCount = 64

    /// Absolute path of the file that is completed in; it need not exist on disk.
    package var filePath: String
    /// Its text as the editor has it.
    package var text: [UInt8]
    /// The cursor, in bytes of `text`.
    package var cursorOffset: Int
    /// Bytes before the cursor that the prompt leaves out, because the model is to write them again.
    package var heldBackByteCount = 0
    /// Other documents that are open.
    package var openDocuments: [OpenDocument]
    /// Absolute paths of files that the user edited or looked at lately, newest first.
    package var recentPaths: [String]
    /// Places edited lately, newest first, with the lines as they are now.
    package var recentEdits: [RecentEdit]
    /// Tokens of the whole prompt.
    package var tokenBudget: Int
    /// False for a prompt of the current file alone.
    package var includeContext: Bool
    /// The prompt goes to a server: what git or `.foretokenignore` excludes is in no part of it, and a cursor in such a
    /// file has none.
    package var leavesMachine: Bool
    /// True once nobody waits for the prompt; asked on the `index` thread, so it must not block.
    package var isCancelled: @Sendable () -> Bool

    package init(
        filePath: String, text: [UInt8], cursorOffset: Int, openDocuments: [OpenDocument] = [],
        recentPaths: [String] = [], recentEdits: [RecentEdit] = [], tokenBudget: Int,
        includeContext: Bool = true, leavesMachine: Bool = false,
        isCancelled: @escaping @Sendable () -> Bool = { false }
    ) {
        self.filePath = filePath
        self.text = text
        self.cursorOffset = cursorOffset
        self.openDocuments = Array(openDocuments.prefix(ContextQuery.maximumOpenDocumentCount))
        self.recentPaths = Array(recentPaths.prefix(ContextQuery.maximumRecentPathCount))
        self.recentEdits = Array(recentEdits.prefix(ContextQuery.maximumRecentEditCount))
        self.tokenBudget = tokenBudget
        self.includeContext = includeContext
        self.leavesMachine = leavesMachine
        self.isCancelled = isCancelled
    }
}
