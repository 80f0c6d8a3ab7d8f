// A provider in front of another: answers from recent suggestions where it can, asks the other where it cannot, and
// remembers what came. It also turns "the menu highlights this item" into "what would come after this item", so
// that the model is asked about the text that the user is about to have.

import Synchronization

/// Answers what is known without asking `base`.
final class CachingProvider: CompletionProvider {
    private let base: any CompletionProvider
    private let cache = Mutex(SuggestionCache())

    init(_ base: any CompletionProvider) {
        self.base = base
    }

    func complete(_ request: CompletionRequest) async -> CompletionOutcome {
        guard let selected = request.selectedCompletion else { return await completePlain(request) }
        // What is shown already may begin with the item that the menu came to.
        if let known = known(request)?.filter({ selected.accepts($0, in: request) }), !known.isEmpty {
            return .items(request.items(known))
        }
        guard let accepted = request.accepting(selected) else { return .items([]) }
        return await completePlain(accepted).mapItems { item in
            CompletionItem(
                text: selected.text + item.text, replaceRange: selected.replaceRange, isUnfinished: item.isUnfinished)
        }
    }

    private func completePlain(_ request: CompletionRequest) async -> CompletionOutcome {
        // Who asks wants to choose, and one suggestion is no choice.
        if let known = known(request), request.triggerKind == .automatic || known.count > 1 {
            return .items(request.items(known))
        }
        let outcome = await base.complete(request)
        // Whatever ended otherwise, or too early, may end differently the next time.
        if case .items(let items) = outcome, !items.contains(where: \.isUnfinished), let place = request.place {
            let insertions = items.filter { $0.replaceRange == request.byteOffset..<request.byteOffset }
            cache.withLock { $0.store(insertions.map(\.text), at: place) }
        }
        return outcome
    }

    private func known(_ request: CompletionRequest) -> [String]? {
        request.place.flatMap { place in cache.withLock { $0.suggestions(at: place) } }
    }

    // MARK: The other's

    func workspaceOpened(_ workspace: WorkspaceDescription, progress: any WorkProgress) {
        base.workspaceOpened(workspace, progress: progress)
    }

    func readAhead(rootPaths: [String]) { base.readAhead(rootPaths: rootPaths) }

    func documentChanged(_ document: DocumentSnapshot) { base.documentChanged(document) }

    func documentSaved(_ document: DocumentSnapshot) { base.documentSaved(document) }

    func settingsChanged(_ settings: JSONValue?) {
        cache.withLock { $0.removeAll() }
        base.settingsChanged(settings)
    }

    func workspaceChanged(rootPaths: [String]) { base.workspaceChanged(rootPaths: rootPaths) }

    func settingsChanged(_ settings: JSONValue?, forFolder path: String) {
        base.settingsChanged(settings, forFolder: path)
    }

    func offersMenuCompletions(_ initializationOptions: JSONValue?) -> Bool {
        base.offersMenuCompletions(initializationOptions)
    }

    var statusMessage: String { base.statusMessage }

    func silence(for duration: Duration) { base.silence(for: duration) }

    func sessionEnded(limit: Duration) { base.sessionEnded(limit: limit) }

    func documentClosed(_ uri: DocumentURI) {
        if let path = uri.filePath { cache.withLock { $0.removeAll(in: path) } }
        base.documentClosed(uri)
    }
}

extension CompletionRequest {
    fileprivate var place: SuggestionCache.Place? {
        document.path.map { SuggestionCache.Place(path: $0, text: document.bytes, offset: byteOffset) }
    }

    fileprivate func items(_ texts: [String]) -> [CompletionItem] {
        texts.map { CompletionItem(text: $0, replaceRange: byteOffset..<byteOffset) }
    }

    /// The request as it will be once the menu's item is accepted; nil where the item does not end at the cursor.
    fileprivate func accepting(_ selected: SelectedCompletion) -> CompletionRequest? {
        let range = selected.replaceRange
        guard range.contains(byteOffset) || range.upperBound == byteOffset else { return nil }
        var document = document
        document.replaceText(in: range, with: selected.text)
        return CompletionRequest(
            document: document, byteOffset: range.lowerBound + selected.text.utf8.count, triggerKind: triggerKind,
            selectedCompletion: nil, openDocuments: openDocuments, recentPaths: recentPaths,
            recentEdits: recentEdits, cancellation: cancellation, contextTokenLimit: contextTokenLimit,
            maximumTokens: maximumTokens, isHypothetical: true, minimumConfidence: minimumConfidence,
            indentation: indentation, arrival: arrival)
    }
}

extension SelectedCompletion {
    /// Whether a suggestion at the cursor begins with the rest of this item.
    fileprivate func accepts(_ suggestion: String, in request: CompletionRequest) -> Bool {
        guard replaceRange.lowerBound <= request.byteOffset, replaceRange.upperBound == request.byteOffset else {
            return false
        }
        let typed = request.document.bytes[replaceRange]
        guard text.utf8.starts(with: typed) else { return false }
        let rest = text.utf8.dropFirst(typed.count)
        return suggestion.utf8.count > rest.count && suggestion.utf8.starts(with: rest)
    }
}

extension CompletionOutcome {
    fileprivate func mapItems(_ transform: (CompletionItem) -> CompletionItem) -> CompletionOutcome {
        guard case .items(let items) = self else { return self }
        return .items(items.map(transform))
    }
}
