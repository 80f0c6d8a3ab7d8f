// The last prompt of a document: what is needed to read the next one ahead, and to store this one.

import RepoContext
import SpecEngine

/// A prompt that the engine was given; `isRead` says whether it got to the end.
struct PromptRecord: Sendable {
    /// What was asked; `cancellation` is spent.
    var request: CompletionPipeline.Request
    /// What was asked last in the document: `request`, or a newer one whose prompt was not read and so has not taken
    /// this one's place.
    var lastRequest: CompletionPipeline.Request
    var tokens: [TokenID]
    /// Leading tokens that the engine has read: all, unless the request was given up before.
    var readTokenCount: Int
    var contextTokenCount: Int
    /// The root of the repository or folder; nil for a file on its own, which is not stored.
    var rootPath: String?
    /// The other files in the prompt, with the text that each had when it was made.
    var contextSources: [SnapshotSource]
    /// Whether the context is the prompt's own, and not one that was there.
    let hasOwnContext: Bool
    var isStored = false

    init(_ request: CompletionPipeline.Request, _ prompt: CompletionPipeline.Prompt) {
        self.request = request
        self.request.deadline = nil
        self.request.isOutdated = nil
        lastRequest = self.request
        tokens = prompt.tokens
        readTokenCount = prompt.tokens.count
        rootPath = prompt.result.rootPath
        hasOwnContext = prompt.borrowed == nil
        contextTokenCount = prompt.borrowed?.tokens.count ?? prompt.result.contextTokenCount
        contextSources = prompt.borrowed?.sources ?? prompt.result.contextSources
    }

    /// The context for prompts of other documents; nil where there is none, or it is another document's.
    var keptContext: KeptContext.Entry? {
        guard hasOwnContext, let rootPath, contextTokenCount > 0 else { return nil }
        return KeptContext.Entry(
            rootPath: rootPath, documentPath: path, tokens: Array(tokens[..<contextTokenCount]),
            sources: contextSources)
    }

    var path: String { request.query.filePath }

    /// Whether the engine has read it to its end.
    var isRead: Bool { readTokenCount == tokens.count }

    /// The path relative to the root; nil where it does not lie beneath it as written.
    var relativePath: String? {
        guard let rootPath, path.hasPrefix(rootPath + "/") else { return nil }
        return String(path.dropFirst(rootPath.count + 1))
    }

    /// The last question in a text that has changed: the cursor stays with the characters around it, or goes to the end
    /// of the change.
    func request(in text: [UInt8]) -> CompletionPipeline.Request {
        var changed = lastRequest
        let old = lastRequest.query.text
        let cursor = lastRequest.query.cursorOffset
        let shared = min(old.count, text.count)
        var head = 0
        while head < shared, old[head] == text[head] { head += 1 }
        var tail = 0
        while tail < shared - head, old[old.count - 1 - tail] == text[text.count - 1 - tail] { tail += 1 }
        if cursor >= old.count - tail {
            changed.query.cursorOffset = text.count - (old.count - cursor)
        } else if cursor > head {
            changed.query.cursorOffset = text.count - tail
        }
        changed.query.text = text
        return changed
    }

    /// The question that follows when `inserted` is accepted.
    func request(accepting inserted: String) -> CompletionPipeline.Request {
        var next = request
        next.query.text.insert(contentsOf: inserted.utf8, at: request.query.cursorOffset)
        next.query.cursorOffset += inserted.utf8.count
        return next
    }
}
