// Where the default model is: what the user said, the environment, beside the installed binary, or the checkout
// that the binary was built in.

#if canImport(Glibc)
    import Glibc
#endif

/// Finds model files.
enum ModelLocator {
    static let defaultModelName = "foretoken-78m-q4_0.gguf"
    static let environmentVariable = "FORETOKEN_MODEL"

    /// Why there is no usable model; each says what to do.
    enum Failure: Error, CustomStringConvertible {
        case notFound(searched: [String])
        case cannotFillHoles(path: String)

        var message: String {
            switch self {
            case .notFound(let searched):
                "no model was found; looked at " + searched.joined(separator: ", ")
            case .cannotFillHoles(let path):
                "\(path): this model has no fill-in-the-middle tokens, so it cannot complete inside a file"
            }
        }

        var fix: String {
            switch self {
            case .notFound:
                "give one with --model FILE or set \(ModelLocator.environmentVariable), or put "
                    + "\(ModelLocator.defaultModelName) into share/foretoken beside the binary's folder"
            case .cannotFillHoles:
                "use a base model trained for fill-in-the-middle, such as the default one"
            }
        }

        var description: String { "\(message); \(fix)" }
    }

    /// The path to load: an explicit one as it is (opening it reports what is wrong), else the first that exists.
    static func locate(explicitPath: String?) throws(Failure) -> String {
        if let explicitPath { return explicitPath }
        if let value = getenv(environmentVariable).map({ String(cString: $0) }), !value.isEmpty {
            return value
        }
        let candidates = candidatePaths()
        guard let found = candidates.first(where: { access($0, F_OK) == 0 }) else {
            throw .notFound(searched: ["\(environmentVariable) (not set)"] + candidates)
        }
        return found
    }

    /// `<binary>/../share/foretoken`, then Models/ of each folder above the binary (a checkout's .build/release).
    private static func candidatePaths() -> [String] {
        var folders = binaryPath().split(separator: "/").dropLast().map(String.init)
        let prefix = "/" + folders.dropLast().joined(separator: "/")
        var candidates = ["\(prefix == "/" ? "" : prefix)/share/foretoken/\(defaultModelName)"]
        // .build/<triple>/release is three folders deep.
        for _ in 0..<4 where !folders.isEmpty {
            folders.removeLast()
            candidates.append("/" + (folders + ["Models", defaultModelName]).joined(separator: "/"))
        }
        return candidates
    }

    /// The running binary, links resolved.
    static func binaryPath() -> String {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
        guard count > 0 else { return "" }
        return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
