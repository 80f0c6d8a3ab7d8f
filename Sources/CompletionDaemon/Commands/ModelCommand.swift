// `foretoken model`: which models there are, whether one is fit to serve, and which one is used from now on. Nothing is
// downloaded: models are files that the user has.

import ArgumentParser
import SpecEngine

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

struct ModelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "model", abstract: "List, check and choose model files (GGUF). Downloads nothing.",
        subcommands: [List.self, Check.self, Use.self])

    /// Stands for the model that comes with Foretoken.
    static let defaultName = "default"

    // MARK: list

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "Show the models that are found, and which is in use.")

        @Flag(help: "Print one JSON object.")
        var json = false

        func run() async throws {
            do {
                let models = try FoundModel.all()
                if json {
                    JSONOutput.write(FoundModel.List(models: models))
                } else {
                    FileDescriptorOutput.write(models.map { $0.line + "\n" }.joined(), to: 1)
                }
            } catch {
                throw CommandError(error).report(asJSON: json)
            }
        }
    }

    // MARK: check

    struct Check: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "check",
            abstract: "Load a model, let it fill a few holes, and say what it costs on this machine.",
            discussion: "Ends with exit code 3 where the model should not be served.")

        @Argument(help: ArgumentHelp("Model file (GGUF). Default: the one in use.", valueName: "file"))
        var file: String?

        @OptionGroup var threading: ThreadArguments

        @Flag(help: "Print one JSON object.")
        var json = false

        func run() async throws {
            do {
                try threading.check()
                let check = try await ModelCheck.run(
                    path: try ModelLocator.locate(explicitPath: file).path,
                    threadCount: threading.threads.count, instructionSet: try EngineArguments.instructionSet()
                )
                if json { JSONOutput.write(check) } else { FileDescriptorOutput.write(check.lines, to: 1) }
                if check.problem != nil { throw ExitCode(ExitStatus.model) }
            } catch let code as ExitCode {
                throw code
            } catch {
                throw CommandError(error).report(asJSON: json)
            }
        }
    }

    // MARK: use

    struct Use: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "use",
            abstract:
                "Check a model and use it from now on; 'default' goes back to the one that came with Foretoken."
        )

        @Argument(help: ArgumentHelp("Model file (GGUF), or default.", valueName: "file"))
        var file: String

        @OptionGroup var threading: ThreadArguments

        func run() async throws {
            do {
                try threading.check()
                // A damaged configuration is found before minutes go into a check.
                var configuration = try UserConfiguration.read()
                var model: String?
                if file != ModelCommand.defaultName { model = try await checkedPath() }
                configuration.modelPath = model
                let path = try configuration.write()
                var text = "serve, complete and doctor now use \(model ?? "the default model") (\(path))\n"
                if let other = ModelLocator.environmentPath() {
                    text += "note: \(ModelLocator.environmentVariable) is set and comes first: \(other)\n"
                }
                FileDescriptorOutput.write(text, to: 1)
            } catch {
                throw CommandError(error).report(asJSON: false)
            }
        }

        /// The absolute path of the file, after a check that it passed.
        private func checkedPath() async throws -> String {
            let path = SourceFile.absolutePath(file)
            let check = try await ModelCheck.run(
                path: path, threadCount: threading.threads.count,
                instructionSet: try EngineArguments.instructionSet())
            FileDescriptorOutput.write(check.lines, to: 1)
            if let problem = check.problem {
                throw CommandError(
                    exitCode: ExitStatus.model, code: "model", message: "\(path) is not used: \(problem)",
                    fix: "use a base model trained for fill-in-the-middle")
            }
            return path
        }
    }
}

/// A model file that was found where models are looked for.
struct FoundModel: Encodable {
    struct List: Encodable {
        let schema = 1
        let models: [FoundModel]
    }

    let path: String
    let name: String?
    let architecture: String?
    let byteCount: Int?
    /// Who names it.
    let source: String
    let isInUse: Bool
    /// Why it cannot be used; nil as far as its header tells.
    let problem: String?

    enum CodingKeys: String, CodingKey {
        case path, name, architecture, source, problem
        case byteCount = "size_bytes"
        case isInUse = "in_use"
    }

    /// The models of the environment, the configuration and the folders where models are installed; drafts are not
    /// models that a user chooses.
    static func all() throws -> [FoundModel] {
        var candidates: [(path: String, source: ModelLocator.Source)] = []
        if let path = ModelLocator.environmentPath() { candidates.append((path, .environment)) }
        if let path = try ModelLocator.configuredPath() { candidates.append((path, .configuration)) }
        for folder in ModelLocator.folders() {
            // A folder that is not there holds no models.
            let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
            for name in names.sorted() where name.hasSuffix(".gguf") {
                candidates.append(("\(folder)/\(name)", .standard))
            }
        }
        // The first that names a model is the one that counts.
        let inUse = try? ModelLocator.locate(explicitPath: nil).path
        var seen = Set<String>()
        return candidates.filter { seen.insert($0.path).inserted }
            .map { FoundModel(path: $0.path, source: $0.source, isInUse: $0.path == inUse) }
            .filter { $0.architecture != DraftLocator.architecture }
    }

    private init(path: String, source: ModelLocator.Source, isInUse: Bool) {
        self.path = path
        self.source = source == .standard ? "installed" : source.description
        self.isInUse = isInUse
        do {
            let file = try ModelFile.open(path)
            (name, architecture, byteCount) = (file.name, file.architecture, file.byteCount)
            let isRun = Architecture(rawValue: file.architecture) != nil
            problem = isRun ? nil : "the architecture \(file.architecture) is not supported"
        } catch {
            (name, architecture, byteCount) = (nil, nil, nil)
            problem = error.message
        }
    }

    /// For people: a star before the one in use.
    var line: String {
        let head = "\(isInUse ? "*" : " ") \(path)"
        guard let name, let architecture, let byteCount else {
            return "\(head)\n    \(problem ?? "") (\(source))"
        }
        return "\(head)\n    \(name), \(architecture), \(ByteCount.text(byteCount)) (\(source))"
            + (problem.map { ": \($0)" } ?? "")
    }
}

extension ModelCheck {
    /// For people: one line for each thing.
    var lines: String {
        var lines = [
            ("ok", "file", "\(path), \(ByteCount.text(byteCount))"),
            (
                "ok", "model",
                "\(name): \(architecture), \(layers) layers of \(hiddenSize), \(contextLength) positions, "
                    + tensorTypes.joined(separator: " and ")
            ),
            ("ok", "tokenizer", "\(tokenizer): \(vocabularySize) tokens"),
        ]
        let tokens = [fillInMiddle.prefix, fillInMiddle.suffix, fillInMiddle.middle].compactMap { $0?.text }
        let files = fillInMiddle.fileSeparator.map { "files after \($0.text)" } ?? "no token between files"
        if fillInMiddle.missing.isEmpty {
            lines.append(
                ("ok", "holes", "\(tokens.joined(separator: " ")) (\(fillInMiddle.order)), \(files)"))
            let isEnough = closedCount >= HoleTest.requiredCount
            lines.append(
                (isEnough ? "ok" : "FIX", "self-test", "\(closedCount) of \(holes.count) holes closed"))
            for hole in holes where !hole.passed {
                lines.append(("", "", "\(hole.name): '\(hole.found)' for '\(hole.expected)'"))
            }
        }
        lines.append(
            (
                "ok", "memory",
                "\(ByteCount.text(memory.weights)) of weights, "
                    + "\(ByteCount.text(memory.keysAndValuesPer1000Tokens)) for each 1,000 tokens"
            ))
        lines.append(
            (
                "ok", "speed",
                "\(Int(speed.prompt)) tokens/s read, \(Int(speed.decode)) tokens/s written, \(speed.threads) threads"
            ))
        if let problem { lines.append(("FIX", "verdict", "serve should not use this model: \(problem)")) }
        func padded(_ text: String, _ width: Int) -> String {
            text + String(repeating: " ", count: max(0, width - text.count))
        }
        return lines.map { padded($0.0, 5) + padded($0.1, 12) + $0.2 + "\n" }.joined()
    }
}

/// Sizes for people.
enum ByteCount {
    static func text(_ count: Int) -> String {
        let units = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")]
        guard let (size, unit) = units.first(where: { count >= $0.0 }) else { return "\(count) bytes" }
        let tenths = Int((Double(count) * 10 / Double(size)).rounded())
        return tenths >= 1_000 ? "\((tenths + 5) / 10) \(unit)" : "\(tenths / 10).\(tenths % 10) \(unit)"
    }
}
