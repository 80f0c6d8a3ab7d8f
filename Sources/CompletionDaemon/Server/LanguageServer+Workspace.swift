// What the server asks the client once the session has begun, and what it tells of itself: settings by folder,
// registrations, workspace folders, status.

import Logging

extension LanguageServer {
    /// `initialized`: from here on the server may send requests.
    func begin() {
        var registrations: [RegistrationParams.Registration] = []
        if client.registersInlineCompletion {
            registrations.append(
                .init(
                    id: "inlineCompletion", method: "textDocument/inlineCompletion",
                    registerOptions: RegistrationParams.Options(documentSelector: [.init(scheme: "file")])))
        }
        if client.registersConfiguration {
            registrations.append(
                .init(id: "configuration", method: "workspace/didChangeConfiguration", registerOptions: nil))
        }
        if !registrations.isEmpty {
            requests.send(
                RegistrationParams.method, RegistrationParams(registrations: registrations), to: sink, logger: logger
            ) { [logger] response in
                if response == .error { logger.warning("the client refused to register capabilities") }
            }
        }
        askForSettings()
    }

    /// Asks for the settings of the client and of each workspace folder.
    func askForSettings() {
        guard client.answersConfiguration else { return }
        let roots = client.roots
        let scopes: [DocumentURI?] = [nil] + roots.map { $0 }
        let items = scopes.map { ConfigurationParams.Item(scopeUri: $0, section: ConfigurationParams.section) }
        requests.send(ConfigurationParams.method, ConfigurationParams(items: items), to: sink, logger: logger) {
            [provider, logger] response in
            guard case .result(.array(let values)) = response, values.count == items.count else {
                return logger.warning("the client did not say what its settings are")
            }
            provider.settingsChanged(values[0])
            for (root, value) in zip(roots, values.dropFirst()) {
                if let path = root.filePath { provider.settingsChanged(value, forFolder: path) }
            }
        }
    }

    /// `workspace/didChangeConfiguration`.
    func configurationChanged(_ params: DidChangeConfigurationParams) {
        provider.settingsChanged(params.settings)
        askForSettings()
    }

    /// `workspace/didChangeWorkspaceFolders`.
    func workspaceFoldersChanged(_ params: DidChangeWorkspaceFoldersParams) {
        let removed = Set(params.event.removed.map(\.uri))
        let added = params.event.added.map(\.uri)
        client.roots.removeAll { removed.contains($0) || added.contains($0) }
        client.roots += added
        if client.roots.count > limits.workspaceFolderCount {
            logger.warning("\(client.roots.count) workspace folders; the first \(limits.workspaceFolderCount) count")
            client.roots.removeLast(client.roots.count - limits.workspaceFolderCount)
        }
        provider.workspaceChanged(rootPaths: client.roots.compactMap(\.filePath))
        askForSettings()
    }

    // MARK: Status

    /// Tells a client that shows it, where it has changed.
    func tellStatus(_ kind: ServerStatus.Kind, _ message: String = "", isBusy: Bool = false) {
        guard client.showsStatus else { return }
        let status = ServerStatus(busy: isBusy, message: message, kind: kind)
        guard status != client.status else { return }
        client.status = status
        sink.notify(ServerStatus.method, status, logger: logger)
    }

    /// The status once a request's outcome is known.
    func tellStatus(after outcome: CompletionOutcome) {
        switch outcome {
        case .items, .none: tellStatus(.normal, provider.statusMessage)
        case .inactive(let reason): tellStatus(.inactive, reason)
        case .failed(let message): tellStatus(.error, message)
        case .cancelled: break
        }
    }
}

/// What is known of the client. Confined to the server's thread.
struct ClientState {
    /// Workspace folders in the client's order.
    var roots: [DocumentURI] = []
    var answersConfiguration = false
    var registersConfiguration = false
    var registersInlineCompletion = false
    /// The client introduced itself as Copilot's clients do.
    var showsStatus = false
    /// What it was told last.
    var status: ServerStatus?

    init() {}

    init(_ params: InitializeParams, maximumRootCount: Int) {
        roots = Array(params.roots.prefix(maximumRootCount))
        answersConfiguration = params.capabilities?.workspace?.configuration ?? false
        registersConfiguration =
            params.capabilities?.workspace?.didChangeConfiguration?.dynamicRegistration ?? false
        registersInlineCompletion =
            params.capabilities?.textDocument?.inlineCompletion?.dynamicRegistration ?? false
        showsStatus = params.initializationOptions?["editorPluginInfo"] != nil
    }
}
