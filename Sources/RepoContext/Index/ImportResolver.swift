// Turns the names that a file imports into files of the same repository. Build systems decide what a name
// really means; here paths are compared from their end, the nearest match wins, and a name that matches
// nothing belongs to somebody else.

/// Files named by imports.
struct ResolvedImports: Equatable {
    /// Named one by one.
    var files: [Int] = []
    /// In a folder or module that is named as a whole.
    var folderMembers: [Int] = []
}

/// Resolves the references of one file.
struct ImportResolver {
    /// Files of one imported folder taken as candidates.
    static let maximumFolderFileCount = 64

    let paths: PathIndex
    let currentPath: RelativePath
    let language: SourceLanguage

    /// The files meant, in the order of the references, each once, without the current file.
    func resolve(_ references: [ImportReference]) -> ResolvedImports {
        var resolved = ResolvedImports()
        for reference in references {
            switch reference {
            case .path(let path):
                resolved.files += file(named: path).map { [$0] } ?? []
            case .module(let components, let levelsUp, let names):
                resolved.files += module(components, levelsUp: levelsUp, names: names)
            case .folder(let name):
                resolved.folderMembers += folder(name)
            }
        }
        var seen = Set<Int>()
        let isOther = { (index: Int) in paths.path(at: index) != currentPath && seen.insert(index).inserted }
        resolved.files = resolved.files.filter(isOther)
        resolved.folderMembers = resolved.folderMembers.filter(isOther)
        return resolved
    }

    private var folder: String { String(currentPath.folder) }

    // MARK: Paths (TypeScript, C)

    private static let scriptEndings = [
        "", ".ts", ".tsx", ".d.ts", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs", ".vue", ".svelte",
        "/index.ts",
        "/index.tsx", "/index.js", "/index.jsx", "/index.mjs",
    ]

    private func file(named name: String) -> Int? {
        if language == .c {
            if let path = ImportResolver.join(folder, name), let index = paths.file(path) { return index }
            return nearestEnding(name)
        }
        if name.hasPrefix(".") { return ImportResolver.join(folder, name).flatMap(scriptFile(exactly:)) }
        // "@/part/file", "~/part/file" and "src/part/file" are set up by configuration: matched by their end.
        var components = name.utf8.split(separator: UInt8(ascii: "/")).map { String(Substring($0)) }
        if let first = components.first, first == "@" || first == "~" { components.removeFirst() }
        guard components.count >= 2 || name.hasPrefix("@/") || name.hasPrefix("~/") else { return nil }
        let ending = components.joined(separator: "/")
        for suffix in ImportResolver.scriptEndings {
            if let index = nearestEnding(ending + suffix) { return index }
        }
        return nil
    }

    private func scriptFile(exactly path: String) -> Int? {
        for suffix in ImportResolver.scriptEndings {
            if let index = paths.file(path + suffix) { return index }
        }
        // TypeScript sources name the file that the compiler will write: "./a.js" is a.ts.
        for (written, source) in [(".js", ".ts"), (".js", ".tsx"), (".mjs", ".mts"), (".jsx", ".tsx")]
        where path.hasSuffix(written) {
            if let index = paths.file(path.dropLast(written.count) + source) { return index }
        }
        return nil
    }

    private func nearestEnding(_ ending: String) -> Int? {
        paths.nearest(paths.files(endingIn: ending), to: folder)
    }

    /// `folder` + "/" + `path` with "." and ".." taken out; nil when it leaves the root.
    static func join(_ folder: String, _ path: String) -> String? {
        var components: [Substring] = []
        for component in (folder + "/" + path).split(separator: "/") where component != "." {
            if component == ".." {
                guard components.popLast() != nil else { return nil }
            } else {
                components.append(component)
            }
        }
        return components.joined(separator: "/")
    }

    // MARK: Modules (Python, Java, Kotlin, Rust)

    private func module(_ components: [String], levelsUp: Int?, names: [String]) -> [Int] {
        switch language {
        case .python: return pythonModule(components, levelsUp: levelsUp, names: names)
        case .rust: return rustModule(components, levelsUp: levelsUp, names: names)
        case .java, .kotlin: return javaClass(components)
        case .typeScript, .swift, .go, .c, .cSharp, .other, .plainText: return []
        }
    }

    private func pythonModule(_ components: [String], levelsUp: Int?, names: [String]) -> [Int] {
        var base: String?
        if let levelsUp {
            guard let up = ImportResolver.join(folder, String(repeating: "../", count: levelsUp)) else {
                return []
            }
            base = up
        }
        func find(_ parts: [String]) -> Int? {
            guard !parts.isEmpty || base != nil else { return nil }
            let path = ([base].compactMap { $0 == "" ? nil : $0 } + parts).joined(separator: "/")
            for ending in [".py", "/__init__.py", ".pyi", ".pyx"] {
                let whole = path.isEmpty ? String(ending.drop { $0 == "/" }) : path + ending
                if let index = base == nil ? nearestEnding(whole) : paths.file(whole) { return index }
            }
            return nil
        }
        // `from package import module` names files; `from module import function` names one.
        let submodules = names.compactMap { find(components + [$0]) }
        if submodules.count == names.count, !names.isEmpty { return submodules }
        return submodules + (find(components).map { [$0] } ?? [])
    }

    private func javaClass(_ components: [String]) -> [Int] {
        // `import a.b.C`, `import static a.b.C.method`: the longest beginning that is a file.
        var parts = components
        while parts.count >= 2 {
            let path = parts.joined(separator: "/")
            if let index = nearestEnding(path + ".java") ?? nearestEnding(path + ".kt") { return [index] }
            parts.removeLast()
            if components.count - parts.count > 2 { break }
        }
        // `import a.b.*` ends before the star.
        guard let found = paths.folders(endingIn: components.joined(separator: "/")).first else { return [] }
        return Array(paths.files(inFolder: found).prefix(ImportResolver.maximumFolderFileCount))
    }

    private func rustModule(_ components: [String], levelsUp: Int?, names: [String]) -> [Int] {
        let stem = String(currentPath.stem)
        let isModuleRoot = ["mod", "lib", "main"].contains(stem)
        var parts = components
        var base = ""
        if let levelsUp {
            // `self` of a.rs is the folder a/, of a/mod.rs it is a/ too.
            let own = isModuleRoot ? folder : ImportResolver.join(folder, stem)
            guard let own, let up = ImportResolver.join(own, String(repeating: "../", count: levelsUp))
            else { return [] }
            base = up
        } else if parts.first == "crate" {
            parts.removeFirst()
            guard let root = crateRoot else { return [] }
            base = root
        } else if let name = parts.first, let root = memberCrate(name) {
            parts.removeFirst()
            base = root
        } else {
            return []
        }
        let submodules = names.compactMap { rustFile(base, parts + [$0]) }
        // The tail of a path is an item: the longest beginning that is a file holds it.
        while !parts.isEmpty {
            if let index = rustFile(base, parts) { return submodules + [index] }
            parts.removeLast()
        }
        let root = ["lib.rs", "mod.rs", "main.rs"].lazy.compactMap { ImportResolver.join(base, $0) }
        return submodules + (root.compactMap { paths.file($0) }.first.map { [$0] } ?? [])
    }

    private func rustFile(_ base: String, _ parts: [String]) -> Int? {
        guard let path = ImportResolver.join(base, parts.joined(separator: "/")) else { return nil }
        return paths.file(path + ".rs") ?? paths.file(path + "/mod.rs")
    }

    /// The nearest folder above that holds lib.rs or main.rs.
    private var crateRoot: String? {
        var current = folder
        while true {
            for name in ["lib.rs", "main.rs"] {
                if let path = ImportResolver.join(current, name), paths.file(path) != nil { return current }
            }
            if current.isEmpty { return nil }
            current = PathIndex.parent(current)
        }
    }

    /// `crates/my-part/src` for `my_part`.
    private func memberCrate(_ name: String) -> String? {
        let hyphenated = String(name.map { $0 == "_" ? "-" : $0 })
        for candidate in [name, hyphenated] {
            if let index = nearestEnding(candidate + "/src/lib.rs") {
                return String(paths.path(at: index).folder)
            }
        }
        return nil
    }

    // MARK: Folders (Go, Swift, C#)

    private func folder(_ name: String) -> [Int] {
        // A Go import or C# namespace begins with what is no folder (host, organisation, root namespace):
        // the longest ending that is a folder counts. "fmt" and "net/http" have no host: the library's own.
        if language == .go, !name.utf8.contains(UInt8(ascii: ".")) { return [] }
        var components = name.utf8.split(separator: UInt8(ascii: "/")).map { String(Substring($0)) }
        while !components.isEmpty {
            if let found = nearestFolder(components.joined(separator: "/")) { return members(of: found) }
            components.removeFirst()
        }
        return []
    }

    private func nearestFolder(_ ending: String) -> String? {
        paths.folders(endingIn: ending).max { a, b in
            let shared = (PathIndex.sharedFolderCount(a, folder), PathIndex.sharedFolderCount(b, folder))
            if shared.0 != shared.1 { return shared.0 < shared.1 }
            return a.utf8.count > b.utf8.count
        }
    }

    private func members(of folder: String) -> [Int] {
        let isWanted = { (index: Int) in
            SourceLanguage(path: paths.path(at: index)) == language
                && !(language == .go && paths.path(at: index).string.hasSuffix("_test.go"))
        }
        return Array(
            paths.files(inFolder: folder).filter(isWanted).prefix(ImportResolver.maximumFolderFileCount))
    }
}
