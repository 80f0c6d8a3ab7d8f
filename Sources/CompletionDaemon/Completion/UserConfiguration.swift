// What the user chose once for all runs: `config.json` in the XDG configuration directory. Read when a command starts,
// replaced as a whole, so that a reader sees the old file or the new one. Keys that this version does not know stay.

import SpecEngine

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
#if canImport(Glibc)
    import Glibc
#endif

/// The user's choices.
struct UserConfiguration {
    /// The configuration cannot be read or written.
    struct Failure: Error {
        let message: String
        let fix: String
    }

    static let fileName = "config.json"
    /// A larger file is none of ours.
    static let maximumByteCount = 64 << 10
    private static let modelKey = "model"

    private var members: [String: JSONValue] = [:]

    /// The absolute path of the model to use; nil for the default one.
    var modelPath: String? {
        get {
            if case .string(let path) = members[Self.modelKey] { path } else { nil }
        }
        set { members[Self.modelKey] = newValue.map(JSONValue.string) }
    }

    /// `$XDG_CONFIG_HOME/foretoken`, else `~/.config/foretoken`; nil without a home directory.
    static func folder() -> String? {
        UserDirectories.configuration
    }

    /// The file's contents; nothing chosen where there is no file.
    static func read() throws(Failure) -> UserConfiguration {
        guard let path = folder().map({ $0 + "/" + fileName }), access(path, F_OK) == 0 else {
            return UserConfiguration()
        }
        func damaged(_ what: String) -> Failure {
            Failure(message: "\(path) \(what)", fix: "mend the file, or remove it to use the default model")
        }
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw damaged("is not a file")
        }
        let bytes: [UInt8]
        do {
            bytes = try SourceFile.readBytes(path)
        } catch {
            throw Failure(message: error.message, fix: "make \(path) readable, or remove it")
        }
        guard bytes.count <= maximumByteCount else {
            throw damaged("is larger than \(maximumByteCount >> 10) KiB")
        }
        guard let members = try? JSONDecoder().decode([String: JSONValue].self, from: Data(bytes)) else {
            throw damaged("is not a JSON object")
        }
        switch members[modelKey] {
        case nil, .string: break
        default: throw damaged("has a \"\(modelKey)\" that is not a path")
        }
        var configuration = UserConfiguration()
        configuration.members = members
        if configuration.modelPath?.hasPrefix("/") == false {
            throw damaged("has a \"\(modelKey)\" that is not an absolute path")
        }
        return configuration
    }

    /// Replaces the file, for its owner's eyes only; makes the folder where there is none. Returns the file's path.
    @discardableResult
    func write() throws(Failure) -> String {
        guard let folder = Self.folder() else {
            throw Failure(
                message: "there is no home directory to keep the choice in",
                fix: "set HOME or XDG_CONFIG_HOME")
        }
        try Self.makeFolder(folder)
        // The file itself may be a link into a folder of dot files: what it points to is replaced.
        let path = Self.resolved(folder + "/" + Self.fileName)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
        guard var data = try? encoder.encode(members) else {
            throw Failure(
                message: "\(path) cannot be written as JSON", fix: "remove the file and choose again")
        }
        data.append(0x0A)
        try Self.replace(path, with: [UInt8](data))
        return path
    }

    // MARK: Files

    private static func failure(
        _ path: String, _ reason: String = String(cString: strerror(errno))
    ) -> Failure {
        Failure(
            message: "\(path) cannot be written: \(reason)",
            fix: "make it writable, or set XDG_CONFIG_HOME to a folder that is")
    }

    private static func makeFolder(_ path: String) throws(Failure) {
        var partial = ""
        for component in path.split(separator: "/") {
            partial += "/" + component
            guard mkdir(partial, 0o700) != 0, errno != EEXIST else { continue }
            // A folder on the way may be there without being writable; only the last one must be ours.
            if access(partial, X_OK) != 0 { throw failure(partial) }
        }
    }

    private static func resolved(_ path: String) -> String {
        guard let resolved = realpath(path, nil) else { return path }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    private static func replace(_ path: String, with bytes: [UInt8]) throws(Failure) {
        do {
            try AtomicFile.write(path, bytes: bytes)
        } catch {
            throw failure(error.path, error.reason)
        }
    }
}
