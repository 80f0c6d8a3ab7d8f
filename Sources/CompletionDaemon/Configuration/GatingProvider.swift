// A provider in front of another: asks the settings whether there are completions in this file now, and hands the
// bounds that they set on. It also holds the switch by which a user silences completions for a while.

import Synchronization

/// Lets through to `base` what settings and switch allow.
final class GatingProvider: CompletionProvider {
    private let base: any CompletionProvider
    private let settings: SettingsStore
    private let usage: UsageRecorder?
    private let silentUntil = Mutex<ContinuousClock.Instant?>(nil)
    /// Folders of the session that may be read ahead; nil before it begins.
    private let rootPaths = Mutex<[String]?>(nil)

    /// - Parameter usage: told whether the user wants to be counted.
    init(_ base: any CompletionProvider, settings: SettingsStore, usage: UsageRecorder?) {
        self.base = base
        self.settings = settings
        self.usage = usage
    }

    func complete(_ request: CompletionRequest) async -> CompletionOutcome {
        let isAutomatic = request.triggerKind == .automatic
        if isAutomatic, silentUntil.withLock({ $0.map { ContinuousClock.now < $0 } ?? false }) {
            return .inactive(reason: "completions are silenced for a while")
        }
        guard let path = request.document.path else { return await base.complete(request) }
        let found = settings.settings(forFile: path)
        if let refusal = found.refusal(languageID: request.document.languageID, isAutomatic: isAutomatic) {
            return .inactive(reason: refusal)
        }
        // A repository has no say in this, so it is the user's word of now.
        usage?.setEnabled(found.settings.countsUsage)
        var request = request
        request.contextTokenLimit = found.settings.contextTokens
        request.maximumTokens = found.settings.maximumTokens
        // Who asks sees whatever there is.
        if isAutomatic { request.minimumConfidence = found.settings.minimumConfidence }
        return await base.complete(request)
    }

    var statusMessage: String { base.statusMessage }

    func silence(for duration: Duration) {
        silentUntil.withLock { $0 = duration > .zero ? ContinuousClock.now + duration : nil }
    }

    func workspaceOpened(_ workspace: WorkspaceDescription, progress: any WorkProgress) {
        settings.setWorkspaceRoots(workspace.rootPaths)
        settingsChanged(workspace.initializationOptions)
        base.workspaceOpened(workspace, progress: progress)
        readAhead(rootPaths: workspace.rootPaths)
    }

    func readAhead(rootPaths: [String]) {
        self.rootPaths.withLock { $0 = rootPaths }
        readAhead()
    }

    /// Where the user wants no completions, nothing is read. Under the lock, so that the last settings win.
    private func readAhead() {
        rootPaths.withLock { rootPaths in
            guard let rootPaths else { return }
            base.readAhead(rootPaths: rootPaths.filter { settings.settings(forFile: $0 + "/x").settings.isEnabled })
        }
    }

    func workspaceChanged(rootPaths: [String]) {
        settings.setWorkspaceRoots(rootPaths)
        base.workspaceChanged(rootPaths: rootPaths)
        readAhead(rootPaths: rootPaths)
    }

    func offersMenuCompletions(_ initializationOptions: JSONValue?) -> Bool {
        settings.setEditorSettings(initializationOptions)
        return settings.userSettings.offersMenuCompletions
    }

    func settingsChanged(_ value: JSONValue?, forFolder path: String) {
        settings.setEditorSettings(value, forFolder: path)
        // What was suggested under other settings.
        base.settingsChanged(nil)
        readAhead()
    }

    func settingsChanged(_ value: JSONValue?) {
        settings.setEditorSettings(value)
        usage?.setEnabled(settings.userSettings.countsUsage)
        base.settingsChanged(value)
        readAhead()
    }

    func documentChanged(_ document: DocumentSnapshot) { base.documentChanged(document) }

    func documentSaved(_ document: DocumentSnapshot) { base.documentSaved(document) }

    func documentClosed(_ uri: DocumentURI) { base.documentClosed(uri) }

    func sessionEnded(limit: Duration) { base.sessionEnded(limit: limit) }
}
