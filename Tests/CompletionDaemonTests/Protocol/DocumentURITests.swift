// File URIs to paths and back, including the spellings that real clients send.

import Testing

@testable import CompletionDaemon

@Suite("Document URIs")
struct DocumentURITests {
    @Test(
        "A file URI gives its path",
        arguments: [
            ("file:///a/b.swift", "/a/b.swift"),
            ("file://localhost/a", "/a"),
            ("file:/a/b", "/a/b"),
            ("FILE:///a", "/a"),
            ("file:///a%20b/%C3%A9.py", "/a b/é.py"),
            ("file:///c%2B%2b/x", "/c++/x"),
            ("file:///100%/x%2", "/100%/x%2"),
            ("file:///a#b?c", "/a#b?c"),
            ("file:///a%23b", "/a#b"),
        ])
    func paths(uri: String, path: String) {
        #expect(DocumentURI(uri).filePath == path)
    }

    @Test(
        "Everything else is a document without a path",
        arguments: [
            "untitled:Untitled-1", "git:/a/b.swift?ref", "", "file:", "file://", "file:///a%00b",
            "file://host/a",
            "file:relative", "file:///%FF%FE", "vscode-notebook-cell:/a#W0", "fil", "https://example.com/a",
        ])
    func noPath(uri: String) {
        #expect(DocumentURI(uri).filePath == nil)
    }

    @Test("A path made into a URI comes back as it was", arguments: ["/a/b c/é%25#?&.txt", "/", "/~/-_.!"])
    func roundTrip(path: String) {
        let uri = DocumentURI(filePath: path)
        #expect(uri.filePath == path)
        #expect(!uri.description.contains(" ") && !uri.description.contains("#"))
    }
}
