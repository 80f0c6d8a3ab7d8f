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

    /// What of the repository that `folder` belongs to lies elsewhere, in words; nil when nothing does.
    static func violation(aboveFolder folder: String) -> String? {
        guard let (root, gitDirectory) = GitFileCheck.repository(above: folder),
            let realRoot = RepositoryLocator.realPath(root),
            let git = RepositoryLocator.realPath(gitDirectory)
        else { return nil }
        var places = Places(root: realRoot, git: git, common: git)
        if !isBeneath(git, realRoot), git != realRoot,
            !namesBack(git: git, root: realRoot)
        {
            return "its .git names \(git), which does not belong to this folder"
        }
        if let line = GitFileCheck.firstLine(ofFile: git + "/commondir") {
            guard let common = RepositoryLocator.realPath(GitFileCheck.resolve(line, against: git)) else {
                return nil
            }
            guard places.holds(common) || isBeneath(git, common + "/worktrees") else {
                return "its commondir names \(common), which does not know this folder"
            }
            places.common = common
        }
        for folder in Set([places.git, places.common]).sorted() {
            for name in entryNames {
                if let path = RepositoryLocator.realPath(folder + "/" + name), !places.holds(path) {
                    return "\(name) is a link to \(path)"
                }
            }
            for name in ["config", "config.worktree"] {
                if let found = outside(configuration: folder + "/" + name, places, depth: 0) { return found }
            }
        }
        return alternate(places)
    }

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
        return (settings(of: git + "/config") ?? []).contains { setting in
            setting.name == "core.worktree"
                && RepositoryLocator.realPath(GitFileCheck.resolve(setting.value, against: git)) == root
        }
    }

    // MARK: Configuration

    private static func outside(configuration path: String, _ places: Places, depth: Int) -> String? {
        let folder = PathIndex.parent(path)
        guard let settings = settings(of: path) else {
            return "its configuration \(path) cannot be read or is larger than \(maximumByteCount >> 20) MiB"
        }
        for setting in settings {
            guard ["include.path", "core.excludesfile", "core.attributesfile"].contains(setting.name) else {
                continue
            }
            var target = setting.value
            if target.hasPrefix("~/"), let home = getenv("HOME") {
                target = String(cString: home) + target.dropFirst(1)
            }
            target = GitFileCheck.resolve(
                target, against: setting.name == "include.path" ? folder : places.root)
            guard GitFileCheck.exists(target), let real = RepositoryLocator.realPath(target) else { continue }
            guard places.holds(real) else { return "\(setting.name) in its configuration names \(real)" }
            if GitFileCheck.isBlocking(real) {
                return "\(setting.name) names '\(real)', which is no regular file"
            }
            if setting.name == "include.path" {
                guard depth < maximumIncludeDepth else { return "its configuration includes itself" }
                if let found = outside(configuration: real, places, depth: depth + 1) { return found }
            }
        }
        return nil
    }

    /// The settings of one file, `include.path` for all kinds of include. Only as much of the syntax as is needed to
    /// see what git would see: sections, names, quotes, escapes, comments and continued lines. None where there is no
    /// such file, nil where it cannot be read.
    private static func settings(of path: String) -> [(name: String, value: String)]? {
        let bytes: [UInt8]
        switch RootDirectory.bytes(following: path, maximumByteCount: maximumByteCount) {
        case .success(let found): bytes = found
        case .failure(let skip): return skip.reason == .missing ? [] : nil
        }
        let joined = String(decoding: bytes, as: UTF8.self).replacing("\\\r\n", with: "").replacing(
            "\\\n", with: "")
        var section = ""
        var settings: [(name: String, value: String)] = []
        for line in joined.split(whereSeparator: \.isNewline) {
            var rest = line.drop { $0 == " " || $0 == "\t" }
            if rest.first == "[" {
                let end = rest.firstIndex(of: "]") ?? rest.endIndex
                let name = rest[rest.index(after: rest.startIndex)..<end].prefix {
                    $0 != " " && $0 != "\t" && $0 != "\""
                }
                section = name.lowercasedASCII()
                if section == "includeif" { section = "include" }
                rest = end < rest.endIndex ? rest[rest.index(after: end)...] : ""
                // `[includeIf "gitdir:[x]"] path = …`: what follows the last bracket counts.
                if let last = rest.lastIndex(of: "]") { rest = rest[rest.index(after: last)...] }
            }
            guard let sign = rest.firstIndex(of: "=") else { continue }
            let name = rest[..<sign].filter { $0 != " " && $0 != "\t" }.lowercasedASCII()
            settings.append((section + "." + name, unquoted(rest[rest.index(after: sign)...])))
        }
        return settings
    }

    private static func unquoted(_ text: Substring) -> String {
        var result = ""
        var isQuoted = false
        var isEscaped = false
        for character in text {
            if isEscaped {
                result.append(character)
                isEscaped = false
            } else if character == "\\" {
                isEscaped = true
            } else if character == "\"" {
                isQuoted.toggle()
            } else if !isQuoted, character == "#" || character == ";" {
                break
            } else {
                result.append(character)
            }
        }
        return GitFileCheck.trimmed(result)
    }

    // MARK: Objects

    /// The first place outside that objects are borrowed from, also by those that they are borrowed from inside.
    private static func alternate(_ places: Places) -> String? {
        var waiting = [places.common + "/objects"]
        var seen = Set(waiting)
        while let objects = waiting.popLast() {
            let list = objects + "/info/alternates"
            let bytes: [UInt8]
            switch RootDirectory.bytes(following: list, maximumByteCount: maximumByteCount) {
            case .success(let found): bytes = found
            case .failure(let skip) where skip.reason == .missing: continue
            case .failure: return "\(list) cannot be read or is larger than \(maximumByteCount >> 20) MiB"
            }
            for line in bytes.split(separator: 0x0A) {
                let path = GitFileCheck.resolve(String(decoding: line, as: UTF8.self), against: objects)
                guard let real = RepositoryLocator.realPath(path) else { continue }
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
}
