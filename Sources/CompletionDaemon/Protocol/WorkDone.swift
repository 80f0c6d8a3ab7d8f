// Progress of work that the server does on its own (LSP 3.18 "Work Done Progress").

/// `window/workDoneProgress/create`: asks the client for a place to show progress.
struct WorkDoneProgressCreateParams: Encodable, Sendable {
    static let method = "window/workDoneProgress/create"

    let token: String
}

/// `$/progress` with a beginning, a step or an end.
struct WorkDoneProgressParams: Encodable, Sendable {
    static let method = "$/progress"

    struct Value: Encodable, Sendable {
        /// begin, report or end.
        let kind: String
        var title: String?
        var percentage: Int?
    }

    let token: String
    let value: Value
}
