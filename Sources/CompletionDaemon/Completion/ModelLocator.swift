// Where the model is: what the user said, the environment, what `foretoken model use` remembers, beside the installed
// binary, or in the checkout that the binary was built in.

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
        case chosenIsMissing(path: String)
        case configuration(UserConfiguration.Failure)
        case cannotFillHoles(path: String)

        var message: String {
            switch self {
            case .notFound(let searched):
                "no model was found; looked at " + searched.joined(separator: ", ")
            case .chosenIsMissing(let path):
                "\(path), chosen with foretoken model use, is not there"
            case .configuration(let failure):
                failure.message
            case .cannotFillHoles(let path):
                "\(path): this model has no fill-in-the-middle tokens, so it cannot complete inside a file"
            }
        }

        var fix: String {
            switch self {
            case .notFound:
                "give one with --model FILE or set \(ModelLocator.environmentVariable), or put "
                    + "\(ModelLocator.defaultModelName) into share/foretoken beside the binary's folder"
            case .chosenIsMissing:
                "choose another model, or run foretoken model use default"
            case .configuration(let failure):
                failure.fix
            case .cannotFillHoles:
                "use a base model trained for fill-in-the-middle, such as the default one"
            }
        }

        var description: String { "\(message); \(fix)" }
    }

    /// Who says which model is used.
    enum Source: String {
        case option
        case environment
        case configuration
        case standard

        var description: String {
            switch self {
            case .option: "given with --model"
            case .environment: "from \(ModelLocator.environmentVariable)"
            case .configuration: "chosen with foretoken model use"
            case .standard: "the default"
            }
        }
    }

    /// The model to load and who says so: an explicit one as it is (opening it reports what is wrong), else the first
    /// that exists.
    static func locate(explicitPath: String?) throws(Failure) -> (path: String, source: Source) {
        if let explicitPath { return (explicitPath, .option) }
        if let path = environmentPath() { return (path, .environment) }
        if let path = try configuredPath() {
            guard access(path, F_OK) == 0 else { throw .chosenIsMissing(path: path) }
            return (path, .configuration)
        }
        let candidates = folders().map { "\($0)/\(defaultModelName)" }
        guard let found = candidates.first(where: { access($0, F_OK) == 0 }) else {
            throw .notFound(searched: ["\(environmentVariable) (not set)"] + candidates)
        }
        return (found, .standard)
    }

    static func environmentPath() -> String? {
        getenv(environmentVariable).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    }

    static func configuredPath() throws(Failure) -> String? {
        do { return try UserConfiguration.read().modelPath } catch { throw .configuration(error) }
    }

    /// Where models are installed: `<binary>/../share/foretoken`, then Models/ of each folder above the binary (a
    /// checkout's .build/release).
    static func folders() -> [String] {
        var folders = binaryPath().split(separator: "/").dropLast().map(String.init)
        let prefix = "/" + folders.dropLast().joined(separator: "/")
        var candidates = ["\(prefix == "/" ? "" : prefix)/share/foretoken"]
        // .build/<triple>/release is three folders deep.
        for _ in 0..<4 where !folders.isEmpty {
            folders.removeLast()
            candidates.append("/" + (folders + ["Models"]).joined(separator: "/"))
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
