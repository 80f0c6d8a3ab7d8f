// Where tests find files of this checkout: derived from the place of this source file, never from the current
// directory or the environment.

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Absolute paths inside the checkout.
package enum FixturePaths {
    /// The root of the checkout.
    package static let checkoutRoot = String(
        #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/"))

    /// The model files.
    package static let modelsDirectory = checkoutRoot + "/Models"

    /// The default model.
    package static let defaultModel = modelsDirectory + "/foretoken-78m-q4_0.gguf"

    /// Golden files of the engine's tests.
    package static let engineGoldenDirectory = checkoutRoot + "/Tests/SpecEngineTests/Golden"

    /// The bytes of a file, or an error that names it.
    package static func bytes(_ path: String) throws -> [UInt8] {
        guard let data = FileManager.default.contents(atPath: path) else { throw MissingFixture(path: path) }
        return [UInt8](data)
    }
}

/// A file of the checkout that a test needs is not there.
package struct MissingFixture: Error, CustomStringConvertible {
    package let path: String

    package var description: String { "the test needs \(path), which is missing or unreadable" }
}
