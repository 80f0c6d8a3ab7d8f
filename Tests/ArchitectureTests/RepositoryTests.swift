// Promises about the repository as a whole: its size, its model files, what its documentation names, and that
// nothing in it depends on the machine where it was written.

import Testing

@Suite("Repository")
struct RepositoryTests {
    private let checkout: Checkout

    init() throws { checkout = try Checkout.shared.get() }

    /// A clone must stay quick, and model files do not compress.
    private static let maximumTrackedByteCount = 60 << 20

    @Test("All tracked files together stay under 60 MiB")
    func trackedSize() throws {
        let sizes = try checkout.paths.map { (path: $0, byteCount: try checkout.byteCount($0)) }
        let total = sizes.reduce(0) { $0 + $1.byteCount }
        let largest = sizes.sorted { $0.byteCount > $1.byteCount }.prefix(5)
            .map { "\($0.path) (\($0.byteCount >> 10) KiB)" }.joined(separator: ", ")
        #expect(
            total < Self.maximumTrackedByteCount,
            "\(total >> 20) MiB are tracked: remove or shrink something; the largest are \(largest)")
    }

    /// The checksums that the product knows, by file name.
    private func knownChecksums() throws -> [String: String] {
        let doctor = try checkout.file("Sources/CompletionDaemon/Commands/DoctorCommand.swift").text
        let pairs = doctor.matches(of: /"([^"\/]+\.gguf)":\s*"([0-9a-f]{64})"/).map { match in
            (String(match.output.1), String(match.output.2))
        }
        return Dictionary(pairs) { first, _ in first }
    }

    @Test("The model files are the released ones")
    func modelChecksums() throws {
        let known = try knownChecksums()
        let models = checkout.paths.filter { $0.hasPrefix("Models/") && $0.hasSuffix(".gguf") }
        #expect(!models.isEmpty, "Models/ holds no .gguf file: git checkout Models")
        for path in models {
            let expected = known[String(path.dropFirst("Models/".count))]
            let found = try Checkout.run("sha256sum", ["\(Checkout.root)/\(path)"]).prefix(64)
            #expect(
                String(found) == expected,
                """
                \(path) has sha256 \(found), ModelChecksums.known says \(expected ?? "nothing"): restore the file, or \
                give a new one a new name and add its checksum
                """)
        }
    }

    @Test("The model card shows the checksums that the product knows")
    func modelCard() throws {
        let card = try checkout.file("Models/MODEL_CARD.md").text
        let isShown = { (words: String) in card.contains(words) }
        for (name, checksum) in try knownChecksums() {
            let shown = "\(checksum.prefix(8))…\(checksum.suffix(4))"
            #expect(
                isShown(name) && isShown(shown),
                "Models/MODEL_CARD.md does not show \(name) with \(shown)")
        }
    }

    @Test("No tracked text names a path of the machine where it was written")
    func machinePaths() {
        // Put together here, so that this file does not name them itself.
        let workFolders = ["main", "shared", "wt"].map { "/" + "work/" + $0 }
        let home = "/" + "root/"
        for file in checkout.texts {
            for (index, line) in file.lines.enumerated() {
                let path = workFolders.first { line.contains($0) } ?? (beginsPath(line, home) ? home : nil)
                #expect(
                    path == nil,
                    "\(file.path):\(index + 1) names \(path ?? ""): use a path relative to the checkout")
            }
        }
    }

    /// Whether `path` stands in the line as the beginning of an absolute path.
    private func beginsPath(_ line: Substring, _ path: String) -> Bool {
        line.ranges(of: path).contains { range in
            guard range.lowerBound > line.startIndex else { return true }
            let before = line[line.index(before: range.lowerBound)]
            return !before.isLetter && !before.isNumber && !"_-.~}*)".contains(before)
        }
    }

    @Test("The README shows every subcommand, environment variable and make target")
    func readmeIsComplete() throws {
        let text = try checkout.file("README.md").text
        // A closure and not #expect(text.contains(…)): a failure would print the whole document.
        let shows = { (words: String) in text.contains(words) }
        for file in checkout.swiftSources where file.isBeneath("Sources/CompletionDaemon/Commands") {
            guard let name = file.text.firstMatch(of: /commandName: "([a-z]+)"/)?.output.1 else { continue }
            let isHidden = file.text.contains("shouldDisplay: false")
            let shown = isHidden ? "make \(name)" : "foretoken \(name)"
            #expect(
                shows(shown), "README.md does not show '\(shown)': add it with one real example")
        }
        for file in checkout.swiftSources {
            for match in file.text.matches(of: /"(FORETOKEN_[A-Z_]+)"/) {
                #expect(
                    shows(String(match.output.1)),
                    "README.md does not name \(match.output.1), which \(file.path) reads: say what it does")
            }
        }
        let makefile = try checkout.file("Makefile")
        for line in makefile.lines {
            guard let name = line.firstMatch(of: /^([a-z-]+):.*##/)?.output.1, name != "help" else { continue }
            #expect(shows("make \(name)"), "README.md does not name 'make \(name)'")
        }
    }

    /// A path without `..`.
    private static func resolved(_ path: String) -> String {
        var parts: [Substring] = []
        for part in path.split(separator: "/") {
            if part == ".." { parts.removeLast(min(1, parts.count)) } else { parts.append(part) }
        }
        return parts.joined(separator: "/")
    }

    @Test("Links between the documents lead somewhere")
    func documentLinks() throws {
        for file in checkout.texts where file.path.hasSuffix(".md") {
            let folder = file.path.split(separator: "/").dropLast().map { $0 + "/" }.joined()
            for match in file.text.matches(of: /\]\(([^)#:\s]+)(?:#[^)]*)?\)/) {
                let target = Self.resolved(folder + match.output.1)
                let isThere = checkout.paths.contains { $0 == target || $0.hasPrefix(target + "/") }
                #expect(
                    isThere, "\(file.path) links to \(match.output.1), which is not tracked: correct the link"
                )
            }
        }
    }
}
