// `foretoken demo`, what `make demo` runs: this very checkout, completed through the language server as an editor
// would ask for it. A child runs `foretoken serve`; the demo opens files over LSP, asks, types the beginning of
// the answer and asks again, and shows what a person would have seen and where the milliseconds went. The times
// are those of the session: the client's clock and the server's log. It is hidden from the help, because it needs
// the checkout.

import ArgumentParser
import RepoContext
import SpecEngine

#if canImport(Glibc)
    import Glibc
#endif

struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo", abstract: "Complete a few places of Foretoken's own checkout over LSP.",
        shouldDisplay: false)

    @OptionGroup var engine: EngineArguments

    @Option(help: ArgumentHelp("Foretoken's checkout. Default: here.", valueName: "path"))
    var checkout = "."

    /// Typed at least, before asking again; what somebody has typed a moment later.
    private static let typedCharacterCount = 2

    func run() async throws {
        do {
            let root = try checkoutRoot()
            let places = DemoPlace.places(inCheckout: root)
            guard !places.isEmpty else {
                throw CommandError.file("\(root) has no Swift sources", fix: "run it in Foretoken's checkout")
            }
            let engine = try engine.configuration().load()
            let rate = await engine.measurePrefillRate()
            let budget = PromptSizing.tokenBudget(prefillRate: rate)
            let page = DemoPage()
            page.header(engine: engine, root: root, prefillRate: rate, tokenBudget: budget)

            let visits = try session(root: root, places: places, tokenBudget: budget, page: page)
            let comparison = DemoComparison(engine: engine, root: root, tokenBudget: budget)
            for (index, visit) in visits.enumerated() {
                let earlier = visits[..<index].reversed().map { "\(root)/\($0.place.path)" }
                page.show(
                    visit, number: index + 1,
                    comparison: try await comparison.compare(visit, earlier: earlier))
            }
            page.footer()
            guard visits.contains(where: { $0.first.text != nil }) else {
                throw CommandError.file("the server suggested nothing anywhere", fix: "run foretoken doctor")
            }
        } catch let failure as DemoEditor.Failure {
            throw CommandError.file("\(failure)", fix: "run foretoken doctor").report(asJSON: false)
        } catch {
            throw CommandError(error).report(asJSON: false)
        }
    }

    /// The absolute path of the checkout, without links, as the server will see it.
    private func checkoutRoot() throws(CommandError) -> String {
        guard let resolved = realpath(checkout, nil) else {
            throw .file(
                "\(checkout): \(String(cString: strerror(errno)))", fix: "give the checkout with --checkout")
        }
        defer { free(resolved) }
        let root = String(cString: resolved)
        guard access(root + "/Sources/CompletionDaemon/Main.swift", R_OK) == 0 else {
            throw .file(
                "\(root) is not Foretoken's checkout", fix: "run make demo in it, or give it with --checkout")
        }
        return root
    }

    // MARK: The session

    /// Opens, asks, types, asks again and closes, at each place.
    private func session(
        root: String, places: [DemoPlace], tokenBudget: Int, page: DemoPage
    ) throws -> [DemoVisit] {
        // The budget that the server would measure too, given so that both of us mean the same prompt.
        var arguments = [
            "serve", "--log-level", "debug", "--context-tokens", "\(tokenBudget)", "--disk-cache", "off",
        ]
        if let model = engine.model { arguments += ["--model", model] }
        if let threads = engine.threads { arguments += ["--threads", "\(threads)"] }
        if engine.reference { arguments.append("--reference") }

        let start = ContinuousClock.now
        let editor = try DemoEditor(binary: ModelLocator.binaryPath(), arguments: arguments)
        defer { editor.close() }
        _ = try editor.request(
            "initialize",
            .object([
                "processId": .integer(Int64(getpid())),
                "clientInfo": .object(["name": .string("foretoken demo")]),
                "rootUri": .string(DocumentURI(filePath: root).description),
                "capabilities": .object([
                    "general": .object(["positionEncodings": .array([.string("utf-8")])])
                ]),
            ]))
        try editor.notify("initialized", .object([:]))
        page.session(startTime: .now - start)

        let visits = try places.map { try visit($0, root: root, editor: editor) }
        _ = try editor.request("shutdown", .null)
        try editor.notify("exit", .null)
        let code = editor.close()
        guard code == 0 else {
            throw CommandError.file("the server ended with code \(code)", fix: "please report this")
        }
        return visits
    }

    private func visit(_ place: DemoPlace, root: String, editor: DemoEditor) throws -> DemoVisit {
        let uri = JSONValue.string(DocumentURI(filePath: "\(root)/\(place.path)").description)
        try editor.notify(
            "textDocument/didOpen",
            .object([
                "textDocument": .object([
                    "uri": uri, "languageId": .string("swift"), "version": .integer(1),
                    "text": .string(String(decoding: place.text, as: UTF8.self)),
                ])
            ]))
        let first = try ask(uri, line: place.line, column: place.column, editor: editor)
        var visit = DemoVisit(place: place, first: first)
        if let typed = first.text.flatMap(Self.typedBeginning) {
            try type(typed, uri, line: place.line, column: place.column, editor: editor)
            visit.typed = typed
            visit.second = try ask(
                uri, line: place.line, column: place.column + typed.utf8.count, editor: editor)
        }
        try editor.notify("textDocument/didClose", .object(["textDocument": .object(["uri": uri])]))
        return visit
    }

    /// The beginning of the answer's first line up to the end of a word, where people pause; nil when that leaves
    /// nothing over.
    private static func typedBeginning(_ text: String) -> String? {
        let line = text.prefix { $0 != "\n" }
        let rest = line.dropFirst(typedCharacterCount).drop { $0.isLetter || $0.isNumber || $0 == "_" }
        return rest.isEmpty ? nil : String(line[..<rest.startIndex])
    }

    private func type(_ text: String, _ uri: JSONValue, line: Int, column: Int, editor: DemoEditor) throws {
        let position = position(line, column)
        try editor.notify(
            "textDocument/didChange",
            .object([
                "textDocument": .object(["uri": uri, "version": .integer(2)]),
                "contentChanges": .array([
                    .object([
                        "range": .object(["start": position, "end": position]), "text": .string(text),
                    ])
                ]),
            ]))
    }

    private func ask(_ uri: JSONValue, line: Int, column: Int, editor: DemoEditor) throws -> DemoAnswer {
        let start = ContinuousClock.now
        let result = try editor.request(
            "textDocument/inlineCompletion",
            .object([
                "textDocument": .object(["uri": uri]), "position": position(line, column),
                "context": .object(["triggerKind": .integer(1)]),
            ]))
        let time = ContinuousClock.now - start
        var text: String?
        if case .array(let items)? = result["items"], case .string(let inserted)? = items.first?["insertText"]
        {
            text = inserted
        }
        return DemoAnswer(text: text, time: time, logged: editor.newLogValues(having: "prompt_tokens"))
    }

    private func position(_ line: Int, _ column: Int) -> JSONValue {
        .object(["line": .integer(Int64(line)), "character": .integer(Int64(column))])
    }
}

/// One answer of the server.
struct DemoAnswer {
    /// The suggestion; nil when there was none.
    let text: String?
    /// From sending the request to having the answer.
    let time: Duration
    /// What the server's log says of it; empty where the model was not asked.
    let logged: [String: String]

    func number(_ key: String) -> Double? { logged[key].flatMap(Double.init) }
}

/// What happened at one place.
struct DemoVisit {
    let place: DemoPlace
    let first: DemoAnswer
    /// The beginning of the answer, typed before asking again.
    var typed: String?
    var second: DemoAnswer?
}
