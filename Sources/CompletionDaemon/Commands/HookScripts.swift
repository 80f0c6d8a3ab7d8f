// The git hooks that warm after a checkout: what is in them, where they go, and how they come and go without a trace. A
// hook that is there already is moved aside and called first, with the same arguments, input and exit status; taking
// ours out moves it back as it was. Nothing here starts a process.

import RepoContext
import SpecEngine

#if canImport(Glibc)
    import Glibc
#endif

/// The hooks of one repository.
struct HookScripts {
    static let names = ["post-checkout", "post-merge", "post-rewrite"]
    /// What a hook that was there before is called meanwhile.
    static let parkedSuffix = ".before-foretoken"
    private static let mark = "# foretoken hook: `foretoken hook uninstall` takes it out again."

    /// Absolute path of the folder that git runs hooks from.
    let folder: String
    let binaryPath: String

    enum State: String, Encodable {
        case installed
        case absent
        /// There is a hook of somebody else's.
        case other
    }

    /// - Throws: where hooks are not this repository's own to change.
    init(_ folders: GitFolders, binaryPath: String) throws(CommandError) {
        self.binaryPath = binaryPath
        folder = folders.commonPath + "/hooks"
        guard case .configured(let path, let isForAll) = folders.hooksPath else { return }
        let configured = path.hasPrefix("/") ? path : folders.workTreePath + "/" + path
        guard isForAll || configured != folder else { return }
        let place = isForAll ? "core.hooksPath is set for all repositories" : "core.hooksPath is set"
        let lines = Self.names.map { "\(configured)/\($0):  \(Self.line(binaryPath: binaryPath, hook: $0))" }
        throw CommandError(
            exitCode: ExitStatus.failure, code: "hooks_path",
            message: "\(place) to \(path), which is not touched",
            fix: "add these lines yourself:\n" + lines.joined(separator: "\n"))
    }

    /// What a hook runs: detached, silent, without waiting, and nothing when the binary is gone.
    static func line(binaryPath: String, hook: String) -> String {
        let binary = "'" + binaryPath.replacing("'", with: "'\\''") + "'"
        let condition = hook == "post-checkout" ? "[ \"$3\" = 1 ] && " : ""
        return
            "\(condition)[ -x \(binary) ] && ( \(binary) warm --hook \(hook) </dev/null >/dev/null 2>&1 & )"
    }

    /// The whole hook.
    func script(_ hook: String) -> [UInt8] {
        Array(
            """
            #!/bin/sh
            \(Self.mark)
            status=0
            if [ -x "$0\(Self.parkedSuffix)" ]; then
                "$0\(Self.parkedSuffix)" "$@"
                status=$?
            fi
            \(Self.line(binaryPath: binaryPath, hook: hook))
            exit $status

            """.utf8)
    }

    private func path(_ hook: String) -> String { folder + "/" + hook }

    func state(_ hook: String) -> State {
        guard access(path(hook), F_OK) == 0 else { return .absent }
        return isOurs(hook) ? .installed : .other
    }

    private func isOurs(_ hook: String) -> Bool {
        guard let bytes = try? SourceFile.readBytes(path(hook)) else { return false }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").prefix(2).last == Self.mark[...]
    }

    /// Puts the hooks in; those of an older binary are renewed.
    func install() throws(CommandError) {
        if mkdir(folder, 0o755) != 0, errno != EEXIST { throw failure(folder) }
        for hook in Self.names {
            if state(hook) == .other {
                guard access(path(hook) + Self.parkedSuffix, F_OK) != 0 else {
                    throw .file(
                        "\(path(hook)) and \(path(hook))\(Self.parkedSuffix) are both hooks of somebody else's",
                        fix: "move one of them away")
                }
                guard rename(path(hook), path(hook) + Self.parkedSuffix) == 0 else {
                    throw failure(path(hook))
                }
            }
            try write(hook)
        }
    }

    private func write(_ hook: String) throws(CommandError) {
        do {
            try AtomicFile.write(path(hook), bytes: script(hook), mode: 0o755)
        } catch {
            throw Self.failure(error.path, error.reason)
        }
    }

    /// Takes the hooks out, and puts back what was there before.
    func uninstall() throws(CommandError) {
        for hook in Self.names where state(hook) == .installed {
            let parked = path(hook) + Self.parkedSuffix
            let isDone = access(parked, F_OK) == 0 ? rename(parked, path(hook)) == 0 : unlink(path(hook)) == 0
            guard isDone else { throw failure(path(hook)) }
        }
    }

    private func failure(_ path: String) -> CommandError {
        Self.failure(path, String(cString: strerror(errno)))
    }

    private static func failure(_ path: String, _ reason: String) -> CommandError {
        .file(
            "\(path) cannot be written: \(reason)",
            fix: "check the permissions of the repository's hooks folder")
    }
}
