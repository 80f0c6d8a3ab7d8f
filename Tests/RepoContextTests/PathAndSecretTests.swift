// Paths that must be refused, files that must stay out of prompts, reads that must stay beneath the root.

import Foundation
import TestSupport
import Testing

@testable import RepoContext

@Suite struct PathAndSecretTests {
    @Test(
        "Paths that could leave the root or break a line are refused",
        arguments: ["", "/a", "a//b", "a/../b", "..", "./a", "a/.", "a/", "a\nb", "a\0b", "a\u{7F}"]
    )
    func refusesPaths(path: String) {
        #expect(RelativePath(path) == nil)
    }

    @Test("Names that are not UTF-8 are no paths, and names that only look alike stay apart")
    func comparesBytes() throws {
        #expect(RelativePath(bytes: [0x61, 0xFF]) == nil)
        let composed = try #require(RelativePath("\u{E9}.py"))
        let decomposed = try #require(RelativePath("e\u{301}.py"))
        #expect(composed != decomposed)
        #expect(Set([composed, decomposed]).count == 2)
        #expect(try #require(RelativePath("a/b.test.TS")).fileExtension == "ts")
        #expect(try #require(RelativePath("a/..b")).fileName == "..b")
    }

    @Test(
        "Files that hold credentials by their name are denied",
        arguments: [
            ".env", "app/.env.local", "prod.env", "server.pem", "tls/Server.KEY", "id_rsa", "keys/id_ed25519",
            ".netrc",
            ".aws/config", "credentials", "home/.kube/config", "kubeconfig", "a.tfvars", ".ssh/known_hosts",
            ".npmrc",
        ]
    )
    func deniesSecrets(path: String) {
        #expect(SecretPolicy.isDenied(path))
        #expect(RepositoryContext.isDenied("/home/me/" + path))
    }

    @Test(
        "Ordinary files with similar names are not denied",
        arguments: [
            "src/env.py", "environment.ts", "key.swift", "keys.go", "credentials.py", ".env.example",
            "id_rsa.pub", "secrets.rs",
        ]
    )
    func allowsOrdinaryFiles(path: String) {
        #expect(!SecretPolicy.isDenied(path))
    }

    @Test("A private key is recognised by its header and material, a mention of the header is not")
    func recognisesKeys() {
        let material = String(repeating: "MIIEpAIBAAKCAQEA", count: 4)
        let key = "x = '''-----BEGIN RSA PRIVATE KEY-----\n\(material)\n'''"
        #expect(SecretPolicy.containsPrivateKey(Array(key.utf8)))
        #expect(SecretPolicy.containsPrivateKey(Array("-----BEGIN PRIVATE KEY-----\\n\(material)".utf8)))
        #expect(
            !SecretPolicy.containsPrivateKey(
                Array("if text.contains(\"-----BEGIN PRIVATE KEY-----\") {}\n".utf8)))
        #expect(!SecretPolicy.containsPrivateKey(Array("-----BEGIN CERTIFICATE-----\n\(material)".utf8)))
    }

    @Test("Reading stays beneath the root and never waits", .timeLimit(.minutes(10)))
    func readsBeneathTheRoot() throws {
        let fixture = try RepositoryFixture(isRepository: false)
        let outside = try RepositoryFixture(isRepository: false, name: "outside")
        try outside.write("secret.py", "x = 1\n")
        try fixture.write("src/a.py", "a = 1\n")
        try fixture.link("link.py", to: outside.absolute("secret.py"))
        try fixture.link("folder", to: outside.path)
        try fixture.link("inside.py", to: "src/a.py")
        try fixture.makeFIFO("pipe.py")
        try fixture.write("binary.py", bytes: [0x61, 0, 0x62])
        try fixture.write("latin.py", bytes: [0x61, 0xE9, 0x0A])
        try fixture.write("huge.py", bytes: Array(repeating: 0x61, count: 5_000))
        guard let root = RootDirectory.open(fixture.path) else {
            throw RepositoryFixture.Failure(description: "root")
        }
        func read(_ path: String) -> FileContent { root.read(RelativePath(path)!, maximumByteCount: 1_000) }
        guard case .text(let bytes, _) = read("src/a.py") else {
            Issue.record("a plain file must be read")
            return
        }
        #expect(bytes == Array("a = 1\n".utf8))
        #expect(read("link.py") == .skipped(.notRegular))
        #expect(read("inside.py") == .skipped(.notRegular))
        #expect(read("folder/secret.py") == .skipped(.missing))
        #expect(read("pipe.py") == .skipped(.notRegular))
        #expect(read("binary.py") == .skipped(.binary))
        #expect(read("latin.py") == .skipped(.notUTF8))
        #expect(read("huge.py") == .skipped(.tooLarge))
        #expect(read("absent.py") == .skipped(.missing))
        #expect(read("src") == .skipped(.notRegular))
    }

    @Test(
        "A folder walk skips hidden, vendor and build folders, links and nested repositories, and is bounded")
    func walksFolders() throws {
        let fixture = try RepositoryFixture(isRepository: false)
        for file in [
            "b.py", "a/c.py", ".hidden/d.py", "node_modules/e.js", "target/f.rs", "nested/.git/HEAD",
            "nested/g.py",
        ] {
            try fixture.write(file, "x\n")
        }
        try fixture.link("loop", to: ".")
        guard let root = RootDirectory.open(fixture.path) else {
            throw RepositoryFixture.Failure(description: "root")
        }
        var walk = FolderWalk(limits: .plainFolder)
        walk.add(folder: "", of: root) { _ in false }
        #expect(walk.files.map(\.path.string) == ["a/c.py", "b.py"])
        #expect(!walk.isTruncated)
        var short = FolderWalk(limits: .init(fileCount: 1, entryCount: 100, depth: 4))
        short.add(folder: "", of: root) { _ in false }
        #expect(short.files.count == 1 && short.isTruncated)
    }
}
