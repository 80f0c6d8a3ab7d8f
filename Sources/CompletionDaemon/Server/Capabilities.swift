// What this server says it can do. Kept as one function, so that the answer to `initialize` can be read at
// a glance and grows in one place.

extension ServerCapabilities {
    /// The capabilities offered with the negotiated encoding.
    ///
    /// - Parameters:
    ///   - registersInlineCompletion: inline completion is registered later, which may not happen twice.
    ///   - offersMenu: whether `textDocument/completion` is offered, too.
    static func offered(
        encoding: PositionEncoding, registersInlineCompletion: Bool, offersMenu: Bool
    ) -> ServerCapabilities {
        ServerCapabilities(
            positionEncoding: encoding,
            textDocumentSync: TextDocumentSync(
                openClose: true,
                change: 2,
                save: TextDocumentSync.Save(includeText: false)
            ),
            inlineCompletionProvider: registersInlineCompletion ? nil : true,
            completionProvider: offersMenu
                ? ServerCapabilities.MenuCompletion(triggerCharacters: [".", "(", " "], resolveProvider: false) : nil,
            executeCommandProvider: ServerCapabilities.ExecuteCommand(
                commands: [AcceptCommand.name, SnoozeCommand.name]),
            workspace: ServerCapabilities.Workspace(
                workspaceFolders: .init(supported: true, changeNotifications: true))
        )
    }
}
