// What the server asks the client beside completions: settings (LSP 3.18 "Configuration Request") and registrations
// ("Register Capability"), and the notification that the workspace has other folders now.

/// `workspace/configuration`: asks for sections of the client's settings.
struct ConfigurationParams: Encodable, Sendable {
    static let method = "workspace/configuration"
    static let section = "foretoken"

    struct Item: Encodable, Sendable {
        /// Nil for the settings of the whole client.
        let scopeUri: DocumentURI?
        let section: String
    }

    let items: [Item]
}

/// `client/registerCapability`.
struct RegistrationParams: Encodable, Sendable {
    static let method = "client/registerCapability"

    struct Registration: Encodable, Sendable {
        let id: String
        let method: String
        let registerOptions: Options?
    }

    struct Options: Encodable, Sendable {
        struct DocumentFilter: Encodable, Sendable {
            let scheme: String
        }
        let documentSelector: [DocumentFilter]
    }

    let registrations: [Registration]
}

/// `workspace/didChangeWorkspaceFolders`.
struct DidChangeWorkspaceFoldersParams: Decodable, Sendable {
    struct Event: Decodable, Sendable {
        let added: [InitializeParams.WorkspaceFolder]
        let removed: [InitializeParams.WorkspaceFolder]
    }

    let event: Event
}
