// What the byte scanners find in each language, and what they must not stumble over.

import Testing

@testable import RepoContext

@Suite struct ScannerTests {
    private static func names(_ text: String, _ language: SourceLanguage, of candidates: [String]) -> [String]
    {
        let found = Set(DefinitionScanner.definitions(in: Array(text.utf8), language: language).map(\.name))
        return candidates.filter { found.contains(identifierHash(Array($0.utf8)[...])) }
    }

    struct Sample: Sendable, CustomTestStringConvertible {
        var language: SourceLanguage
        var text: String
        var defined: [String]
        var notDefined: [String]
        var testDescription: String { "\(language)" }
    }

    static let samples: [Sample] = [
        Sample(
            language: .python,
            text: """
                '''def not_this(): pass'''
                LIMIT = 10
                class Reader(Base):
                    def read_line(self, size=1):  # def nor_this
                        local_value = helper(size)
                async def fetch(url): return "def nor_that"
                """,
            defined: ["LIMIT", "Reader", "read_line", "fetch"],
            notDefined: ["not_this", "nor_this", "nor_that", "local_value", "helper", "Base"]
        ),
        Sample(
            language: .typeScript,
            text: """
                export const limit = 1; export default class Store<T> { private items = [] }
                export interface Shape { area: number }
                type Pair = [number, string];
                function compute(a: number) { const inner = `function fake() ${a}`; return other(inner) }
                """,
            defined: ["limit", "Store", "Shape", "Pair", "compute"],
            notDefined: ["inner", "fake", "other", "items"]
        ),
        Sample(
            language: .swift,
            text: """
                struct Point { var horizontal: Double
                func distance(to other: Point) -> Double { let local = 1; return local } }
                extension Point { static func origin() -> Point { makePoint() } }
                protocol Shape {}; typealias Number = Int
                class Factory { class func shared() {} }
                """,
            defined: ["Point", "horizontal", "distance", "origin", "Shape", "Number", "Factory", "shared"],
            notDefined: ["local", "makePoint", "other"]
        ),
        Sample(
            language: .go,
            text: """
                package main
                type Server struct { port int }
                func (s *Server) Listen(address string) error { value := helper(address); return value }
                func Map[T any](in []T) {}
                const (
                	First = iota
                	Second
                )
                """,
            defined: ["Server", "Listen", "Map", "First", "Second"],
            notDefined: ["helper", "value", "address"]
        ),
        Sample(
            language: .rust,
            text: """
                pub struct Parser<'a> { input: &'a str }
                impl<'a> Parser<'a> {
                    pub fn parse_all(&self) -> Result<(), Error> { let c = '"'; inner_call(c) } }
                pub const MAX_SIZE: usize = 1; static mut COUNTER: u8 = 0; macro_rules! my_macro { () => {} }
                const fn fast() {} enum Kind { A } trait Visit {} mod nested;
                """,
            defined: [
                "Parser", "parse_all", "MAX_SIZE", "COUNTER", "my_macro", "fast", "Kind", "Visit", "nested",
            ],
            notDefined: ["inner_call", "input"]
        ),
        Sample(
            language: .java,
            text: """
                package a.b;
                @Entity(name = "x") public class Account extends Base {
                    @Override public List<String> findOwners(int limit) { return helper(limit); }
                    private void update() { if (check()) { call(); } new Other(); }
                }
                record Pair(int a) {}
                """,
            defined: ["Account", "findOwners", "update", "Pair"],
            notDefined: ["helper", "check", "call", "Other", "Entity", "Override"]
        ),
        Sample(
            language: .kotlin,
            text: """
                data class User(val name: String)
                fun String.shorten(limit: Int) = take(limit)
                fun <T> List<T>.second(): T = this[1]
                object Registry { fun register(user: User) { val local = compute(user) } }
                val topLevel = 1
                """,
            defined: ["User", "shorten", "Registry", "register", "topLevel"],
            notDefined: ["compute", "local", "take"]
        ),
        Sample(
            language: .c,
            text: """
                #define BUFFER_SIZE 10
                struct node { int value; };
                static int count_nodes(const struct node *head) { int n = helper(head); walk(n); return n; }
                class EXPORT Window : public Base {};
                void Window::resize(int w) { if (w) call(w); }
                struct other *find(void);
                """,
            defined: ["BUFFER_SIZE", "node", "count_nodes", "Window", "resize", "find"],
            notDefined: ["helper", "walk", "call", "other"]
        ),
        Sample(
            language: .cSharp,
            text: """
                namespace A.B {
                    [Serializable]
                    public class Order { public decimal Total(int x) { return Sum(x); }
                        public async Task<int> LoadAsync() { await Go(); } }
                    interface IThing { }
                }
                """,
            defined: ["Order", "Total", "LoadAsync", "IThing"], notDefined: ["Sum", "Go", "Serializable"]
        ),
    ]

    @Test(
        "The names a file defines are found, and words in comments, strings and calls are not",
        arguments: samples)
    func findsDefinitions(sample: Sample) {
        #expect(Self.names(sample.text, sample.language, of: sample.defined) == sample.defined)
        #expect(Self.names(sample.text, sample.language, of: sample.notDefined) == [])
    }

    @Test(
        "Random bytes and every cut of every sample are scanned without harm",
        arguments: SourceLanguage.allCases)
    func survivesAnything(language: SourceLanguage) {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SplitMix(state: seed)
        let signs = Array("\"'`{}()<>/*#\\\n @[].:ab=".utf8)
        for round in 0..<60 {
            let bytes = (0..<random.number(below: 400)).map { _ in
                round % 2 == 0 ? UInt8(random.number(below: 256)) : signs[random.number(below: signs.count)]
            }
            let tokens = SourceLexer.tokens(bytes, language: language)
            for (token, next) in zip(tokens, tokens.dropFirst()) {
                #expect(token.start <= token.end && token.start <= next.start, "seed \(seed)")
            }
            _ = DefinitionScanner.definitions(in: bytes, language: language)
            _ = ImportScanner.references(in: bytes, tokens: tokens, language: language)
        }
        for sample in Self.samples {
            let bytes = Array(sample.text.utf8)
            for count in bytes.indices {
                _ = DefinitionScanner.definitions(in: Array(bytes[..<count]), language: language)
            }
        }
    }

    private static func imports(_ text: String, _ language: SourceLanguage) -> [ImportReference] {
        let bytes = Array(text.utf8)
        let tokens = SourceLexer.tokens(bytes, language: language)
        return ImportScanner.references(in: bytes, tokens: tokens, language: language)
    }

    private static func snapshot(_ paths: [String]) -> RepositorySnapshot {
        let files = paths.map { path in
            RepositorySnapshot.File(
                path: RelativePath(path)!, change: .unchanged, blobID: nil, stamp: nil, indexEntry: nil,
                isInWorkTree: true
            )
        }
        return RepositorySnapshot(origin: .folder, rootPath: "/r", files: files)
    }

    struct Import: Sendable, CustomTestStringConvertible {
        var language: SourceLanguage
        var current: String
        var text: String
        var files: [String]
        var expected: [String]
        var testDescription: String { "\(language) \(current)" }
    }

    static let importSamples: [Import] = [
        Import(
            language: .python, current: "src/app/views/list.py",
            text:
                "import os\nfrom app.models import user, order as o\nfrom . import base\n"
                + "from ..core.db import (\n  connect,\n  close)\nimport app.util",
            files: [
                "src/app/models/user.py", "src/app/models/order.py", "src/app/views/base.py",
                "src/app/core/db.py",
                "src/app/util/__init__.py", "other/os_tools.py", "src/app/views/list.py",
            ],
            expected: [
                "src/app/models/user.py", "src/app/models/order.py", "src/app/views/base.py",
                "src/app/core/db.py",
                "src/app/util/__init__.py",
            ]
        ),
        Import(
            language: .typeScript, current: "web/src/pages/home.tsx",
            text:
                "import { a } from './list'\nimport '../style.js'\n"
                + "const b = require(\"../lib\")\nexport * from '@/core/api'\nimport React from 'react'",
            files: [
                "web/src/pages/list.tsx", "web/src/style.ts", "web/src/lib/index.ts", "web/src/core/api.ts",
                "web/react.ts", "list.ts",
            ],
            expected: [
                "web/src/pages/list.tsx", "web/src/style.ts", "web/src/lib/index.ts", "web/src/core/api.ts",
            ]
        ),
        Import(
            language: .swift, current: "Sources/App/Main.swift",
            text: "import Foundation\nimport struct Network.Client",
            files: ["Sources/Network/Client.swift", "Sources/Network/README.md", "Sources/App/Main.swift"],
            expected: ["Sources/Network/Client.swift"]
        ),
        Import(
            language: .go, current: "cmd/tool/main.go",
            text: "import (\n\t\"fmt\"\n\tx \"example.com/project/internal/store\"\n)",
            files: ["internal/store/store.go", "internal/store/store_test.go", "fmt/fmt.go"],
            expected: ["internal/store/store.go"]
        ),
        Import(
            language: .rust, current: "engine/src/parse/mod.rs",
            text:
                "mod lexer;\nuse crate::syntax::{Tree, kinds};\n"
                + "use super::config::Settings;\nuse std::io;\nuse text_util::Width;",
            files: [
                "engine/src/lib.rs", "engine/src/parse/lexer.rs", "engine/src/syntax/mod.rs",
                "engine/src/syntax/kinds.rs",
                "engine/src/config.rs", "text-util/src/lib.rs", "engine/src/io.rs",
            ],
            expected: [
                "engine/src/parse/lexer.rs", "engine/src/syntax/kinds.rs", "engine/src/syntax/mod.rs",
                "engine/src/config.rs", "text-util/src/lib.rs",
            ]
        ),
        Import(
            language: .java, current: "app/src/main/java/com/x/App.java",
            text: "import java.util.List;\nimport com.x.model.User;\nimport static com.x.util.Texts.join;",
            files: [
                "app/src/main/java/com/x/model/User.java", "app/src/main/java/com/x/util/Texts.java",
                "List.java",
            ],
            expected: ["app/src/main/java/com/x/model/User.java", "app/src/main/java/com/x/util/Texts.java"]
        ),
        Import(
            language: .c, current: "src/net/socket.c",
            text:
                "#include <stdio.h>\n#include \"socket.h\"\n#include <project/util.h>\n"
                + "#include \"../core/log.h\"",
            files: ["src/net/socket.h", "include/project/util.h", "src/core/log.h", "stdio.h"],
            expected: ["src/net/socket.h", "include/project/util.h", "src/core/log.h"]
        ),
        Import(
            language: .cSharp, current: "Shop/Program.cs",
            text: "using System;\nusing Shop.Orders;\nusing Alias = Shop.Other;",
            files: ["Shop/Orders/Order.cs", "Shop/Other/Thing.cs"], expected: ["Shop/Orders/Order.cs"]
        ),
    ]

    @Test("Imports lead to the files of the repository that they name", arguments: importSamples)
    func resolvesImports(sample: Import) {
        let snapshot = Self.snapshot(sample.files + [sample.current])
        let paths = PathIndex(snapshot)
        let resolver = ImportResolver(
            paths: paths, currentPath: RelativePath(sample.current)!, language: sample.language
        )
        let resolved = resolver.resolve(Self.imports(sample.text, sample.language))
        let found = (resolved.files + resolved.folderMembers).map { paths.path(at: $0).string }
        #expect(found == sample.expected)
    }

    @Test("An import that climbs out of the root resolves to nothing")
    func importsStayInside() {
        #expect(ImportResolver.join("a/b", "../../../etc/passwd") == nil)
        #expect(ImportResolver.join("a/b", "../c/./d") == "a/c/d")
    }

    @Test("Generated and minified files are recognised")
    func recognisesGeneratedFiles() {
        let scan = { (text: String) in FileRecord.scan(Array(text.utf8), language: .go).isUnhelpful }
        #expect(scan("// Code generated by protoc. DO NOT EDIT.\npackage a\n"))
        #expect(scan("var a=" + String(repeating: "x", count: 5_000)))
        #expect(!scan("package a\n\nfunc f() {}\n"))
    }
}
