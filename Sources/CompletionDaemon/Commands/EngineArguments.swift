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

    @OptionGroup var threading: ThreadArguments

    var threads: Int? { threading.threads.count }

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
        try threading.check()
        let nodes = SpeculationOptions.nodeLimits
        guard nodes.contains(speculationNodes) else {
            throw .usage(
                "--speculation-nodes is \(speculationNodes)",
                fix: "choose between \(nodes.lowerBound) and \(nodes.upperBound)")
        }
        var configuration = EngineConfiguration(
            modelPath: model, threadCount: threads, usesReference: reference,
            speculation: SpeculationOptions(mode: speculation, nodeLimit: speculationNodes, draftPath: draft))
        configuration.instructionSet = try Self.instructionSet()
        return configuration
    }

    /// The best, unless the environment forces another.
    static func instructionSet() throws(CommandError) -> InstructionSet {
        guard let name = getenv(instructionSetVariable).map({ String(cString: $0) }), !name.isEmpty else {
            return .best
        }
        guard let instructionSet = InstructionSet(named: name) else {
            throw .usage(
                "\(instructionSetVariable) is '\(name)', which this machine does not run",
                fix: "unset it or choose one of \(InstructionSet.names.joined(separator: ", "))")
        }
        return instructionSet
    }
}

/// The options of commands that read prompts and write no text.
struct ReadingArguments: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Model file (GGUF). Default: $FORETOKEN_MODEL, then the installed model.", valueName: "path"))
    var model: String?

    @OptionGroup var threading: ThreadArguments

    func configuration() throws(CommandError) -> EngineConfiguration {
        try threading.check()
        var configuration = EngineConfiguration(modelPath: model, threadCount: threading.threads.count)
        configuration.instructionSet = try EngineArguments.instructionSet()
        return configuration
    }
}

/// `--threads auto` or a number.
struct ThreadArguments: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Compute threads: a number, or auto for the performance cores that are free.", valueName: "n|auto"
        ))
    var threads = ThreadCount.automatic

    func check() throws(CommandError) {
        let counts = EngineLimits.threadCounts
        if let count = threads.count, !counts.contains(count) {
            throw .usage(
                "--threads is \(count)",
                fix: "choose between \(counts.lowerBound) and \(counts.upperBound), or auto")
        }
    }
}

/// How many threads compute.
enum ThreadCount: ExpressibleByArgument {
    case automatic
    case fixed(Int)

    init?(argument: String) {
        if argument == "auto" {
            self = .automatic
        } else if let count = Int(argument) {
            self = .fixed(count)
        } else {
            return nil
        }
    }

    /// Nil where the machine decides.
    var count: Int? {
        if case .fixed(let count) = self { count } else { nil }
    }

    var defaultValueDescription: String { "auto" }
}

extension SpeculationMode: ExpressibleByArgument {}
