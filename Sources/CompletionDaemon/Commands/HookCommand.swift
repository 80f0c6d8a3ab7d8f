// `foretoken hook`: git hooks that let a checkout be read before the first completion in it.

import ArgumentParser
import RepoContext

struct HookCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hook",
        abstract: "Read the repository's context ahead after each git checkout, merge and rebase.",
        subcommands: [Install.self, Uninstall.self, Status.self])

    struct Place: ParsableArguments {
        @Argument(help: ArgumentHelp("A folder in the work tree. Default: here.", valueName: "dir"))
        var folder = "."

        func scripts() throws(CommandError) -> HookScripts {
            let path = SourceFile.absolutePath(folder)
            let found: GitFolders?
            do {
                found = try GitFolders.find(from: path)
            } catch {
                throw CommandError.file(
                    "the repository at \(path) cannot be opened: \(error.message)",
                    fix: "see foretoken doctor")
            }
            guard let found else {
                throw CommandError.usage("\(path) is not in a git work tree", fix: "name a folder that is")
            }
            return try HookScripts(found, binaryPath: ModelLocator.binaryPath())
        }
    }

    struct Install: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Put the hooks in, beside those that are there.")
        @OptionGroup var place: Place

        func run() throws {
            try HookCommand.run { try place.scripts().install() }
        }
    }

    struct Uninstall: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take the hooks out; others are as they were before.")
        @OptionGroup var place: Place

        func run() throws {
            try HookCommand.run { try place.scripts().uninstall() }
        }
    }

    struct Status: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Say which hooks are in.")
        @OptionGroup var place: Place

        func run() throws {
            try HookCommand.run {
                let scripts = try place.scripts()
                for hook in HookScripts.names {
                    FileDescriptorOutput.write("\(hook): \(scripts.state(hook).rawValue)\n", to: 1)
                }
            }
        }
    }

    private static func run(_ body: () throws -> Void) throws {
        do { try body() } catch { throw CommandError(error).report(asJSON: false) }
    }
}
