// Reads from a file's tokens which other files it names: imports, includes, module declarations. What they
// mean in the file tree is ImportResolver's business.

/// One name of another file or module.
package enum ImportReference: Hashable, Sendable {
    /// A path as written: `./util`, `../a/b.js`, `net/socket.h`.
    case path(String)
    /// Dotted or nested components, from the outside in: `a.b.C`, `crate::a::b`. `levelsUp` is nil for an
    /// absolute name; 0 means "here", 1 one package up. `names` are what is taken out of it.
    case module([String], levelsUp: Int?, names: [String])
    /// All files of a folder: a Go package, a Swift module, a C# namespace.
    case folder(String)
}

/// Scans one file.
struct ImportScanner {
    /// References kept per file; more than that is generated.
    static let maximumCount = 200

    private let bytes: [UInt8]
    private let tokens: [SourceToken]
    private var references: [ImportReference] = []

    private init(bytes: [UInt8], tokens: [SourceToken]) {
        self.bytes = bytes
        self.tokens = tokens
    }

    /// The references in the order of the text, each once.
    static func references(
        in bytes: [UInt8], tokens: [SourceToken], language: SourceLanguage
    ) -> [ImportReference] {
        var scanner = ImportScanner(bytes: bytes, tokens: tokens)
        switch language {
        case .python: scanner.scanPython()
        case .typeScript: scanner.scanTypeScript()
        case .swift: scanner.scanDotted(after: ["import"]) { .folder($0[0]) }
        case .go: scanner.scanGo()
        case .rust: scanner.scanRust()
        case .java, .kotlin:
            scanner.scanDotted(after: ["import"]) { .module($0, levelsUp: nil, names: []) }
        case .c: scanner.scanIncludes()
        case .cSharp: scanner.scanDotted(after: ["using"]) { .folder($0.joined(separator: "/")) }
        case .other, .plainText: break
        }
        var seen = Set<ImportReference>()
        return Array(scanner.references.filter { seen.insert($0).inserted }.prefix(maximumCount))
    }

    /// The words that begin an import in some language; looked up by hash, so that no other word becomes a string.
    private static let words = Set(
        ["import", "from", "mod", "use", "include", "using", "global"].map {
            identifierHash(Array($0.utf8)[...])
        })

    private func mayBeginImport(_ index: Int) -> Bool {
        tokens[index].kind == .identifier && ImportScanner.words.contains(tokens[index].hash)
    }

    private func text(_ index: Int) -> String {
        guard index < tokens.count else { return "" }
        return String(decoding: bytes[tokens[index].start..<tokens[index].end], as: UTF8.self)
    }

    private func isPunctuation(_ index: Int, _ character: Unicode.Scalar) -> Bool {
        index < tokens.count && tokens[index].isPunctuation(character)
    }

    private func isString(_ index: Int) -> Bool { index < tokens.count && tokens[index].kind == .string }

    private func isIdentifier(_ index: Int) -> Bool {
        index < tokens.count && tokens[index].kind == .identifier
    }

    /// `a.b.c` from `index` on; moves `index` behind it.
    private func dottedName(_ index: inout Int, separator: Unicode.Scalar = ".") -> [String] {
        var components: [String] = []
        while isIdentifier(index) {
            components.append(text(index))
            guard isPunctuation(index + 1, separator) else {
                index += 1
                break
            }
            index += 2
            if separator == ":", isPunctuation(index, ":") { index += 1 }
        }
        return components
    }

    // MARK: Languages

    private mutating func scanPython() {
        for start in tokens.indices where tokens[start].isFirstOnLine && mayBeginImport(start) {
            var index = start + 1
            switch text(start) {
            case "import":
                repeat {
                    let name = dottedName(&index)
                    if !name.isEmpty { references.append(.module(name, levelsUp: nil, names: [])) }
                    while index < tokens.count, tokens[index].line == tokens[start].line,
                        !isPunctuation(index, ",")
                    {
                        index += 1
                    }
                    index += 1
                } while index < tokens.count && tokens[index].line == tokens[start].line
            case "from":
                var levelsUp: Int?
                while isPunctuation(index, ".") {
                    levelsUp = (levelsUp ?? -1) + 1
                    index += 1
                }
                let module = text(index) == "import" ? [] : dottedName(&index)
                guard text(index) == "import" else { continue }
                references.append(.module(module, levelsUp: levelsUp, names: pythonNames(from: index + 1)))
            default:
                continue
            }
        }
    }

    /// The names after `import`, on the line or in parentheses, without what follows `as`.
    private func pythonNames(from start: Int) -> [String] {
        var names: [String] = []
        var index = start
        let isGrouped = isPunctuation(index, "(")
        guard index < tokens.count else { return [] }
        let line = tokens[index].line
        while index < tokens.count, isGrouped || tokens[index].line == line, !isPunctuation(index, ")") {
            if isIdentifier(index) {
                if text(index) == "as" { index += 1 } else { names.append(text(index)) }
            }
            index += 1
            if names.count > 64 { break }
        }
        return names
    }

    private mutating func scanTypeScript() {
        for index in tokens.indices where isString(index) && index > 0 {
            let isCall =
                isPunctuation(index - 1, "(") && index > 1 && ["require", "import"].contains(text(index - 2))
            guard isCall || mayBeginImport(index - 1), isCall || ["from", "import"].contains(text(index - 1))
            else { continue }
            references.append(.path(text(index)))
        }
    }

    private mutating func scanGo() {
        for start in tokens.indices
        where tokens[start].isFirstOnLine && mayBeginImport(start) && text(start) == "import" {
            var index = start + 1
            let isGrouped = isPunctuation(index, "(")
            while index < tokens.count, !isPunctuation(index, ")") {
                if isString(index) {
                    references.append(.folder(text(index)))
                    if !isGrouped { break }
                }
                if !isGrouped, tokens[index].line != tokens[start].line { break }
                index += 1
            }
        }
    }

    private mutating func scanRust() {
        for start in tokens.indices where mayBeginImport(start) {
            var index = start + 1
            switch text(start) {
            case "mod" where isIdentifier(index) && isPunctuation(index + 1, ";"):
                references.append(.module([text(index)], levelsUp: 0, names: []))
            case "use":
                var components = dottedName(&index, separator: ":")
                var names: [String] = []
                if isPunctuation(index, "{") {
                    while index < tokens.count, !isPunctuation(index, "}"), !isPunctuation(index, ";") {
                        if isIdentifier(index) { names.append(text(index)) }
                        index += 1
                    }
                }
                guard let first = components.first else { continue }
                var levelsUp: Int?
                if first == "self" || first == "super" {
                    levelsUp = first == "self" ? 0 : 1
                    components.removeFirst()
                    while components.first == "super" {
                        levelsUp = levelsUp! + 1
                        components.removeFirst()
                    }
                }
                references.append(.module(components, levelsUp: levelsUp, names: names))
            default:
                continue
            }
        }
    }

    private mutating func scanIncludes() {
        for start in tokens.indices where isPunctuation(start, "#") && tokens[start].isFirstOnLine {
            guard text(start + 1) == "include" || text(start + 1) == "import" else { continue }
            if isString(start + 2) {
                references.append(.path(text(start + 2)))
            } else if isPunctuation(start + 2, "<") {
                var end = start + 3
                while end < tokens.count, tokens[end].line == tokens[start].line, !isPunctuation(end, ">") {
                    end += 1
                }
                guard end < tokens.count, end > start + 3 else { continue }
                let name = bytes[tokens[start + 3].start..<tokens[end].start]
                // <vector> is the system's; <project/part.h> may be ours.
                if name.contains(UInt8(ascii: "/")) {
                    references.append(.path(String(decoding: name, as: UTF8.self)))
                }
            }
        }
    }

    private mutating func scanDotted(after words: [String], _ reference: ([String]) -> ImportReference) {
        for start in tokens.indices where mayBeginImport(start) && words.contains(text(start)) {
            guard tokens[start].isFirstOnLine || start > 0 && text(start - 1) == "global" else { continue }
            var index = start + 1
            // `import static a.B.c`, `import struct Module.Type`, `using static A.B`.
            if ["static", "struct", "class", "enum", "protocol", "func", "typealias"].contains(text(index)) {
                index += 1
            }
            let name = dottedName(&index)
            // `using Alias = Some.Name;` imports nothing.
            if !name.isEmpty, !isPunctuation(index, "=") { references.append(reference(name)) }
        }
    }
}
