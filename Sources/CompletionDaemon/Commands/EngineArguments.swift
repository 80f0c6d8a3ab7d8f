// The options that choose model and arithmetic, shared by the commands that compute.

import ArgumentParser
import SpecEngine

#if canImport(Glibc)
    import Glibc
#endif

struct EngineArguments: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Model file (GGUF). Default: $FORETOKEN_MODEL, then the installed model.", valueName: "path"))
    var model: String?

    @Option(help: ArgumentHelp("Compute threads. Default: by the machine.", valueName: "n"))
    var threads: Int?

    @Flag(help: "Compute in 32-bit floats throughout: slow, for checking.")
    var reference = false

    @Option(
        help: ArgumentHelp(
            "auto, off, longspec or lookup: how many tokens are guessed ahead, and by what. Never changes the text.",
            valueName: "mode"))
    var speculation = SpeculationMode.off

    @Option(help: ArgumentHelp("Verify at most this many guessed tokens at once.", valueName: "n"))
    var speculationNodes = SpeculationOptions.standardNodeLimit

    @Option(
        help: ArgumentHelp("Draft model file (GGUF). Default: the one beside the model.", valueName: "path"))
    var draft: String?

    /// Forces an instruction set, for tests and bug reports.
    static let instructionSetVariable = "FORETOKEN_ISA"

    func configuration() throws(CommandError) -> EngineConfiguration {
        if let threads, !EngineLimits.threadCounts.contains(threads) {
            throw .usage(
                "--threads is \(threads)",
                fix:
                    "choose between \(EngineLimits.threadCounts.lowerBound) and \(EngineLimits.threadCounts.upperBound)"
            )
        }
        let nodes = SpeculationOptions.nodeLimits
        guard nodes.contains(speculationNodes) else {
            throw .usage(
                "--speculation-nodes is \(speculationNodes)",
                fix: "choose between \(nodes.lowerBound) and \(nodes.upperBound)")
        }
        var configuration = EngineConfiguration(
            modelPath: model, threadCount: threads, usesReference: reference,
            speculation: SpeculationOptions(mode: speculation, nodeLimit: speculationNodes, draftPath: draft))
        if let name = getenv(Self.instructionSetVariable).map({ String(cString: $0) }), !name.isEmpty {
            guard let instructionSet = InstructionSet(named: name) else {
                throw .usage(
                    "\(Self.instructionSetVariable) is '\(name)', which this machine does not run",
                    fix: "unset it or choose one of \(InstructionSet.names.joined(separator: ", "))")
            }
            configuration.instructionSet = instructionSet
        }
        return configuration
    }
}

extension SpeculationMode: ExpressibleByArgument {}
