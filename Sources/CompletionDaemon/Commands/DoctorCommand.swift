// `foretoken doctor`: is everything in place on this machine? One line per thing, ok or what to do.

import ArgumentParser
import RepoContext
import SpecEngine

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
#if canImport(Glibc)
    import Glibc
#endif

struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "Check this installation and say what to do about what is missing.")

    @OptionGroup var engine: EngineArguments

    @Argument(
        help: ArgumentHelp("A folder or file whose repository to look at. Default: here.", valueName: "path"))
    var path = "."

    private struct Line {
        let name: String
        let value: String
        /// What to do; nil means ok.
        let problem: String?
        /// Worth knowing, but nothing to mend.
        var isNote = false
    }

    func run() async throws {
        do {
            let configuration = try engine.configuration()
            var lines = machineLines(configuration)
            lines += modelLines(configuration)
            lines += await speculationLines(configuration)
            lines += await repositoryLines()
            lines.append(cacheLine())
            for line in lines {
                let mark = line.problem != nil ? "FIX " : line.isNote ? "note" : "ok  "
                let name = line.name + String(repeating: " ", count: max(1, 12 - line.name.count))
                FileDescriptorOutput.write(
                    "\(mark) \(name)\(line.value)\(line.problem.map { "\n                 → \($0)" } ?? "")\n",
                    to: 1)
            }
            if lines.contains(where: { $0.problem != nil }) { throw ExitCode(ExitStatus.failure) }
        } catch let code as ExitCode {
            throw code
        } catch {
            throw CommandError(error).report(asJSON: false)
        }
    }

    private func machineLines(_ configuration: EngineConfiguration) -> [Line] {
        let machine = MachineDescription.current()
        let automatic = ThreadChoice.automatic
        let threads =
            configuration.threadCount.map { "\($0) compute threads, as you said" }
            ?? "\(automatic.count) compute threads: \(automatic.reason)"
        // Others, such as the thread count, change nothing here.
        let harmful = machine.openBLASVariables.filter {
            $0.hasPrefix("OPENBLAS_CORETYPE=") || $0.hasPrefix("OPENBLAS_L2_SIZE=")
        }
        let slowdown =
            harmful.isEmpty ? nil : "unset \(harmful.joined(separator: " ")): OpenBLAS knows this CPU better"
        return [
            Line(name: "foretoken", value: ForetokenVersion.current, problem: nil),
            Line(
                name: "CPU", value: "\(machine.cpu), \(machine.cores) CPUs for this process", problem: nil),
            Line(name: "threads", value: threads, problem: nil),
            Line(name: "kernels", value: configuration.instructionSet.description, problem: nil),
            Line(
                name: "OpenBLAS",
                value: "core \(machine.openBLASCore) (used by --reference)"
                    + (machine.openBLASVariables.isEmpty
                        ? "" : "; set: \(machine.openBLASVariables.joined(separator: " "))"),
                problem: slowdown),
            Line(name: "libgit2", value: GitRuntime.libraryVersion, problem: nil),
        ]
    }

    private func modelLines(_ configuration: EngineConfiguration) -> [Line] {
        let path: String
        let source: ModelLocator.Source
        do {
            (path, source) = try ModelLocator.locate(explicitPath: configuration.modelPath)
        } catch {
            return [Line(name: "model", value: error.message, problem: error.fix)]
        }
        do {
            let start = ContinuousClock.now
            let engine = try configuration.load()
            let time = (ContinuousClock.now - start).milliseconds
            var lines = [
                Line(
                    name: "model",
                    value: "\(path) (\(source.description); \(engine.configuration.architecture.rawValue), "
                        + "\(engine.configuration.layerCount) layers, loads in \(Int(time)) ms)", problem: nil
                )
            ]
            let checksum = try FileChecksum.sha256(path)
            let expected = ModelChecksums.known[String(path.split(separator: "/").last ?? "")]
            lines.append(
                Line(
                    name: "checksum", value: "sha256 \(checksum)",
                    problem: expected == nil || expected == checksum
                        ? nil : "this is not the file that was released under its name: install it again"))
            return lines
        } catch {
            let shown = CommandError(error)
            return [Line(name: "model", value: shown.message, problem: shown.fix)]
        }
    }

    /// Whether the draft fits, and how long measuring this machine takes at every start.
    private func speculationLines(_ configuration: EngineConfiguration) async -> [Line] {
        var configuration = configuration
        configuration.speculation.mode = .auto
        do {
            let engine = try configuration.load(fillsHoles: false)
            guard let time = await engine.calibrationTime() else { return [] }
            let draft = try configuration.speculation.locatingDraft(forModel: engine.modelPath).draftPath
            let name = draft.map { String($0.split(separator: "/").last ?? "") } ?? "no draft, lookup alone"
            return [
                Line(
                    name: "speculation",
                    value: "\(name); measures this machine in \(Int(time.milliseconds)) ms",
                    problem: nil)
            ]
        } catch is ModelLocator.Failure {
            return []  // the model's own line says it
        } catch {
            let shown = CommandError(error)
            return [Line(name: "speculation", value: shown.message, problem: shown.fix)]
        }
    }

    private func repositoryLines() async -> [Line] {
        let context = RepositoryContext(RepositoryContext.Configuration { _ in })
        var file = SourceFile.absolutePath(path)
        var status = stat()
        if stat(file, &status) == 0, status.st_mode & S_IFMT == S_IFDIR { file += "/x" }
        // Everything is read, so that files with credentials in them are known.
        await context.prepare(file: file)
        let report = await context.report(forFile: file)
        let value =
            switch report.scope {
            case .repository(let root):
                "\(root), \(report.head.map { "HEAD \($0.prefix(10))" } ?? "no commit yet"), \(report.fileCount) files"
            case .folder(let root): "no repository; the folder \(root) is used, \(report.fileCount) files"
            case .fileAlone: "none found for \(SourceFile.absolutePath(path)); completions use the file alone"
            }
        let withheld =
            report.withheldCount == 0
            ? []
            : [
                Line(
                    name: "withheld",
                    value:
                        "\(report.withheldCount) files hold credentials by name or content and are never shown or "
                        + "completed in: " + report.withheldPaths.joined(separator: ", ")
                        + (report.withheldCount > report.withheldPaths.count ? ", …" : ""), problem: nil,
                    isNote: true)
            ]
        return [Line(name: "repository", value: value, problem: nil)] + withheld
            + report.degradations.map { Line(name: "", value: $0, problem: nil, isNote: true) }
    }

    private func cacheLine() -> Line {
        let path = UserDirectories.cache
        guard let path else {
            return Line(name: "cache", value: "no home directory", problem: "set HOME or XDG_CACHE_HOME")
        }
        var folder = path
        while access(folder, F_OK) != 0, let slash = folder.lastIndex(of: "/"), slash > folder.startIndex {
            folder = String(folder[..<slash])
        }
        let isWritable = access(folder, W_OK) == 0
        return Line(
            name: "cache", value: path,
            problem: isWritable ? nil : "make \(folder) writable, or set XDG_CACHE_HOME")
    }
}

/// Checksums of released model files.
enum ModelChecksums {
    static let known = [
        "foretoken-78m-q4_0.gguf": "d6ad38cc35bc36464da45102bc3db436626fa7f6ecf9f8c14492d479e78c514e",
        "foretoken-78m-longspec-q4_0.gguf":
            "7bd1a24cda35577c6e257445e72ec30283c135c0f00201c66b7eb08a03e00a5e",
    ]
}
