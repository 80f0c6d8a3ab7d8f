// The last prompt of a document: what is needed to read the next one ahead, and to store this one.

import RepoContext
import SpecEngine

/// A prompt that the engine has read.
struct PromptRecord: Sendable {
    /// What was asked; `cancellation` is spent.
    var request: CompletionPipeline.Request
    var tokens: [TokenID]
    var contextTokenCount: Int
    /// The root of the repository or folder; nil for a file on its own, which is not stored.
    var rootPath: String?
    var contextSegments: [(path: String, tokenRange: Range<Int>)]
    var isStored = false

    init(_ request: CompletionPipeline.Request, prompt: PromptResult, tokens: [TokenID]) {
        self.request = request
        self.tokens = tokens
        rootPath = prompt.rootPath
        // A kept context is another than the prompt's own: where its files stand is in its snapshot.
        let isOwn = tokens.elementsEqual(prompt.prompt.tokens.lazy.map { TokenID($0) })
        contextTokenCount = isOwn ? prompt.contextTokenCount : 0
        contextSegments = []
        if isOwn {
            contextSegments = prompt.prompt.segments.compactMap { segment in
                if case .contextFile(let path) = segment.kind { return (path.string, segment.tokenRange) }
                return nil
            }
        } else {
            isStored = true
        }
    }

    var path: String { request.query.filePath }

    /// The path relative to the root; nil where it does not lie beneath it as written.
    var relativePath: String? {
        guard let rootPath, path.hasPrefix(rootPath + "/") else { return nil }
        return String(path.dropFirst(rootPath.count + 1))
    }

    /// The same question in a text that has changed: the cursor stays with the characters around it, or goes to the end
    /// of the change.
    func request(in text: [UInt8]) -> CompletionPipeline.Request {
        var changed = request
        let old = request.query.text
        let cursor = request.query.cursorOffset
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
