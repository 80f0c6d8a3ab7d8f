// Which language a file is in, by its name alone, and what the byte scanners must know about it: comments,
// quotes and the words that introduce a definition. Languages that are not listed are read by their
// identifiers with a set of words common to many; files that are no source text are not indexed at all.

/// A family of languages that the scanners treat alike.
package enum SourceLanguage: Sendable, Equatable, CaseIterable {
    case python
    /// TypeScript and JavaScript with their variants.
    case typeScript
    case swift
    case go
    case rust
    case java
    case kotlin
    /// C, C++, Objective-C.
    case c
    case cSharp
    /// Other program text: definitions by common words, no imports.
    case other
    /// Prose and data: never scanned, only taken into a prompt on the user's own trail.
    case plainText

    private static let byExtension: [String: SourceLanguage] = [
        "py": .python, "pyi": .python, "pyx": .python,
        "ts": .typeScript, "tsx": .typeScript, "mts": .typeScript, "cts": .typeScript, "js": .typeScript,
        "jsx": .typeScript, "mjs": .typeScript, "cjs": .typeScript, "vue": .typeScript, "svelte": .typeScript,
        "swift": .swift, "go": .go, "rs": .rust, "java": .java, "kt": .kotlin, "kts": .kotlin,
        "c": .c, "h": .c, "cc": .c, "cpp": .c, "cxx": .c, "hh": .c, "hpp": .c, "hxx": .c, "inl": .c, "m": .c,
        "mm": .c,
        "cs": .cSharp,
        "rb": .other, "php": .other, "scala": .other, "dart": .other, "lua": .other, "ex": .other,
        "exs": .other,
        "jl": .other, "pl": .other, "pm": .other, "r": .other, "sh": .other, "bash": .other, "zig": .other,
        "nim": .other, "hs": .other, "ml": .other, "mli": .other, "clj": .other, "erl": .other,
        "groovy": .other,
        "gradle": .other, "proto": .other, "sql": .other, "graphql": .other, "tf": .other, "cmake": .other,
        "md": .plainText, "rst": .plainText, "txt": .plainText, "json": .plainText, "yml": .plainText,
        "yaml": .plainText, "toml": .plainText, "xml": .plainText, "html": .plainText, "css": .plainText,
        "scss": .plainText, "ini": .plainText, "cfg": .plainText,
    ]

    /// nil for a name that is not known to be text.
    package init?(path: RelativePath) {
        guard let language = SourceLanguage.byExtension[path.fileExtension] else { return nil }
        self = language
    }

    /// Whether `#` starts a comment to the end of the line.
    var hasHashComments: Bool { self == .python || self == .other }

    /// Whether `//` and `/* */` are comments.
    var hasSlashComments: Bool { self != .python }

    /// Whether text between single quotes is a string rather than one character (or a Rust lifetime).
    var hasSingleQuotedStrings: Bool { self == .python || self == .typeScript || self == .other }

    /// Whether text between backquotes is a string over several lines.
    var hasBackquotedStrings: Bool { self == .typeScript || self == .go }

    /// Whether three quotes begin a string over several lines.
    var hasTripleQuotedStrings: Bool {
        self == .python || self == .swift || self == .kotlin || self == .java || self == .cSharp
    }

    /// Whether functions are defined without a word in front: `Type name(arguments)`.
    var definesByCallShape: Bool { self == .c || self == .java || self == .cSharp }

    /// Words after which the next identifier is a definition's name, at any depth.
    var definingWords: Set<UInt64> { SourceLanguage.definingWordTable[self] ?? [] }

    /// Words that define only outside functions: at depth 0, in Swift and Kotlin also in a type's body.
    var definingValueWords: Set<UInt64> { SourceLanguage.definingValueWordTable[self] ?? [] }

    /// Deepest nesting of braces at which `definingValueWords` count.
    var definingValueDepth: Int { self == .swift || self == .kotlin ? 1 : 0 }

    private static let definingWordTable: [SourceLanguage: Set<UInt64>] = [
        .python: words("def class"),
        .typeScript: words("function class interface type enum namespace"),
        .swift: words("func class struct enum protocol actor typealias macro associatedtype"),
        .go: words("func type"),
        .rust: words("fn struct enum trait type union mod macro_rules"),
        .java: words("class interface enum record"),
        .kotlin: words("fun class interface object typealias"),
        .c: words("class struct enum union define namespace"),
        .cSharp: words("class interface struct enum record delegate"),
        .other: words(
            "def class func function fn sub proc struct enum interface trait type module message service"),
    ]
    private static let definingValueWordTable: [SourceLanguage: Set<UInt64>] = [
        .typeScript: words("const let var"),
        .swift: words("let var"),
        .go: words("const var"),
        .rust: words("const static"),
        .kotlin: words("val var"),
        .other: words("const let var val"),
    ]

    /// Words that are never names, in any of the languages: kept out of definitions and uses alike.
    static let reservedWords: Set<UInt64> = words(
        """
        and as assert async await break case catch class const continue def default defer del do elif else
        enum except export extends extension false final finally fn for from func function fun global go
        goto guard if impl implements import in init inline inout interface internal is lambda let match mod
        module mut namespace new nil None nonlocal not null open operator or override package pass private
        protected pub public raise range record ref repeat return self Self sizeof static struct super
        switch template this throw throws trait true True False try type typedef typename typeof union
        unsafe use using val var virtual void volatile when where while with yield int char float double
        bool string long short unsigned signed auto size_t byte object boolean String Int Bool Double Float
        Any any undefined number str list dict set tuple len print map chan usize i32 i64 u8 u32 u64 f32 f64
        vec Vec Some Ok Err Option Result Box
        """
    )

    private static func words(_ text: String) -> Set<UInt64> {
        Set(text.split(whereSeparator: \.isWhitespace).map { identifierHash(Array($0.utf8)[...]) })
    }
}

/// The 64-bit name of an identifier (FNV-1a). Files hold some ten thousand distinct identifiers, so two that
/// collide by chance are not met; one made to collide changes a score and nothing else.
func identifierHash(_ bytes: ArraySlice<UInt8>) -> UInt64 {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    return hash
}
