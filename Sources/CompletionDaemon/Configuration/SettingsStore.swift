// The settings in force for a file: the user's, the editor's, and those of the folders that the file lies in. Looks
// at the files again when they change, so that no restart is needed. Complaints are logged once for each change.

import Logging
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// The settings in force for one file.
struct FileSettings: Sendable {
    let settings: Settings
    /// Whether some place's patterns exclude the file.
    let isExcluded: Bool

    /// Why nothing is completed there now; nil when it is.
    func refusal(languageID: String, isAutomatic: Bool) -> String? {
        if !settings.isEnabled { return "completions are switched off" }
        if isAutomatic, !settings.isAutomatic { return "completions while typing are switched off" }
        if settings.languages[languageID] == false { return "completions are switched off for this language" }
        return isExcluded ? "the file is excluded by a setting" : nil
    }
}

/// All settings of a session. Any thread; looking up costs a few stat calls.
final class SettingsStore: Sendable {
    /// Repository settings files remembered; beyond it all are read again.
    static let maximumFileCount = 256
    /// Folders above a file that are looked at.
    static let maximumDepth = 32

    private struct State {
        var userFile: SettingsFile?
        var editor: JSONValue?
        /// What the editor says for the files of a workspace folder, by its path.
        var editorFolders: [String: JSONValue] = [:]
        var repositoryFiles: [String: SettingsFile] = [:]
        var reported: Set<String> = []
        var workspaceRoots: [String] = []
    }

    private let state: Mutex<State>
    private let logger: Logger

    /// - Parameter userFilePath: the user's own settings; nil for none.
    init(userFilePath: String?, logger: Logger = DaemonLog.logger("settings")) {
        state = Mutex(State(userFile: userFilePath.map { SettingsFile(path: $0) }))
        self.logger = logger
    }

    /// `$XDG_CONFIG_HOME/foretoken/settings.json`, by default under `~/.config`.
    static func defaultUserFilePath() -> String? {
        UserDirectories.configuration.map { $0 + "/settings.json" }
    }

    /// The editor's settings, in place of those it sent before. They may be under a member `foretoken`, as settings
    /// of a whole editor are, or stand alone.
    func setEditorSettings(_ value: JSONValue?) {
        // Editors also announce a change without saying what it is now: nothing is known to have changed then.
        guard let value, value != .null else { return }
        state.withLock { $0.editor = value["foretoken"] ?? value }
    }

    /// The editor's settings for a workspace folder, on top of the others; nil where it has none.
    func setEditorSettings(_ value: JSONValue?, forFolder path: String) {
        state.withLock { state in
            guard state.editorFolders[path] != nil || state.editorFolders.count < Self.maximumFileCount else { return }
            state.editorFolders[path] = value == .null ? nil : value
        }
    }

    func setWorkspaceRoots(_ roots: [String]) {
        state.withLock { state in
            state.workspaceRoots = roots
            state.editorFolders = state.editorFolders.filter { roots.contains($0.key) }
        }
    }

    /// The user's settings without any repository's.
    var userSettings: Settings {
        state.withLock { userSettings(&$0) }
    }

    /// What is in force for a file.
    func settings(forFile path: String) -> FileSettings {
        state.withLock { state in
            let folders = Self.folders(above: path, roots: state.workspaceRoots)
            var settings = userSettings(&state)
            if let root = folders.last(where: { state.editorFolders[$0] != nil }) {
                var problems: [String] = []
                settings = settings.applying(state.editorFolders[root], from: .editor, problems: &problems)
                report(problems, of: "the editor", &state)
            }
            var isExcluded = settings.excludes(Self.relative(path, to: folders.last ?? ""))
            for folder in folders.reversed() {
                guard let value = repositoryValue(in: folder, &state) else { continue }
                var problems: [String] = []
                // Patterns are relative to the folder of their file.
                settings.excluded = []
                settings = settings.applying(value, from: .repository, problems: &problems)
                isExcluded = isExcluded || settings.excludes(Self.relative(path, to: folder))
                report(problems, of: folder + "/" + SettingsFile.repositoryFileName, &state)
            }
            return FileSettings(settings: settings, isExcluded: isExcluded)
        }
    }

    // MARK: Places

    private func userSettings(_ state: inout State) -> Settings {
        var problems: [String] = []
        var settings = Settings()
        if state.userFile?.refresh() == true, let problem = state.userFile?.problem {
            problems.append(problem)
        }
        settings = settings.applying(state.userFile?.value, from: .user, problems: &problems)
        report(problems, of: state.userFile?.path ?? "", &state)
        problems = []
        settings = settings.applying(state.editor, from: .editor, problems: &problems)
        report(problems, of: "the editor", &state)
        return settings
    }

    private func repositoryValue(in folder: String, _ state: inout State) -> JSONValue? {
        if state.repositoryFiles.count > Self.maximumFileCount { state.repositoryFiles = [:] }
        let path = folder + "/" + SettingsFile.repositoryFileName
        var file = state.repositoryFiles[folder] ?? SettingsFile(path: path)
        if file.refresh(), let problem = file.problem { report([problem], of: path, &state) }
        state.repositoryFiles[folder] = file
        return file.value
    }

    private func report(_ problems: [String], of place: String, _ state: inout State) {
        for problem in problems where state.reported.count < Self.maximumFileCount {
            guard state.reported.insert("\(place): \(problem)").inserted else { continue }
            logger.warning("settings of \(place): \(problem)")
        }
    }

    /// The folders whose settings count for a file, the nearest first: up to the workspace folder that holds it, or to
    /// its repository's root.
    static func folders(above path: String, roots: [String]) -> [String] {
        var folders: [String] = []
        var folder = path
        while folders.count < maximumDepth, let slash = folder.lastIndex(of: "/"), slash > folder.startIndex {
            folder = String(folder[..<slash])
            folders.append(folder)
            if roots.contains(folder) || access(folder + "/.git", F_OK) == 0 { return folders }
        }
        // Neither: only the file's own folder, so that a file in /tmp does not obey whoever writes there above it.
        return Array(folders.prefix(1))
    }

    private static func relative(_ path: String, to folder: String) -> String {
        path.hasPrefix(folder + "/") ? String(path.dropFirst(folder.count + 1)) : path
    }
}
