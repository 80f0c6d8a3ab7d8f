// Keeps a repository from leading libgit2 to files elsewhere. git data may name other places: a `.git` file, a common
// directory, alternates, links, included configuration, an excludes file. Each may lie beneath the work tree or the
// git directory, or must name this repository back, as git's own linked work trees and submodules do; for anything
// else the repository is used as a plain folder. The user's own configuration is not looked at: it is the user's.

import Glibc

/// What a git directory may reach.
enum GitConfinement {
    /// Largest configuration or alternates file that is read.
    private static let maximumByteCount = 1 << 20
    /// Configuration that includes configuration; git allows ten.
    private static let maximumIncludeDepth = 5
    /// Folders that objects may lie in.
    private static let maximumAlternateCount = 64
    /// Entries of a git directory that libgit2 follows.
    private static let entryNames = [
        "HEAD", "config", "config.worktree", "index", "objects", "refs", "packed-refs", "logs", "info",
        "shallow",
        "objects/info", "objects/pack", "info/exclude", "info/attributes",
    ]

    /// A repository's places, links resolved.
    private struct Places {
        var root: String
        var git: String
        var common: String

        func holds(_ path: String) -> Bool {
            [root, git, common].contains {
                path == $0 || path.utf8.starts(with: ($0 == "/" ? "/" : $0 + "/").utf8)
            }
        }
    }

    /// Why a configuration file's settings are not known.
    private enum ConfigurationFault: Error {
        case unreadable
        case syntax(line: Int)
    }

    /// What of the repository that `folder` belongs to lies elsewhere, in words; nil when nothing does.
    static func violation(aboveFolder folder: String) -> String? {
        guard let (root, gitDirectory) = GitFileCheck.repository(above: folder),
            let realRoot = RepositoryLocator.realPath(root)
        else { return nil }
        guard let git = RepositoryLocator.realPath(gitDirectory) else {
            return isLossy(gitDirectory) ? "its .git names a folder that is not in UTF-8" : nil
        }
        var places = Places(root: realRoot, git: git, common: git)
        if !isBeneath(git, realRoot), git != realRoot,
            !namesBack(git: git, root: realRoot)
        {
            return "its .git names \(git), which does not belong to this folder"
        }
        if let line = GitFileCheck.firstLine(ofFile: git + "/commondir") {
            guard let common = RepositoryLocator.realPath(GitFileCheck.resolve(line, against: git)) else {
                return isLossy(line) ? "its commondir names a folder that is not in UTF-8" : nil
            }
            guard places.holds(common) || isBeneath(git, common + "/worktrees") else {
                return "its commondir names \(common), which does not know this folder"
            }
            places.common = common
        }
        for folder in Set([places.git, places.common]).sorted() {
            for name in entryNames where GitFileCheck.exists(folder + "/" + name) {
                guard let path = RepositoryLocator.realPath(folder + "/" + name) else {
                    return "\(name) is a link to a place that cannot be told"
                }
                guard places.holds(path) else { return "\(name) is a link to \(path)" }
            }
            for name in ["config", "config.worktree"] {
                if let found = outside(configuration: folder + "/" + name, places, depth: 0) { return found }
            }
        }
        return alternate(places)
    }

    /// Whether the bytes that this was read from were no UTF-8: libgit2 goes where they lead.
    private static func isLossy(_ path: String) -> Bool { path.unicodeScalars.contains("\u{FFFD}") }

    private static func isBeneath(_ path: String, _ folder: String) -> Bool {
        path.utf8.starts(with: (folder == "/" ? "/" : folder + "/").utf8)
    }

    /// Whether a git directory elsewhere says that this work tree is its own: the `gitdir` file of a linked work tree,
    /// core.worktree of a submodule.
    private static func namesBack(git: String, root: String) -> Bool {
        if let line = GitFileCheck.firstLine(ofFile: git + "/gitdir"),
            RepositoryLocator.realPath(GitFileCheck.resolve(line, against: git)) == root + "/.git"
        {
            return true
        }
        let settings = (try? self.settings(of: git + "/config")) ?? []
        return settings.contains { setting in
            setting.name == "core.worktree"
                && place(setting.value, against: git).flatMap(RepositoryLocator.realPath) == root
        }
    }

    // MARK: Configuration

    /// Whether a git directory's configuration can be read but not understood. What it names is not known then.
    static func isConfigurationDamaged(inGitDirectory gitDirectory: String) -> Bool {
        do throws(ConfigurationFault) {
            _ = try settings(of: gitDirectory + "/config")
            return false
        } catch {
            if case .syntax = error { return true }
            return false
        }
    }

    private static func outside(configuration path: String, _ places: Places, depth: Int) -> String? {
        let folder = PathIndex.parent(path)
        let settings: [GitConfigurationSyntax.Setting]
        do throws(ConfigurationFault) {
            settings = try self.settings(of: path)
        } catch {
            return switch error {
            case .unreadable:
                "its configuration \(path) cannot be read or is larger than \(maximumByteCount >> 20) MiB"
            case .syntax(let line): "its configuration \(path) cannot be understood in line \(line)"
            }
        }
        for setting in settings {
            guard ["include.path", "core.excludesfile", "core.attributesfile"].contains(setting.name) else {
                continue
            }
            let isInclude = setting.name == "include.path"
            guard let target = place(setting.value, against: isInclude ? folder : places.root) else {
                return "\(setting.name) in its configuration is no path"
            }
            guard GitFileCheck.exists(target) else { continue }
            guard let real = RepositoryLocator.realPath(target) else {
                return "\(setting.name) in its configuration names a place that cannot be told"
            }
            // How git is told that there is no such file.
            if real == GitExcludes.nullDevice { continue }
            guard places.holds(real) else { return "\(setting.name) in its configuration names \(real)" }
            if GitFileCheck.isBlocking(real) {
                return "\(setting.name) names '\(real)', which is no regular file"
            }
            if isInclude {
                guard depth < maximumIncludeDepth else { return "its configuration includes itself" }
                if let found = outside(configuration: real, places, depth: depth + 1) { return found }
            }
        }
        return nil
    }

    /// The path that a setting names, not a blank more or less; nil where it is none.
    private static func place(_ value: [UInt8], against folder: String) -> String? {
        guard let text = String(validating: value, as: UTF8.self) else { return nil }
        switch value.first {
        case UInt8(ascii: "/"): return text
        case UInt8(ascii: "~"):
            guard value.dropFirst().first == UInt8(ascii: "/"), let home = getenv("HOME") else { return nil }
            return String(cString: home) + String(decoding: value.dropFirst(), as: UTF8.self)
        default: return folder + "/" + text
        }
    }

    /// The settings of one file; none where there is no such file.
    private static func settings(
        of path: String
    ) throws(ConfigurationFault) -> [GitConfigurationSyntax.Setting] {
        let bytes: [UInt8]
        switch RootDirectory.bytes(following: path, maximumByteCount: maximumByteCount) {
        case .success(let found): bytes = found
        case .failure(let skip) where skip.reason == .missing: return []
        case .failure: throw .unreadable
        }
        do throws(GitConfigurationSyntax.Fault) {
            return try GitConfigurationSyntax.settings(in: bytes)
        } catch {
            throw .syntax(line: error.line)
        }
    }

    // MARK: Objects

    /// The first place outside that objects are borrowed from, also by those that they are borrowed from inside.
    private static func alternate(_ places: Places) -> String? {
        let own = places.common + "/objects"
        var waiting = [own]
        var seen = Set(waiting)
        while let objects = waiting.popLast() {
            let list = objects + "/info/alternates"
            let bytes: [UInt8]
            switch RootDirectory.bytes(following: list, maximumByteCount: maximumByteCount) {
            case .success(let found): bytes = found
            case .failure(let skip) where skip.reason == .missing: continue
            case .failure: return "\(list) cannot be read or is larger than \(maximumByteCount >> 20) MiB"
            }
            // As libgit2 splits it.
            for line in bytes.split(whereSeparator: { $0 == 0x0A || $0 == 0x0D }) {
                if line.first == UInt8(ascii: "#") { continue }
                guard let path = borrowed(line, in: objects, isOwn: objects == own),
                    let real = RepositoryLocator.realPath(path)
                else {
                    return "its objects are borrowed from a place that cannot be found; mend or remove \(list)"
                }
                guard places.holds(real) else {
                    return
                        "its objects are borrowed from \(real); 'git repack -a -d' and removing "
                        + "objects/info/alternates makes it whole"
                }
                guard seen.count < maximumAlternateCount else { return "its objects are in too many places" }
                if seen.insert(real).inserted { waiting.append(real) }
            }
        }
        return nil
    }

    /// The path that a line of alternates names to libgit2, which takes other relative ones from wherever it runs.
    private static func borrowed(_ line: ArraySlice<UInt8>, in objects: String, isOwn: Bool) -> String? {
        guard !line.contains(0), let path = String(validating: line, as: UTF8.self) else { return nil }
        if line.first == UInt8(ascii: "/") { return path }
        return isOwn && line.first == UInt8(ascii: ".") ? objects + "/" + path : nil
    }
}
