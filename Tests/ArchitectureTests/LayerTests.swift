// The directions between modules (ARCHITECTURE.md, "Layers"), read from the import lines of every Swift file, and
// the few things that may be done in one place only.

import Testing

@Suite("Layers")
struct LayerTests {
    private let checkout: Checkout

    init() throws { checkout = try Checkout.shared.get() }

    /// What each Swift target beneath Sources may import of this package; nobody imports CompletionDaemon.
    private static let allowedModules: [String: Set<String>] = [
        "CompletionDaemon": ["CompletionEvaluation", "RepoContext", "SpecEngine"],
        "CompletionEvaluation": ["CHTTPClient", "RepoContext"],
        "RepoContext": ["CGit2"],
        "SpecEngine": ["COpenBLAS", "CSpecKernels"],
    ]

    private static let ownModules: Set = [
        "CGit2", "CHTTPClient", "COpenBLAS", "CSpecKernels", "CompletionDaemon", "CompletionEvaluation",
        "RepoContext", "SpecEngine",
    ]

    @Test("A module imports only the modules below it")
    func moduleDirections() {
        for file in checkout.swiftSources {
            let allowed = Self.allowedModules[String(file.target)]
            #expect(
                allowed != nil,
                "\(file.path): unknown module; add its directions to ARCHITECTURE.md and to this test")
            for (line, module) in file.importedModules where Self.ownModules.contains(module) {
                #expect(
                    allowed?.contains(module) == true,
                    """
                    \(file.path):\(line) imports \(module), which \(file.target) must not know: let \(file.target) \
                    declare the value or protocol that it needs, and join the two in CompletionDaemon
                    """)
            }
        }
    }

    @Test("Tests reach a C module only beside the module that owns it")
    func moduleDirectionsOfTests() {
        let owners = [
            "CGit2": ["RepoContextTests", "TestSupport"],
            "COpenBLAS": ["SpecEngineTests"],
            "CSpecKernels": ["SpecEngineTests"],
        ]
        for file in checkout.swiftTests {
            for (line, module) in file.importedModules {
                guard let targets = owners[module] else { continue }
                #expect(
                    targets.contains(String(file.target)),
                    "\(file.path):\(line) imports \(module): test it in \(targets.joined(separator: " or "))")
            }
        }
    }

    @Test("Nothing imports networking or opens a socket")
    func noNetwork() {
        for file in checkout.swiftSources {
            for (line, module) in file.importedModules {
                #expect(
                    !["FoundationNetworking", "Network", "NIO", "NIOCore"].contains(module),
                    "\(file.path):\(line) imports \(module), but Foretoken is offline: see README.md, Privacy"
                )
            }
        }
        for file in checkout.sources {
            for (line, text) in file.codeLines {
                let call = ["URLSession", "socket(", "getaddrinfo("].first { text.contains($0) }
                #expect(
                    call == nil,
                    "\(file.path):\(line) uses \(call ?? ""), but Foretoken is offline: see README.md, Privacy"
                )
            }
        }
    }

    @Test("Only the demo starts another process")
    func noChildProcess() {
        for file in checkout.sources where file.name != "DemoEditor.swift" {
            for (line, text) in file.codeLines {
                let call = ["posix_spawn(", "fork()", "execve(", "popen(", "Process()"].first {
                    text.contains($0)
                }
                #expect(
                    call == nil,
                    "\(file.path):\(line) uses \(call ?? ""), but the daemon starts no process: use the library"
                )
            }
        }
    }

    @Test("Wire types stay in the protocol's folders")
    func wireTypes() {
        // Commands print JSON for scripts and Observability writes recordings: file formats, not the protocol.
        let codingFolders = ["JSONRPC", "Protocol", "Commands", "Observability"].map {
            "Sources/CompletionDaemon/\($0)"
        }
        for file in checkout.swiftSources {
            // Evaluation writes journals and reports: file formats too.
            let isEvaluation = file.target == "CompletionEvaluation"
            let mayCode = isEvaluation || codingFolders.contains { file.isBeneath($0) }
            let isDaemon = file.target == "CompletionDaemon"
            for (line, text) in file.codeLines {
                let coding = ["Codable", "Encodable", "Decodable"].first { text.contains($0) }
                #expect(
                    coding == nil || mayCode,
                    """
                    \(file.path):\(line) mentions \(coding ?? ""): move the wire type to CompletionDaemon/Protocol and \
                    convert it at the server's edge
                    """)
                #expect(
                    isDaemon || !text.contains("DocumentURI"),
                    "\(file.path):\(line) mentions DocumentURI: below CompletionDaemon there are paths, not URIs"
                )
            }
        }
    }
}
