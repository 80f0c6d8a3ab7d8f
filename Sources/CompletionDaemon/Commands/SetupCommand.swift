// `foretoken setup EDITOR`: the lines that make an editor use this binary, shown, written into its configuration or
// taken out again. What the lines are is EditorSetup's business.

import ArgumentParser

struct SetupCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "setup",
        abstract: "Show or write the configuration lines for an editor.",
        discussion: """
            The lines go to standard output, everything else to standard error. --write puts them between two marking \
            lines at the end of the editor's configuration, or renews those that are there, and changes nothing else; \
            --remove takes them out again.
            """)

    @Argument(
        help: ArgumentHelp(EditorName.allCases.map(\.rawValue).joined(separator: ", ") + ".", valueName: "editor"))
    var editor: EditorName

    @Flag(help: "Write the lines into the editor's configuration after showing them.")
    var write = false

    @Flag(help: "Take the lines that --write wrote out again.")
    var remove = false

    func run() throws {
        do { try perform() } catch { throw CommandError(error).report(asJSON: false) }
    }

    private func perform() throws(CommandError) {
        let setup = EditorSetup(editor, binaryPath: ModelLocator.binaryPath())
        guard !(write && remove) else {
            throw .usage("--write and --remove exclude each other", fix: "give one of them")
        }
        if remove { return try removeLines(setup) }
        guard FileDescriptorOutput.write(setup.lines, to: 1) else { throw .outputFailed }
        if write { return try writeLines(setup) }
        StandardError.write(setup.advice)
    }

    /// The file that --write and --remove change.
    private func file(_ setup: EditorSetup) throws(CommandError) -> MarkedFile {
        guard let path = setup.filePath, let comment = setup.comment else {
            throw .usage(
                "the configuration of \(editor.rawValue) is not written by this command", fix: setup.advice)
        }
        return MarkedFile(path: path, comment: comment)
    }

    private func writeLines(_ setup: EditorSetup) throws(CommandError) {
        let file = try file(setup)
        let isChanged = try file.write(setup.lines)
        StandardError.write(
            isChanged
                ? "written to \(file.path); foretoken setup \(editor.rawValue) --remove takes it out again"
                : "\(file.path) has these lines already")
    }

    private func removeLines(_ setup: EditorSetup) throws(CommandError) {
        let file = try file(setup)
        let isChanged = try file.remove()
        StandardError.write(isChanged ? "taken out of \(file.path)" : "\(file.path) has no lines of foretoken's")
    }
}

extension EditorName: ExpressibleByArgument {}
