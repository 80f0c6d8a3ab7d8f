// `initialize` and its answer (LSP 3.18 "Server lifecycle"). Only members that the server acts on are
// decoded; the rest of the client's capabilities may have any shape.

/// What the client says of itself and its workspace.
struct InitializeParams: Decodable, Sendable {
    struct ClientInfo: Decodable, Sendable {
        let name: String
        let version: String?
    }

    struct WorkspaceFolder: Decodable, Sendable {
        let uri: DocumentURI
        let name: String?
    }

    struct Capabilities: Decodable, Sendable {
        struct General: Decodable, Sendable {
            let positionEncodings: [String]?
        }
        struct Window: Decodable, Sendable {
            let workDoneProgress: Bool?
        }
        let general: General?
        let window: Window?
    }

    /// The parent process; null when there is none.
    let processId: Int64?
    let clientInfo: ClientInfo?
    /// Superseded by `workspaceFolders`, still sent alone by small clients.
    let rootUri: DocumentURI?
    let workspaceFolders: [WorkspaceFolder]?
    let capabilities: Capabilities?
    let initializationOptions: JSONValue?

    /// Workspace roots on this machine, in the client's order.
    var rootPaths: [String] {
        let folders = workspaceFolders?.map(\.uri) ?? []
        let uris = folders.isEmpty ? [rootUri].compactMap { $0 } : folders
        return uris.compactMap(\.filePath)
    }
}

/// What the server offers.
struct InitializeResult: Encodable, Sendable {
    struct ServerInfo: Encodable, Sendable {
        let name: String
        let version: String
    }

    let capabilities: ServerCapabilities
    let serverInfo: ServerInfo
}

/// The server's capabilities that differ from "none".
struct ServerCapabilities: Encodable, Sendable {
    struct TextDocumentSync: Encodable, Sendable {
        struct Save: Encodable, Sendable {
            let includeText: Bool
        }
        let openClose: Bool
        /// 2: incremental.
        let change: Int
        let save: Save
    }

    let positionEncoding: PositionEncoding
    let textDocumentSync: TextDocumentSync
    struct ExecuteCommand: Encodable, Sendable {
        let commands: [String]
    }

    let inlineCompletionProvider: Bool
    let executeCommandProvider: ExecuteCommand
}
