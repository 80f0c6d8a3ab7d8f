// Lays out a prompt. Pure: the same input gives the same tokens. The layout is that of the model's training
// (decisions on prompt joints): `<repo_name>NAME\n`, per context file `<file_sep>PATH\nTEXT`, then
// `<file_sep>PATH\n<fim_suffix>SUFFIX<fim_prefix>PREFIX<fim_middle>`. Structural tokens are inserted as ids;
// the text between two of them is encoded as one run with special parsing off. What changes seldom comes
// first and the typed text last, so typing appends to the tokens of the keystroke before.

/// Order of the parts around the cursor.
package enum FillInMiddleOrder: Sendable {
    /// Suffix, prefix, middle: typing appends. The default model's better order.
    case suffixFirst
    /// Prefix, suffix, middle, for models that know no other.
    case prefixFirst
    /// The tokens of prefix and suffix, suffix, the token of the middle, prefix: CodeLlama's way of having it first.
    case suffixInside
}

/// Another file's text for the prompt.
package struct ContextFile: Sendable, Equatable {
    package var path: RelativePath
    /// UTF-8; the builder ends it in exactly one line feed.
    package var text: [UInt8]
    /// 0 is the most valuable: when tokens run out, high ranks are cut first. The order in the prompt is that
    /// of the array, not of the rank.
    package var rank: Int

    package init(path: RelativePath, text: [UInt8], rank: Int) {
        self.path = path
        self.text = text
        self.rank = rank
    }
}

/// The file that is completed in.
package struct CurrentFile: Sendable {
    /// Relative to the root, or the bare file name.
    package var path: RelativePath
    package var text: [UInt8]
    /// In bytes; moved back to the start of a character and into the text.
    package var cursorOffset: Int
    /// Bytes before the cursor that are left out of the prompt, because the model is to write them again.
    package var heldBackByteCount: Int

    package init(path: RelativePath, text: [UInt8], cursorOffset: Int, heldBackByteCount: Int = 0) {
        self.path = path
        self.text = text
        var cursor = max(0, min(cursorOffset, text.count))
        while cursor > 0, cursor < text.count, text[cursor] & 0xC0 == 0x80 { cursor -= 1 }
        self.cursorOffset = cursor
        self.heldBackByteCount = max(0, min(heldBackByteCount, cursor))
    }
}

/// Where a run of a prompt's tokens comes from.
package struct PromptSegment: Sendable, Equatable {
    package enum Kind: Sendable, Equatable {
        case structural(StructuralToken)
        case repositoryHeader
        case contextFile(RelativePath)
        case filePath
        case suffix
        case prefix
    }

    package var kind: Kind
    package var tokenRange: Range<Int>
}

/// One context file of a prompt.
package struct ContextOrigin: Sendable, Equatable {
    /// Its place among the files that were given.
    package var file: Int
    /// Lines of its text that fit.
    package var lineCount: Int
    package var tokenRange: Range<Int>
}

/// A prompt and where each of its tokens comes from.
package struct Prompt: Sendable, Equatable {
    package fileprivate(set) var tokens: [Int32] = []
    /// Adjacent, in order, covering all tokens; empty runs are left out.
    package fileprivate(set) var segments: [PromptSegment] = []
    /// The context files in their order.
    package fileprivate(set) var contextOrigins: [ContextOrigin] = []

    /// Context files in the order in which they stand.
    package var contextPaths: [RelativePath] {
        segments.compactMap { segment in
            if case .contextFile(let path) = segment.kind { return path }
            return nil
        }
    }

    fileprivate mutating func append(_ newTokens: [Int32], _ kind: PromptSegment.Kind) {
        guard !newTokens.isEmpty else { return }
        segments.append(
            PromptSegment(kind: kind, tokenRange: tokens.count..<(tokens.count + newTokens.count)))
        tokens += newTokens
    }

    fileprivate mutating func append(_ other: Prompt) {
        let start = tokens.count
        for segment in other.segments { append(Array(other.tokens[segment.tokenRange]), segment.kind) }
        for var origin in other.contextOrigins {
            origin.tokenRange = (origin.tokenRange.lowerBound + start)..<(origin.tokenRange.upperBound + start)
            contextOrigins.append(origin)
        }
    }
}

/// Builds prompts for one tokenizer.
package struct PromptBuilder: Sendable {
    /// A context file cut to fewer lines than this is left out.
    static let minimumContextLineCount = 4
    /// Longest path written out; of a longer one the last components are kept.
    static let maximumPathByteCount = 240

    private let tokenizer: any PromptTokenizer
    private let order: FillInMiddleOrder

    package init(tokenizer: any PromptTokenizer, order: FillInMiddleOrder) {
        self.tokenizer = tokenizer
        self.order = order
    }

    /// The current file's part: encoded first, because it decides how many tokens are left for context.
    package struct CurrentPart: Sendable {
        fileprivate var prompt = Prompt()
        /// Tokens of path, suffix, prefix and the structure between them.
        package var tokenCount: Int { prompt.tokens.count + startTokenCount }
        /// 1 where a token of its own begins the prompt.
        fileprivate var startTokenCount = 0
    }

    /// Whether the vocabulary can separate files; without that there is no place for context.
    package var supportsContext: Bool { tokenizer.structuralToken(.fileSeparator) != nil }

    /// The whole prompt. Context files are cut to whole lines or left out until the total fits.
    package func prompt(
        repositoryName: String, contextFiles: [ContextFile], currentFile: CurrentFile, budget: PromptBudget
    ) -> Prompt {
        prompt(
            repositoryName: repositoryName, contextFiles: contextFiles,
            currentPart: currentPart(currentFile, budget: budget), budget: budget
        )
    }

    /// The same from an encoded current part.
    package func prompt(
        repositoryName: String, contextFiles: [ContextFile], currentPart: CurrentPart, budget: PromptBudget
    ) -> Prompt {
        let available = budget.contextTokenCount(currentFileTokenCount: currentPart.tokenCount)
        var prompt = Prompt()
        appendStructural(.beginOfText, to: &prompt)
        prompt.append(context(contextFiles, repositoryName: repositoryName, tokenCount: available))
        prompt.append(currentPart.prompt)
        return prompt
    }

    /// Encodes the part that ends the prompt.
    package func currentPart(_ file: CurrentFile, budget: PromptBudget) -> CurrentPart {
        let cursor = file.cursorOffset
        let prefix = fitted(tokenCount: budget.prefixTokenCount, byteCount: budget.prefixByteCount) {
            byteCount in
            let start = FileWindow.prefixStart(
                in: file.text, cursor: cursor, maximumByteCount: byteCount,
                gridLineCount: budget.prefixGridLineCount
            )
            return Array(file.text[start..<max(start, cursor - file.heldBackByteCount)])
        }
        var part = CurrentPart()
        part.startTokenCount = tokenizer.structuralToken(.beginOfText) == nil ? 0 : 1
        appendStructural(.fileSeparator, to: &part.prompt)
        if supportsContext {
            part.prompt.append(tokenizer.encode(PromptBuilder.pathLine(file.path)), .filePath)
        }
        let fillInMiddle: [StructuralToken] = [.fimPrefix, .fimSuffix, .fimMiddle]
        guard fillInMiddle.allSatisfy({ tokenizer.structuralToken($0) != nil }) else {
            // A model without fill-in-the-middle continues the text before the cursor.
            part.prompt.append(prefix, .prefix)
            return part
        }
        let suffix = fitted(tokenCount: budget.suffixTokenCount, byteCount: budget.suffixByteCount) {
            byteCount in
            let end = FileWindow.suffixEnd(
                in: file.text, cursor: cursor, maximumByteCount: byteCount,
                gridLineCount: budget.suffixGridLineCount
            )
            return Array(file.text[cursor..<end])
        }
        switch order {
        case .suffixFirst:
            appendStructural(.fimSuffix, to: &part.prompt)
            part.prompt.append(suffix, .suffix)
            appendStructural(.fimPrefix, to: &part.prompt)
            part.prompt.append(prefix, .prefix)
        case .prefixFirst:
            appendStructural(.fimPrefix, to: &part.prompt)
            part.prompt.append(prefix, .prefix)
            appendStructural(.fimSuffix, to: &part.prompt)
            part.prompt.append(suffix, .suffix)
        case .suffixInside:
            appendStructural(.fimPrefix, to: &part.prompt)
            appendStructural(.fimSuffix, to: &part.prompt)
            part.prompt.append(suffix, .suffix)
            appendStructural(.fimMiddle, to: &part.prompt)
            part.prompt.append(prefix, .prefix)
            return part
        }
        appendStructural(.fimMiddle, to: &part.prompt)
        return part
    }

    private func appendStructural(_ token: StructuralToken, to prompt: inout Prompt) {
        if let id = tokenizer.structuralToken(token) { prompt.append([id], .structural(token)) }
    }

    /// Encodes a window, narrowing it in fixed steps until its tokens fit.
    private func fitted(tokenCount: Int, byteCount: Int, window: (Int) -> [UInt8]) -> [Int32] {
        var byteCount = byteCount
        while true {
            let tokens = tokenizer.encode(window(byteCount))
            if tokens.count <= tokenCount || byteCount <= 1 { return Array(tokens.prefix(tokenCount)) }
            byteCount = byteCount * 3 / 4
        }
    }

    /// Header and context files within a number of tokens; empty when not one file fits.
    private func context(_ files: [ContextFile], repositoryName: String, tokenCount: Int) -> Prompt {
        guard supportsContext, !files.isEmpty else { return Prompt() }
        var header = Prompt()
        if let id = tokenizer.structuralToken(.repoName) {
            header.append([id], .structural(.repoName))
            header.append(tokenizer.encode(PromptBuilder.nameLine(repositoryName)), .repositoryHeader)
        }
        var left = tokenCount - header.tokens.count
        var runs: [Int: (tokens: [Int32], lineCount: Int)] = [:]
        for index in files.indices.sorted(by: { (files[$0].rank, $0) < (files[$1].rank, $1) }) {
            guard let run = contextRun(files[index], tokenCount: left - 1) else { continue }
            runs[index] = run
            left -= run.tokens.count + 1
        }
        guard !runs.isEmpty else { return Prompt() }
        var prompt = header
        for index in files.indices {
            guard let run = runs[index] else { continue }
            appendStructural(.fileSeparator, to: &prompt)
            prompt.append(run.tokens, .contextFile(files[index].path))
            let end = prompt.tokens.count
            prompt.contextOrigins.append(
                ContextOrigin(
                    file: index, lineCount: run.lineCount, tokenRange: (end - run.tokens.count)..<end))
        }
        return prompt
    }

    /// `PATH\nTEXT` as one run of at most `tokenCount` tokens; nil when too little of the text fits.
    private func contextRun(_ file: ContextFile, tokenCount: Int) -> (tokens: [Int32], lineCount: Int)? {
        guard tokenCount > 0 else { return nil }
        let path = PromptBuilder.pathLine(file.path)
        var text = PromptBuilder.endingInOneLineFeed(file.text[...])
        guard !text.isEmpty else { return nil }
        // A text that cannot fit by far is cut before it is encoded: no token is longer than a long word.
        let longestTokenByteCount = 16
        if text.count > tokenCount * longestTokenByteCount {
            text = PromptBuilder.wholeLines(text, byteCount: tokenCount * longestTokenByteCount)
        }
        var tokens = tokenizer.encode(path + text)
        var isCut = false
        while tokens.count > tokenCount {
            isCut = true
            // In proportion, less a little so that one more round is seldom needed.
            let byteCount = text.count * tokenCount / tokens.count * 31 / 32
            text = PromptBuilder.wholeLines(text, byteCount: byteCount)
            guard !text.isEmpty else { return nil }
            tokens = tokenizer.encode(path + text)
        }
        let lineCount = text.count { $0 == 0x0A }
        return !isCut || lineCount >= PromptBuilder.minimumContextLineCount ? (tokens, lineCount) : nil
    }

    /// The longest beginning of whole lines with at most `byteCount` bytes.
    static func wholeLines(_ text: [UInt8], byteCount: Int) -> [UInt8] {
        guard text.count > byteCount else { return text }
        guard let lineFeed = text.prefix(max(0, byteCount)).lastIndex(of: 0x0A) else { return [] }
        return Array(text[...lineFeed])
    }

    /// The text with trailing empty lines taken away and one line feed at its end; empty stays empty.
    static func endingInOneLineFeed(_ text: ArraySlice<UInt8>) -> [UInt8] {
        var end = text.endIndex
        while end > text.startIndex, text[end - 1] == 0x0A || text[end - 1] == 0x0D { end -= 1 }
        guard end > text.startIndex else { return [] }
        // A CRLF file keeps its line ending: the last line feed belongs to a carriage return before it.
        let usesCarriageReturn = end < text.endIndex && text[end] == 0x0D
        return Array(text[text.startIndex..<end]) + (usesCarriageReturn ? [0x0D, 0x0A] : [0x0A])
    }

    static func nameLine(_ name: String) -> [UInt8] {
        // A folder's name may hold what a path's cannot.
        name.utf8.map { $0 < 0x20 || $0 == 0x7F ? UInt8(ascii: "_") : $0 } + [0x0A]
    }

    static func pathLine(_ path: RelativePath) -> [UInt8] {
        var components = path.string.utf8.split(separator: UInt8(ascii: "/"))[...]
        var byteCount = path.string.utf8.count
        while byteCount > maximumPathByteCount, components.count > 1 {
            byteCount -= components.removeFirst().count + 1
        }
        return Array(components.joined(separator: [UInt8(ascii: "/")])) + [0x0A]
    }
}
