// What one git configuration file sets, read byte by byte as libgit2 reads it, and more strictly: what git and libgit2,
// or two versions of them, could understand differently is no configuration here. Follows no include. Pure.

/// The syntax of git-config(1), as far as it is needed to see every setting that libgit2 would see.
struct GitConfigurationSyntax {
    /// One setting; `name` in small letters and with the subsection, `include.path` for all kinds of include.
    struct Setting: Equatable {
        var name: String
        /// Without quotes and escapes; empty where there is no value.
        var value: [UInt8]
    }

    /// The first line, from 1, that cannot be understood.
    struct Fault: Error, Equatable {
        var line: Int
    }

    private var rest: ArraySlice<UInt8>
    private var line = 1
    private var fault: Fault { Fault(line: line) }

    static func settings(in bytes: [UInt8]) throws(Fault) -> [Setting] {
        let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]
        let text = bytes.starts(with: byteOrderMark) ? bytes[byteOrderMark.count...] : bytes[...]
        var syntax = GitConfigurationSyntax(rest: text)
        return try syntax.settings()
    }

    private init(rest: ArraySlice<UInt8>) { self.rest = rest }

    private mutating func settings() throws(Fault) -> [Setting] {
        guard !rest.contains(0) else { throw fault }
        var section: String?
        var settings: [Setting] = []
        while true {
            skipBlanks()
            guard let byte = rest.first else { return settings }
            switch byte {
            case Self.lineFeed:
                rest.removeFirst()
                line += 1
            case UInt8(ascii: "#"), UInt8(ascii: ";"): skipLine()
            case UInt8(ascii: "["):
                section = try header()
                skipBlanks()
                // A second one in the same line is read by some and skipped by others.
                if rest.first == UInt8(ascii: "[") { throw fault }
            default:
                guard let section else { throw fault }
                settings.append(try setting(in: section))
            }
        }
    }

    /// `[name]` or `[name "subsection"]`, without what follows in the line.
    private mutating func header() throws(Fault) -> String {
        rest.removeFirst()
        var name = word { $0 == UInt8(ascii: ".") }
        guard !name.isEmpty else { throw fault }
        let base = name.split(separator: ".").first ?? ""
        let isInclude = base == "include" || base == "includeif"
        if rest.first == 0x20 || rest.first == 0x09 {
            skipBlanks()
            let subsection = try self.subsection()
            if !isInclude { name += "." + subsection }
        }
        guard rest.popFirst() == UInt8(ascii: "]") else { throw fault }
        return isInclude ? "include" : name
    }

    private mutating func subsection() throws(Fault) -> String {
        guard rest.popFirst() == UInt8(ascii: "\"") else { throw fault }
        var bytes: [UInt8] = []
        while let byte = rest.popFirst(), byte != Self.lineFeed {
            if byte == UInt8(ascii: "\"") { return String(decoding: bytes, as: UTF8.self) }
            guard byte == UInt8(ascii: "\\") else {
                bytes.append(byte)
                continue
            }
            guard let escaped = rest.popFirst(), escaped != Self.lineFeed else { throw fault }
            bytes.append(escaped)
        }
        throw fault
    }

    private mutating func setting(in section: String) throws(Fault) -> Setting {
        let name = section + "." + word { _ in false }
        guard name.utf8.last != UInt8(ascii: ".") else { throw fault }
        skipBlanks()
        switch rest.first {
        case nil, Self.lineFeed, UInt8(ascii: "#"), UInt8(ascii: ";"): return Setting(name: name, value: [])
        case UInt8(ascii: "="): rest.removeFirst()
        default: throw fault
        }
        skipBlanks()
        return Setting(name: name, value: try value())
    }

    private mutating func value() throws(Fault) -> [UInt8] {
        var value: [UInt8] = []
        // Blanks at the end do not count, unless quoted.
        var keptCount = 0
        var isQuoted = false
        var isAfterBackslash = false
        while let byte = rest.first, byte != Self.lineFeed {
            let wasAfterBackslash = isAfterBackslash
            isAfterBackslash = false
            if !isQuoted, byte == UInt8(ascii: "#") || byte == UInt8(ascii: ";") { break }
            rest.removeFirst()
            switch byte {
            case UInt8(ascii: "\""):
                // Older libraries take the quote after `\\` for an escaped one.
                guard !wasAfterBackslash else { throw fault }
                isQuoted.toggle()
                keptCount = value.count
            case UInt8(ascii: "\\"):
                guard let escaped = try self.escaped(isQuoted: isQuoted) else { continue }
                isAfterBackslash = escaped == UInt8(ascii: "\\")
                value.append(escaped)
                keptCount = value.count
            default:
                value.append(byte)
                if isQuoted || !Self.isBlank(byte) { keptCount = value.count }
            }
        }
        guard !isQuoted else { throw fault }
        if rest.first != Self.lineFeed { skipLine() }
        return Array(value.prefix(keptCount))
    }

    /// What the bytes after a backslash stand for; nil for the end of a line, which goes on in the next.
    private mutating func escaped(isQuoted: Bool) throws(Fault) -> UInt8? {
        switch rest.popFirst() {
        case UInt8(ascii: "n"): return Self.lineFeed
        case UInt8(ascii: "t"): return 0x09
        case UInt8(ascii: "b"): return 0x08
        case UInt8(ascii: "\""): return UInt8(ascii: "\"")
        case UInt8(ascii: "\\"): return UInt8(ascii: "\\")
        case 0x0D where rest.first == Self.lineFeed: rest.removeFirst()
        case Self.lineFeed: break
        default: throw fault
        }
        line += 1
        // libgit2 looks for the continuation beyond a line that holds nothing, or nothing but a comment.
        let next = rest.first { !Self.isBlank($0) }
        let isComment = next == UInt8(ascii: "#") || next == UInt8(ascii: ";")
        guard let next, next != Self.lineFeed, isQuoted || !isComment else { throw fault }
        return nil
    }

    // MARK: Bytes

    private static let lineFeed: UInt8 = 0x0A

    /// Blanks within a line; lines end at a line feed and nowhere else.
    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || (0x0B...0x0D).contains(byte) }

    private mutating func skipBlanks() { rest = rest.drop(while: Self.isBlank) }

    private mutating func skipLine() { rest = rest.drop { $0 != Self.lineFeed } }

    /// Letters, digits, hyphens and what `isMember` takes besides, in small letters.
    private mutating func word(_ isMember: (UInt8) -> Bool) -> String {
        let bytes = rest.prefix { byte in
            let letter = byte | 0x20
            return (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(letter)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "-")
                || isMember(byte)
        }
        rest = rest.dropFirst(bytes.count)
        return String(decoding: bytes, as: UTF8.self).lowercasedASCII()
    }
}
