// How commands end: exit codes and errors, the same for people and for programs.

import ArgumentParser
import CompletionEvaluation
import RepoContext
import SpecEngine

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Exit codes of every command.
enum ExitStatus {
    static let success: Int32 = 0
    static let failure: Int32 = 1
    static let usage: Int32 = 2
    static let model: Int32 = 3
    static let interrupted: Int32 = 130
}

/// An error as it is shown: what happened and what to do.
struct CommandError: Error {
    let exitCode: Int32
    /// A short name for programs.
    let code: String
    let message: String
    let fix: String

    static func usage(_ message: String, fix: String) -> CommandError {
        CommandError(exitCode: ExitStatus.usage, code: "usage", message: message, fix: fix)
    }

    /// The result could not be handed over.
    static let outputFailed = CommandError(
        exitCode: ExitStatus.failure, code: "output",
        message: "the result cannot be written to standard output",
        fix: "check where it is redirected to")

    static func file(_ message: String, fix: String) -> CommandError {
        CommandError(exitCode: ExitStatus.failure, code: "file", message: message, fix: fix)
    }

    /// Any error that reaches the edge.
    init(_ error: any Error) {
        switch error {
        case let error as CommandError: self = error
        case let error as EngineError: self.init(error)
        case let error as ModelLocator.Failure:
            self.init(exitCode: ExitStatus.model, code: "model", message: error.message, fix: error.fix)
        case let error as UserConfiguration.Failure:
            self.init(
                exitCode: ExitStatus.failure, code: "configuration", message: error.message, fix: error.fix)
        case let error as SamplingParameters.Invalid:
            self.init(
                exitCode: ExitStatus.usage, code: "usage", message: error.description,
                fix: "see foretoken complete --help")
        case RepoContextError.cancelled: self = InterruptFlag.error
        case let error as EvaluationError:
            self.init(
                exitCode: error.kind == .usage ? ExitStatus.usage : ExitStatus.failure, code: "evaluation",
                message: error.message, fix: error.fix)
        case let error as RepoContextError:
            self.init(exitCode: ExitStatus.failure, code: "refused", message: error.description, fix: "")
        default:
            self.init(
                exitCode: ExitStatus.failure, code: "internal", message: "\(error)", fix: "please report this"
            )
        }
    }

    init(exitCode: Int32, code: String, message: String, fix: String) {
        self.exitCode = exitCode
        self.code = code
        self.message = message
        self.fix = fix
    }

    private init(_ error: EngineError) {
        switch error {
        case .model, .tokenizer, .unsupportedTensorType, .unsupportedShape, .draftDoesNotFit, .noDraft:
            self.init(exitCode: ExitStatus.model, code: "model", message: error.message, fix: error.fix)
        case .noRoomForPrompt:
            self.init(exitCode: ExitStatus.usage, code: "usage", message: error.message, fix: error.fix)
        case .promptTooLong, .invalidToken, .emptyPrompt, .threadsUnavailable:
            self.init(exitCode: ExitStatus.failure, code: "engine", message: error.message, fix: error.fix)
        }
    }

    private struct Payload: Encodable {
        struct Body: Encodable {
            let code: String
            let message: String
            let fix: String
        }
        let error: Body
    }

    /// Writes the error (JSON to standard output, text to standard error) and ends the command.
    func report(asJSON: Bool) -> ExitCode {
        let payload = Payload(error: .init(code: code, message: message, fix: fix))
        if !asJSON || !JSONOutput.write(payload) {
            StandardError.write("foretoken: \(message)\(fix.isEmpty ? "" : "\n  → \(fix)")")
        }
        return ExitCode(exitCode)
    }
}

/// Lines for people, on standard error.
enum StandardError {
    /// Lines stay lines; whatever else could control the terminal is spelled out.
    static func write(_ text: String) {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        FileDescriptorOutput.write(
            lines.map { TerminalText.escaped(String($0)) }.joined(separator: "\n") + "\n", to: 2)
    }
}

/// Objects for programs, on standard output.
enum JSONOutput {
    /// One line, keys sorted so that outputs compare.
    @discardableResult
    static func write(_ value: some Encodable) -> Bool {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            let data = try encoder.encode(value)
            return FileDescriptorOutput.write(String(decoding: data, as: UTF8.self) + "\n", to: 1)
        } catch {
            StandardError.write(
                "foretoken: the result cannot be written as JSON (\(error)); please report this")
            return false
        }
    }
}
