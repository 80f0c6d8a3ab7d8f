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
        struct Registration: Decodable, Sendable {
            private enum CodingKeys: CodingKey { case dynamicRegistration }

            let dynamicRegistration: Bool?

            /// A capability of another shape than the specification's says nothing, as if it were not there.
            init(from decoder: any Decoder) throws {
                let container = try? decoder.container(keyedBy: CodingKeys.self)
                dynamicRegistration = try? container?.decodeIfPresent(Bool.self, forKey: .dynamicRegistration)
            }
        }
        struct TextDocument: Decodable, Sendable {
            let inlineCompletion: Registration?
        }
        struct Workspace: Decodable, Sendable {
            /// Whether the client answers `workspace/configuration`.
            let configuration: Bool?
            let didChangeConfiguration: Registration?
        }
        let general: General?
        let window: Window?
        let textDocument: TextDocument?
        let workspace: Workspace?
    }

    /// The parent process; null when there is none.
    let processId: Int64?
    let clientInfo: ClientInfo?
    /// Superseded by `workspaceFolders`, still sent alone by small clients.
    let rootUri: DocumentURI?
    let workspaceFolders: [WorkspaceFolder]?
    let capabilities: Capabilities?
    let initializationOptions: JSONValue?

    /// Workspace roots in the client's order.
    var roots: [DocumentURI] {
        let folders = workspaceFolders?.map(\.uri) ?? []
        return folders.isEmpty ? [rootUri].compactMap { $0 } : folders
    }

    /// Those on this machine.
    var rootPaths: [String] { roots.compactMap(\.filePath) }
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

    struct MenuCompletion: Encodable, Sendable {
        let triggerCharacters: [String]
        let resolveProvider: Bool
    }

    struct Workspace: Encodable, Sendable {
        struct Folders: Encodable, Sendable {
            let supported: Bool
            let changeNotifications: Bool
        }
        let workspaceFolders: Folders
    }

    /// Nil where the client is asked to register it.
    let inlineCompletionProvider: Bool?
    /// Nil unless the user wants it.
    let completionProvider: MenuCompletion?
    let executeCommandProvider: ExecuteCommand
    let workspace: Workspace
}
