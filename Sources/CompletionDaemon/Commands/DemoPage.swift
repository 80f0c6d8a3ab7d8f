// What `foretoken demo` prints: for each place the lines around the cursor with the suggestion as ghost text, the
// context it came from, and where the time went. On a terminal ghost text is grey, as in an editor; anywhere else
// (or with NO_COLOR set, no-color.org) it stands between ⟦ and ⟧.

import SpecEngine

#if canImport(Glibc)
    import Glibc
#endif

/// The demo's output, to standard output.
struct DemoPage {
    /// Lines shown before and after the cursor's line.
    private static let linesBefore = 3
    private static let linesAfter = 2
    /// Context files named; the rest is counted.
    private static let namedFileCount = 4

    private let usesColour: Bool

    init() {
        usesColour =
            isatty(STDOUT_FILENO) == 1 && getenv("NO_COLOR") == nil
            && getenv("TERM").map { strcmp($0, "dumb") != 0 } ?? false
    }

    // MARK: Parts

    func header(engine: InferenceEngine, root: String, prefillRate: Double, tokenBudget: Int) {
        let model = engine.modelPath.split(separator: "/").last ?? ""
        write([
            "",
            bold("Foretoken \(ForetokenVersion.current)") + " completes its own source code in \(root)",
            faint(
                "\(model) on \(MachineDescription.current().cpu): \(engine.threadCount) threads, "
                    + "\(engine.instructionSet.description)"),
            faint(
                "this machine reads \(Int(prefillRate)) tokens/s, so a prompt has up to \(tokenBudget) tokens "
                    + "(what 0.8 s read)"),
        ])
    }

    func session(startTime: Duration) {
        write([
            faint(
                "foretoken serve: answered initialize after \(milliseconds(startTime)); it loads the model meanwhile"
            )
        ])
    }

    func show(_ visit: DemoVisit, number: Int, comparison: DemoComparison.Outcome) {
        let place = visit.place
        write(["", bold("\(number)  \(place.path):\(place.line + 1):\(place.column + 1)"), ""])
        write(excerpt(place, typed: "", suggestion: visit.first.text))
        write([""])
        var rows: [(String, String)] = []
        if let text = visit.first.text {
            rows.append(
                firstLine(text) == place.committed
                    ? ("checked", "this is what the file has there")
                    : ("checked", "the file has " + ghost(place.committed)))
            if let alone = comparison.aloneText, firstLine(alone) != firstLine(text) {
                rows.append(("alone", "without the other files the model writes " + ghost(firstLine(alone))))
            }
        }
        if let paths = comparison.contextPaths { rows.append(("context", contextText(paths))) }
        rows.append(("time", timeText(visit.first)))
        if let typed = visit.typed, let second = visit.second {
            let answer = second.text.map { ghost(firstLine($0)) } ?? "no suggestion"
            rows.append(("typed", "\"\(typed)\", asked again: \(answer)"))
            rows.append(("time", timeText(second)))
        }
        write(rows.map { name, text in "   " + faint(padded(name, 10)) + text })
    }

    func footer() {
        write([
            "",
            faint(
                "suggestions are " + (usesColour ? "grey" : "between ⟦ and ⟧")
                    + "; \"rest\" is the protocol, and at first the model's loading"),
            faint("next: make install, then the editor lines in README.md"),
            "",
        ])
    }

    // MARK: Texts

    private func excerpt(_ place: DemoPlace, typed: String, suggestion: String?) -> [String] {
        let lines = place.lines
        let range = max(0, place.line - Self.linesBefore)...min(lines.count - 1, place.line + Self.linesAfter)
        let width = "\(range.upperBound + 1)".count
        let ghostLines = suggestion.map {
            $0.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        }
        return range.flatMap { index -> [String] in
            let number = String(repeating: " ", count: width - "\(index + 1)".count) + "\(index + 1)"
            let gutter = "   " + faint("\(number) │ ")
            guard index == place.line else { return [gutter + lines[index]] }
            guard let ghostLines, let first = ghostLines.first else {
                return [gutter + lines[index] + faint("  (no suggestion)")]
            }
            let blank = "   " + faint(String(repeating: " ", count: width) + " │ ")
            return [gutter + lines[index] + ghost(first)] + ghostLines.dropFirst().map { blank + ghost($0) }
        }
    }

    private func contextText(_ paths: [String]) -> String {
        guard !paths.isEmpty else { return "none" }
        let names = paths.map { path in path.split(separator: "/").last.map(String.init) ?? path }
        let named = names.prefix(Self.namedFileCount).joined(separator: ", ")
        let rest = paths.count - Self.namedFileCount
        return named + (rest > 0 ? " and \(rest) more" : "")
    }

    /// Where the milliseconds of one answer went.
    private func timeText(_ answer: DemoAnswer) -> String {
        let total = answer.time.milliseconds
        guard let context = answer.number("context_ms"), let prefill = answer.number("prefill_ms"),
            let decode = answer.number("decode_ms"), let prompt = answer.number("prompt_tokens"),
            let reused = answer.number("reused_tokens"), let tokens = answer.number("tokens")
        else { return bold(milliseconds(answer.time)) + (answer.logged.isEmpty ? " (the model was not asked)" : "") }
        let rest = max(0, total - context - prefill - decode)
        return bold(milliseconds(answer.time))
            + " = context \(rounded(context))"
            + " + prompt \(rounded(prefill)) (\(Int(prompt)) tokens, \(Int(reused)) reused)"
            + " + \(Int(tokens)) new tokens \(rounded(decode)) + rest \(rounded(rest))"
    }

    private func firstLine(_ text: String) -> String { String(text.prefix { $0 != "\n" }) }

    private func milliseconds(_ time: Duration) -> String { "\(rounded(time.milliseconds)) ms" }

    /// One decimal below 10 ms, none above.
    private func rounded(_ value: Double) -> String {
        value < 10 ? "\((value * 10).rounded() / 10)" : "\(Int(value.rounded()))"
    }

    private func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    // MARK: Style

    private func ghost(_ text: String) -> String { usesColour ? "\u{1B}[90m\(text)\u{1B}[0m" : "⟦\(text)⟧" }
    private func faint(_ text: String) -> String { usesColour ? "\u{1B}[2m\(text)\u{1B}[0m" : text }
    private func bold(_ text: String) -> String { usesColour ? "\u{1B}[1m\(text)\u{1B}[0m" : text }

    private func write(_ lines: [String]) {
        FileDescriptorOutput.write(lines.map { $0 + "\n" }.joined(), to: STDOUT_FILENO)
    }
}
