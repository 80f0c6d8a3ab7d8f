// Names of languages in reports, from a file's name, and the other way round for data sets that name a language and no
// file. The scanners group languages more coarsely.

import RepoContext

/// Languages as reports call them.
package enum LanguageName {
    private static let byExtension: [String: String] = [
        "py": "python", "pyi": "python", "pyx": "python", "ts": "typescript", "tsx": "typescript",
        "mts": "typescript", "cts": "typescript", "js": "javascript", "jsx": "javascript",
        "mjs": "javascript",
        "cjs": "javascript", "swift": "swift", "go": "go", "rs": "rust", "java": "java", "kt": "kotlin",
        "kts": "kotlin", "c": "c", "h": "c", "cc": "c++", "cpp": "c++", "cxx": "c++", "hh": "c++",
        "hpp": "c++",
        "hxx": "c++", "cs": "c#", "rb": "ruby", "php": "php", "scala": "scala", "dart": "dart", "lua": "lua",
        "sh": "shell", "bash": "shell", "sql": "sql",
    ]
    private static let extensionByName: [String: String] = [
        "python": "py", "typescript": "ts", "javascript": "js", "swift": "swift", "go": "go", "rust": "rs",
        "java": "java", "kotlin": "kt", "c": "c", "c++": "cpp", "cpp": "cpp", "c#": "cs", "csharp": "cs",
        "ruby": "rb", "php": "php", "scala": "scala",
    ]

    /// The extension itself where it is not known.
    package static func of(path: String) -> String {
        let fileExtension = RelativePath(path)?.fileExtension ?? ""
        return byExtension[fileExtension] ?? (fileExtension.isEmpty ? "text" : fileExtension)
    }

    /// A file name for a language, so that scanners and prompts treat the text rightly.
    package static func fileName(forLanguage language: String) -> String {
        "main." + (extensionByName[language] ?? "txt")
    }

    static func sourceLanguage(ofPath path: String) -> SourceLanguage {
        RelativePath(path).flatMap { SourceLanguage(path: $0) } ?? .other
    }
}

extension String {
    /// ASCII letters in lower case; other characters stay as they are.
    package func lowercasedASCIIName() -> String {
        String(decoding: utf8.map { $0 >= 0x41 && $0 <= 0x5A ? $0 | 0x20 : $0 }, as: UTF8.self)
    }
}
