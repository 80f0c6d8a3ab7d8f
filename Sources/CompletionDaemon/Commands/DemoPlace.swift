// The places of this checkout that `foretoken demo` completes. A place is found by the beginning of its line in
// any Swift file under Sources, so it follows the code around; a place that is gone is replaced by the first
// function body there is. The rest of the line is cut away, as if somebody were about to type it.

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// A cursor in a file whose line ends at the cursor.
struct DemoPlace {
    /// Relative to the checkout, with "/".
    let path: String
    /// The file's text, without what followed the cursor on its line.
    let text: [UInt8]
    /// Line of the cursor, from 0, and the bytes before it on that line.
    let line: Int
    let column: Int
    /// What the file has after the cursor.
    let committed: String

    /// The file's lines with the cursor's line cut.
    var lines: [String] {
        String(decoding: text, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false).map(
            String.init)
    }

    /// Offset of the cursor in `text`, in bytes.
    var offset: Int { lines[..<line].reduce(0) { $0 + $1.utf8.count + 1 } + column }

    /// Beginnings of lines whose continuation another file decides: the labels of an initialiser declared there.
    private static let lineBeginnings = [
        "return .request(request, PendingRequest(",
        "sink.send(try WireCoding.encode(ErrorMessage(",
    ]

    /// The demo's places in a checkout: those whose line still exists, else the first function body.
    static func places(inCheckout root: String) -> [DemoPlace] {
        let files = sourceFiles(root)
        let found = lineBeginnings.compactMap { beginning in
            files.lazy.compactMap { place(in: $0, lineBeginning: beginning) }.first
        }
        if !found.isEmpty { return found }
        return files.lazy.compactMap(firstFunctionBody).first.map { [$0] } ?? []
    }

    // MARK: Finding

    private struct SourceText {
        let path: String
        let lines: [String]
    }

    /// Swift files under Sources in the order of their names.
    private static func sourceFiles(_ root: String) -> [SourceText] {
        // No folder is the same as an empty one: the caller says that nothing was found.
        let paths = (try? FileManager.default.subpathsOfDirectory(atPath: root + "/Sources")) ?? []
        return paths.filter { $0.hasSuffix(".swift") }.sorted().compactMap { path in
            FileManager.default.contents(atPath: "\(root)/Sources/\(path)").map { data in
                SourceText(
                    path: "Sources/" + path,
                    lines: String(decoding: data, as: UTF8.self).split(
                        separator: "\n", omittingEmptySubsequences: false
                    ).map(String.init))
            }
        }
    }

    private static func place(in file: SourceText, lineBeginning: String) -> DemoPlace? {
        for (index, line) in file.lines.enumerated() {
            let indentation = line.prefix { $0 == " " }
            guard line.dropFirst(indentation.count).hasPrefix(lineBeginning) else { continue }
            let kept = indentation + lineBeginning
            return make(file, line: index, kept: String(kept), committed: String(line.dropFirst(kept.count)))
        }
        return nil
    }

    /// The line after the first function's opening brace, cut after its indentation.
    private static func firstFunctionBody(in file: SourceText) -> DemoPlace? {
        for (index, line) in file.lines.enumerated().dropLast()
        where line.contains("func ") && line.hasSuffix("{") {
            let next = file.lines[index + 1]
            let indentation = String(next.prefix { $0 == " " })
            return make(
                file, line: index + 1, kept: indentation, committed: String(next.dropFirst(indentation.count))
            )
        }
        return nil
    }

    private static func make(_ file: SourceText, line: Int, kept: String, committed: String) -> DemoPlace {
        var lines = file.lines
        lines[line] = kept
        return DemoPlace(
            path: file.path, text: Array(lines.joined(separator: "\n").utf8), line: line,
            column: kept.utf8.count,
            committed: committed)
    }
}
