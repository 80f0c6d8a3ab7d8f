// Lines of ours in a file of the user's: between two marking lines, renewed in place, taken out again. The
// file is replaced as a whole or not at all, keeps its permissions, and a link to it stays a link.

import SpecEngine

#if canImport(Glibc)
    import Glibc
#endif

/// A text file that may hold a block of ours.
struct MarkedFile {
    static let maximumByteCount = 16 << 20

    let path: String
    /// How a comment begins in this kind of file.
    let comment: String

    private var begin: String { "\(comment) >>> foretoken setup >>>" }
    private var end: String { "\(comment) <<< foretoken setup <<<" }

    /// Puts the lines into the file, which is made if there is none. Whether anything changed.
    func write(_ lines: String) throws(CommandError) -> Bool {
        try replace { (text: String) throws(CommandError) -> String in
            try withBlock("\(begin)\n\(lines)\(end)\n", in: text)
        }
    }

    /// Takes the lines out. Whether there were any.
    func remove() throws(CommandError) -> Bool {
        guard access(path, F_OK) == 0 else { return false }
        return try replace { (text: String) throws(CommandError) -> String in try withBlock("", in: text) }
    }

    // MARK: Text

    /// The text with the block in place of the one that is there, else at its end.
    func withBlock(_ block: String, in text: String) throws(CommandError) -> String {
        guard let range = try blockRange(in: text) else {
            guard !block.isEmpty else { return text }
            // One empty line before it, which goes with it again.
            let joint = text.isEmpty ? "" : text.hasSuffix("\n") ? "\n" : "\n\n"
            return text + joint + block
        }
        var before = text[..<range.lowerBound]
        if block.isEmpty, before.hasSuffix("\n\n") { before = before.dropLast() }
        return before + block + text[range.upperBound...]
    }

    /// Where the block is, marking lines and the last line break included.
    private func blockRange(in text: String) throws(CommandError) -> Range<String.Index>? {
        let begins = text.ranges(of: begin + "\n")
        let ends = text.ranges(of: end)
        guard !begins.isEmpty || !ends.isEmpty else { return nil }
        guard begins.count == 1, ends.count == 1, begins[0].upperBound <= ends[0].lowerBound else {
            throw .file(
                "the marking lines in \(path) are damaged: there should be one \"\(begin)\" and, after it, one "
                    + "\"\(end)\"",
                fix: "mend or delete them yourself")
        }
        let after = text[ends[0].upperBound...]
        let upper = after.hasPrefix("\n") ? after.index(after: after.startIndex) : after.startIndex
        return begins[0].lowerBound..<upper
    }

    // MARK: File

    private func replace(_ change: (String) throws(CommandError) -> String) throws(CommandError) -> Bool {
        let target = try resolvedPath()
        var information = stat()
        let isThere = stat(target, &information) == 0
        let old = isThere ? try read(target, information) : ""
        let new = try change(old)
        guard new != old else { return false }
        try makeFolder(of: target)
        do throws(AtomicFile.Failure) {
            try AtomicFile.write(
                target, bytes: Array(new.utf8), mode: isThere ? information.st_mode & 0o7777 : 0o644)
        } catch {
            throw .file("\(target) cannot be written: \(error.reason)", fix: "check its permissions")
        }
        return true
    }

    /// The file itself where the path is a link, as dotfiles often are. A link that leads nowhere stays as it is: what
    /// it stands for may be on a disk that is not there now.
    private func resolvedPath() throws(CommandError) -> String {
        if let resolved = realpath(path, nil) {
            defer { free(resolved) }
            return String(cString: resolved)
        }
        let reason = String(cString: strerror(errno))
        var information = stat()
        guard lstat(path, &information) != 0 else {
            throw .file(
                "\(path) is a link that leads to no file (\(reason))", fix: "make that file, or remove the link")
        }
        return path
    }

    private func read(_ target: String, _ information: stat) throws(CommandError) -> String {
        guard information.st_mode & S_IFMT == S_IFREG, information.st_size <= Self.maximumByteCount else {
            throw .file("\(path) is not a file that can be changed", fix: "add the lines yourself")
        }
        guard let text = String(validating: try SourceFile.readBytes(target), as: UTF8.self) else {
            throw .file("\(path) is not UTF-8 text", fix: "add the lines yourself")
        }
        return text
    }

    private func makeFolder(of target: String) throws(CommandError) {
        var folder = ""
        for part in target.split(separator: "/").dropLast() {
            folder += "/" + part
            if mkdir(folder, 0o755) != 0, errno != EEXIST { throw failure("made", folder) }
        }
    }

    private func failure(_ verb: String, _ path: String) -> CommandError {
        .file("\(path) cannot be \(verb): \(String(cString: strerror(errno)))", fix: "check its permissions")
    }
}
