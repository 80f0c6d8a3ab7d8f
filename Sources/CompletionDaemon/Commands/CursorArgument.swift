// FILE:LINE:COLUMN as people and editors write it: both 1-based, the column in UTF-8 bytes, line length + 1 for the
// end of the line. Split from the right, so that file names may hold colons.

#if canImport(Glibc)
    import Glibc
#endif

/// A place in a file.
struct CursorArgument: Equatable {
    let path: String
    let line: Int
    let column: Int

    init(_ argument: String) throws(CommandError) {
        let parts = argument.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count >= 3, let line = Int(parts[parts.count - 2]),
            let column = Int(parts[parts.count - 1]),
            line >= 1, column >= 1
        else {
            throw .usage(
                "'\(argument)' is not a place in a file",
                fix: "write FILE:LINE:COLUMN, both numbers from 1 on")
        }
        path = parts.dropLast(2).joined(separator: ":")
        guard !path.isEmpty else {
            throw .usage("'\(argument)' names no file", fix: "write FILE:LINE:COLUMN, both numbers from 1 on")
        }
        self.line = line
        self.column = column
    }

    /// The cursor's offset in the file's bytes.
    func offset(in text: [UInt8]) throws(CommandError) -> Int {
        var start = 0
        for number in 1..<line {
            guard let lineBreak = text[start...].firstIndex(of: 0x0A) else {
                throw .usage("\(path) has \(number) lines, not \(line)", fix: "choose a line of the file")
            }
            start = lineBreak + 1
        }
        var end = text[start...].firstIndex(of: 0x0A) ?? text.count
        if end > start, end < text.count, text[end - 1] == 0x0D { end -= 1 }
        guard column <= end - start + 1 else {
            throw .usage(
                "line \(line) of \(path) is \(end - start) bytes long, so its last column is \(end - start + 1)",
                fix: "choose a column of the line (in UTF-8 bytes)")
        }
        let offset = start + column - 1
        guard offset == text.count || text[offset] & 0xC0 != 0x80 || !isInsideCharacter(text, offset) else {
            throw .usage(
                "column \(column) of line \(line) lies inside a character",
                fix: "choose a column where one begins")
        }
        return offset
    }

    /// Whether the continuation byte at `offset` belongs to a valid character that began before it.
    private func isInsideCharacter(_ text: [UInt8], _ offset: Int) -> Bool {
        var lead = offset
        while lead > 0 && offset - lead < 3 && text[lead] & 0xC0 == 0x80 { lead -= 1 }
        let length = text[lead] >= 0xF0 ? 4 : text[lead] >= 0xE0 ? 3 : text[lead] >= 0xC2 ? 2 : 1
        guard lead + length > offset, lead + length <= text.count else { return false }
        return String(validating: text[lead..<lead + length], as: UTF8.self) != nil
    }
}

/// Source files as commands read them.
enum SourceFile {
    /// Larger files are not source text.
    static let maximumByteCount = 32 << 20

    /// The file's bytes; refuses what is not a text file.
    static func read(_ path: String) throws(CommandError) -> [UInt8] {
        let bytes = try readBytes(path)
        guard !bytes.prefix(8_000).contains(0) else {
            throw .file("\(path) is a binary file", fix: "choose a text file")
        }
        return bytes
    }

    /// The bytes of any regular file or pipe.
    static func readBytes(_ path: String) throws(CommandError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if InterruptFlag.isRaised { throw InterruptFlag.error }
            throw .file("\(path) cannot be read: \(String(cString: strerror(errno)))", fix: "check the path")
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT != S_IFDIR else {
            throw .file("\(path) is a folder", fix: "name a file in it")
        }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count == 0 { return bytes }
            guard count > 0 else {
                if InterruptFlag.isRaised { throw InterruptFlag.error }
                if errno == EINTR { continue }
                throw .file(
                    "\(path) cannot be read: \(String(cString: strerror(errno)))", fix: "check the file")
            }
            bytes += buffer[..<count]
            guard bytes.count <= maximumByteCount else {
                throw .file(
                    "\(path) is larger than \(maximumByteCount >> 20) MiB", fix: "complete in a smaller file")
            }
        }
    }

    /// The path from the root; "." and leading "./" name the working directory, as a person reads them.
    static func absolutePath(_ path: String) -> String {
        if path.hasPrefix("/") { return path }
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        guard getcwd(&buffer, buffer.count) != nil else { return "/" + path }
        let folder = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        var rest = path[...]
        while rest.hasPrefix("./") { rest = rest.dropFirst(2).drop { $0 == "/" } }
        return rest.isEmpty || rest == "." ? folder : "\(folder == "/" ? "" : folder)/\(rest)"
    }
}

/// The LSP names of the languages in which completion behaves differently.
enum LanguageID {
    static func guess(path: String) -> String {
        let fileExtension = path.split(separator: "/").last?.split(separator: ".").last.map {
            $0.lowercased()
        }
        switch fileExtension {
        case "md", "markdown": return "markdown"
        case "txt": return "plaintext"
        case "rst": return "restructuredtext"
        case "adoc": return "asciidoc"
        case "tex": return "latex"
        default: return fileExtension ?? ""
        }
    }
}
