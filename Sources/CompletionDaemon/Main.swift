// Entry point of the `foretoken` binary: hands the command line to the subcommands and nothing else.

import ArgumentParser

@main
struct Foretoken: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "foretoken",
        abstract: "Repository-level code completion that runs on this machine."
    )
}
