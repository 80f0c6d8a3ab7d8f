// Entry point of the `foretoken` binary: hands the command line to the subcommands, and gives mistakes in it the
// exit code that scripts expect.

import ArgumentParser

#if canImport(Glibc)
    import Glibc
#endif

/// The version that `--version`, `doctor` and the protocol's serverInfo show.
enum ForetokenVersion {
    static let current = "0.1.0"
}

@main
struct Foretoken: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "foretoken",
        abstract: "Repository-level code completion that runs on this machine.",
        version: ForetokenVersion.current,
        subcommands: [
            ServeCommand.self, CompleteCommand.self, ContextCommand.self, WarmCommand.self, HookCommand.self,
            CacheCommand.self, ModelCommand.self, DoctorCommand.self, BenchCommand.self, EvalCommand.self,
            StatsCommand.self, SetupCommand.self, DemoCommand.self,
        ])

    static func main() async {
        // With a standard stream closed, the next file that is opened would take its number and its output.
        for descriptor: Int32 in 0...2 where fcntl(descriptor, F_GETFD) < 0 {
            _ = open("/dev/null", O_RDWR)
        }
        do {
            var command = try parseAsRoot()
            if var asyncCommand = command as? any AsyncParsableCommand {
                try await asyncCommand.run()
            } else {
                try command.run()
            }
        } catch {
            // Help and version come this way too, with success; everything else that the parser refuses is usage.
            let code = exitCode(for: error)
            if code == .validationFailure {
                StandardError.write(fullMessage(for: error))
                Glibc.exit(ExitStatus.usage)
            }
            exit(withError: error)
        }
    }
}
