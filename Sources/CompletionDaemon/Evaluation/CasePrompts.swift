// The prompt of a case: the one an editor's request at that cursor would get. Repository cases go through
// RepositoryContext, read to the end first, so that prompts do not depend on the clock; cases that bring their own
// files go through the same layout.

import CompletionEvaluation
import RepoContext
import SpecEngine

/// A case's prompt and how it came about.
struct CasePrompt: Sendable {
    var tokens: [TokenID]
    /// The text before and after the cursor that is in it, for engines that lay out prompts themselves.
    var prefix: [UInt8]
    var suffix: [UInt8]
    var contextPaths: [String]
    var time: Duration
}

/// Builds prompts for one worker and one configuration; one call at a time.
final class CasePrompts {
    /// Reading is never cut short here.
    private static let queryTimeLimit = Duration.seconds(600)

    private let configuration: RunConfiguration
    private let repositoryRoot: String?
    private let tokenizer: EnginePromptTokenizer
    private let report: @Sendable (String) -> Void
    private var context: RepositoryContext
    private var export: CommitTreeExport?
    private var commit: String?

    /// - Parameter repositoryRoot: root of the work tree; nil where cases bring their own files.
    init(
        configuration: RunConfiguration, repositoryRoot: String?, tokenizer: Tokenizer,
        report: @escaping @Sendable (String) -> Void
    ) {
        self.configuration = configuration
        self.repositoryRoot = repositoryRoot
        self.tokenizer = EnginePromptTokenizer(tokenizer: tokenizer, chosenOrder: configuration.order)
        self.report = report
        context = Self.context(configuration, folder: repositoryRoot, isCommit: false, report)
    }

    private static func context(
        _ configuration: RunConfiguration, folder: String?, isCommit: Bool,
        _ report: @escaping @Sendable (String) -> Void
    ) -> RepositoryContext {
        var settings = RepositoryContext.Configuration(
            workspaceFolders: folder.map { [$0] } ?? [], queryTimeLimit: queryTimeLimit,
            onDegradation: report)
        settings.disabledSignals = configuration.signals
        // A prompt must not depend on the cases before it, which are others in a shard and after an interruption.
        settings.keepsLayouts = false
        // The temporary folder may lie in a repository, which must not take the commit's place.
        settings.findsRepositories = !isCommit
        return RepositoryContext(settings)
    }

    /// The prompt for a case, of at most `room` tokens.
    func prompt(
        for subject: EvaluationCase, room: Int, heldBackByteCount: Int, cancellation: CancellationFlag
    ) async throws -> CasePrompt {
        let budget = min(configuration.contextTokens, room)
        let clock = ContinuousClock()
        switch subject.context {
        case .repository:
            let path = (repositoryRoot ?? "") + "/" + subject.path
            return try await repositoryPrompt(subject, path: path, budget: budget, heldBackByteCount, cancellation)
        case .commit(let name):
            let folder = try exportFolder(ofCommit: name)
            return try await repositoryPrompt(
                subject, path: folder + "/" + subject.path, budget: budget, heldBackByteCount, cancellation)
        case .files(let files):
            let start = clock.now
            var prompt = ownPrompt(subject, files: configuration.usesContext ? files : [], budget: budget)
            prompt.time = clock.now - start
            return prompt
        case .none:
            let start = clock.now
            var prompt = ownPrompt(subject, files: [], budget: budget)
            prompt.time = clock.now - start
            return prompt
        }
    }

    private func exportFolder(ofCommit name: String) throws -> String {
        let export = try self.export ?? CommitTreeExport(repositoryFolder: repositoryRoot ?? "")
        self.export = export
        let folder = try export.folder(ofCommit: name)
        if commit != name {
            // What is known of the last commit's folder is wrong now, and both have the same name.
            context = Self.context(configuration, folder: folder, isCommit: true, report)
            commit = name
        }
        return folder
    }

    private func repositoryPrompt(
        _ subject: EvaluationCase, path: String, budget: Int, _ heldBackByteCount: Int,
        _ cancellation: CancellationFlag
    ) async throws -> CasePrompt {
        if configuration.usesContext {
            await context.prepare(file: path, isCancelled: { cancellation.isRaised })
        }
        let clock = ContinuousClock()
        let start = clock.now
        var query = ContextQuery(
            filePath: path, text: subject.prefix + subject.suffix, cursorOffset: subject.prefix.count,
            tokenBudget: budget, includeContext: configuration.usesContext,
            isCancelled: { cancellation.isRaised })
        query.heldBackByteCount = heldBackByteCount
        let result = try await context.prompt(for: query, tokenizer: tokenizer)
        return casePrompt(result.prompt, time: clock.now - start)
    }

    private func ownPrompt(_ subject: EvaluationCase, files: [CaseContext.File], budget: Int) -> CasePrompt {
        let builder = PromptBuilder(tokenizer: tokenizer, order: tokenizer.order)
        let path = RelativePath(subject.path) ?? RelativePath(bytes: Array("main.txt".utf8))!
        let current = CurrentFile(
            path: path, text: subject.prefix + subject.suffix, cursorOffset: subject.prefix.count)
        let others = files.enumerated().map { place, file in
            // The last one is the most relevant and is cut last.
            ContextFile(
                path: RelativePath(file.path) ?? RelativePath(bytes: Array("context".utf8))!,
                text: Array(file.text.utf8), rank: files.count - 1 - place)
        }
        let usesContext = !others.isEmpty && builder.supportsContext
        let prompt = builder.prompt(
            repositoryName: usesContext ? "repository" : "", contextFiles: usesContext ? others : [],
            currentFile: current,
            budget: PromptBudget(totalTokenCount: budget, includesContext: usesContext))
        return casePrompt(prompt, time: .zero)
    }

    private func casePrompt(_ prompt: Prompt, time: Duration) -> CasePrompt {
        func text(_ kind: PromptSegment.Kind) -> [UInt8] {
            let tokens = prompt.segments.filter { $0.kind == kind }.flatMap { prompt.tokens[$0.tokenRange] }
            return tokenizer.tokenizer.decode(tokens.map { TokenID($0) })
        }
        return CasePrompt(
            tokens: prompt.tokens.map { TokenID($0) }, prefix: text(.prefix), suffix: text(.suffix),
            contextPaths: prompt.contextPaths.map(\.string), time: time)
    }
}
