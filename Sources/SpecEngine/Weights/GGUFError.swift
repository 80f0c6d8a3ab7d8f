// Everything that can be wrong with a GGUF file, with what was expected, what was found and what to do about
// it.

/// A GGUF file that cannot be used: which file, and why.
package struct GGUFError: Error, Equatable, CustomStringConvertible {
    package let path: String
    package let problem: Problem

    package enum Problem: Equatable, Sendable {
        /// The file could not be opened or mapped.
        case file(MappedFileError)
        /// The first four bytes are not `GGUF`.
        case notGGUF
        /// A version other than 2 and 3; big-endian files show up here too.
        case unsupportedVersion(UInt32)
        /// The file ends inside `part`.
        case truncated(part: String, offset: Int, neededByteCount: UInt64, availableByteCount: Int)
        /// A count is beyond what the file can hold or what is sensible.
        case countTooLarge(part: String, found: UInt64, limit: UInt64)
        /// Bytes that no writer of GGUF produces.
        case malformed(part: String, reason: String)
        case missingKey(String)
        case wrongType(key: String, expected: String, found: String)
        case invalidValue(key: String, expected: String, found: String)
        case missingTensor(String)
        /// The tensor's type, dimensions, offset or size is wrong.
        case badTensor(name: String, reason: String)
        case unreadableTensorType(name: String, type: String)
        case unsupportedArchitecture(found: String, supported: [String])
        /// The architecture is read, this variant of it is not.
        case unsupportedFeature(String)
    }

    /// What is wrong, in one sentence without a final full stop. Begins with the file's path.
    package var message: String {
        if case .file(let error) = problem { return error.message }
        return "\(path): \(problem.explanation)"
    }

    /// What the user can do about it.
    package var fix: String { problem.fix }

    package var description: String { "\(message); \(fix)" }
}

extension GGUFError.Problem {
    fileprivate var explanation: String {
        switch self {
        case .file(let error):
            error.message
        case .notGGUF:
            "this is not a GGUF file (it does not begin with the letters GGUF)"
        case .unsupportedVersion(let version):
            version.byteSwapped <= 0xFFFF
                ? "this is a big-endian GGUF file" : "GGUF version \(version) is not supported (2 and 3 are)"
        case .truncated(let part, let offset, let needed, let available):
            "the file ends inside \(part): at offset \(offset), \(needed) bytes are needed, \(available) left"
        case .countTooLarge(let part, let found, let limit):
            "\(part) is given as \(found), which is more than \(limit)"
        case .malformed(let part, let reason):
            "\(part) \(reason)"
        case .missingKey(let key):
            "the metadata key \(key) is missing"
        case .wrongType(let key, let expected, let found):
            "the metadata key \(key) should be \(expected) and is \(found)"
        case .invalidValue(let key, let expected, let found):
            "the metadata key \(key) should be \(expected) and is \(found)"
        case .missingTensor(let name):
            "the tensor \(name) is missing"
        case .badTensor(let name, let reason):
            "the tensor \(name) \(reason)"
        case .unreadableTensorType(let name, let type):
            "the tensor \(name) is stored as \(type), which cannot be read"
        case .unsupportedArchitecture(let found, let supported):
            "the architecture \(found) is not supported (supported: \(supported.joined(separator: ", ")))"
        case .unsupportedFeature(let feature):
            "\(feature) is not supported yet"
        }
    }

    fileprivate var fix: String {
        switch self {
        case .file(let error):
            error.fix
        case .notGGUF:
            "give the path of a .gguf model file"
        case .unsupportedVersion:
            "convert the model again with a current GGUF converter (version 3, little-endian)"
        case .truncated, .countTooLarge, .malformed, .badTensor:
            "the file is damaged or its copy did not finish: fetch it again and compare its checksum"
        case .missingKey, .wrongType, .invalidValue, .missingTensor:
            "the file is not a complete model of its architecture: convert it again or use another one"
        case .unreadableTensorType:
            "use a file quantised to one of \(TensorType.readableNames)"
        case .unsupportedArchitecture, .unsupportedFeature:
            "choose a model of a supported architecture, or leave --model out to use the default model"
        }
    }
}
