// What this server says it can do. Kept as one function, so that the answer to `initialize` can be read at
// a glance and grows in one place.

extension ServerCapabilities {
    /// The capabilities offered with the negotiated encoding.
    static func offered(encoding: PositionEncoding) -> ServerCapabilities {
        ServerCapabilities(
            positionEncoding: encoding,
            textDocumentSync: TextDocumentSync(
                openClose: true,
                change: 2,
                save: TextDocumentSync.Save(includeText: false)
            ),
            inlineCompletionProvider: true,
            executeCommandProvider: ServerCapabilities.ExecuteCommand(
                commands: [AcceptCommand.name, SnoozeCommand.name])
        )
    }
}
