// A file's place beneath a root: components joined by "/", valid UTF-8, nothing that could leave the root or
// break a line of the prompt. Names are bytes on Linux, so equality and order are those of the bytes, not
// Unicode equivalence as for Swift strings.

import Glibc

/// A validated path relative to the root of a work tree or folder.
package struct RelativePath: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The path with "/" between components; never empty.
    package let string: String

    /// Longest path accepted, in bytes (PATH_MAX on Linux).
    package static let maximumByteCount = 4096

    /// nil when the path is empty, absolute, too long, not UTF-8, holds `.`, `..` or empty components, or
    /// holds NUL or another control character (a line feed in a name would end the path line of a prompt).
    package init?(bytes: some Collection<UInt8>) {
        guard !bytes.isEmpty, bytes.count <= RelativePath.maximumByteCount else { return nil }
        guard !bytes.contains(where: { $0 < 0x20 || $0 == 0x7F }) else { return nil }
        for component in bytes.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
            let isDots = component.count <= 2 && component.allSatisfy { $0 == UInt8(ascii: ".") }
            if isDots { return nil }  // also the empty component
        }
        guard let string = String(validating: bytes, as: UTF8.self) else { return nil }
        self.string = string
    }

    /// As `init(bytes:)`, from a string.
    package init?(_ string: String) {
        self.init(bytes: Array(string.utf8))
    }

    /// As `init(bytes:)`, from libgit2.
    init?(cString: UnsafePointer<CChar>) {
        let byteCount = strnlen(cString, RelativePath.maximumByteCount + 1)
        let bytes = UnsafeRawBufferPointer(start: cString, count: byteCount)
        self.init(bytes: bytes)
    }

    /// The last component.
    package var fileName: Substring {
        guard let slash = string.utf8.lastIndex(of: UInt8(ascii: "/")) else { return string[...] }
        return string[string.utf8.index(after: slash)...]
    }

    /// Everything before the last component without the slash; empty at the root.
    package var folder: Substring {
        guard let slash = string.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "" }
        return string[..<slash]
    }

    /// What follows the last dot of the file name, in ASCII lower case; empty when there is none.
    package var fileExtension: String {
        let name = fileName
        guard let dot = name.utf8.lastIndex(of: UInt8(ascii: ".")), dot > name.startIndex else { return "" }
        return String(name[name.utf8.index(after: dot)...]).lowercasedASCII()
    }

    /// The file name up to its first dot after the first character: `a.test.ts` gives `a`.
    package var stem: Substring {
        let name = fileName
        guard let first = name.utf8.first else { return name }
        let start = first == UInt8(ascii: ".") ? name.utf8.index(after: name.startIndex) : name.startIndex
        guard let dot = name[start...].utf8.firstIndex(of: UInt8(ascii: ".")) else { return name }
        return name[..<dot]
    }

    /// Whether a component is named .git in any case: git's own data, which git never tracks but a forged
    /// index can list.
    var isInGitDirectory: Bool {
        string.utf8.split(separator: UInt8(ascii: "/")).contains { component in
            component.count == 4 && Substring(component).lowercasedASCII() == ".git"
        }
    }

    package var description: String { string }

    package static func == (a: RelativePath, b: RelativePath) -> Bool { order(a, b) == 0 }

    package static func < (a: RelativePath, b: RelativePath) -> Bool { order(a, b) < 0 }

    /// Below, at or above 0 as the bytes compare. Listings sort and search by it, so it reads the bytes at once.
    private static func order(_ a: RelativePath, _ b: RelativePath) -> Int {
        var (first, second) = (a.string, b.string)
        return first.withUTF8 { first in
            second.withUTF8 { second in
                let common = min(first.count, second.count)
                let order = common == 0 ? 0 : Int(memcmp(first.baseAddress!, second.baseAddress!, common))
                return order == 0 ? first.count - second.count : order
            }
        }
    }

    package func hash(into hasher: inout Hasher) {
        var string = string
        string.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    }
}

extension StringProtocol {
    /// ASCII letters in lower case, all other bytes as they are; needs no Foundation and no locale.
    func lowercasedASCII() -> String {
        String(decoding: utf8.map { $0 >= 0x41 && $0 <= 0x5A ? $0 | 0x20 : $0 }, as: UTF8.self)
    }
}
