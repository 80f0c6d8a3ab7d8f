// Further suggestions for a user who asked and may choose: how many, how warm, and which of them are new. Who makes
// them is the services' business.

import Logging

enum Alternatives {
    private static let count = 2
    /// Warm enough to differ from the most probable text, narrow enough to stay sensible.
    static let temperature: Float = 0.8
    static let topP: Float = 0.95

    /// What `next` makes of each seed, as far as it is new. A failure ends the search and takes nothing from the texts
    /// that there are.
    static func find(
        besides texts: [String], logger: Logger, next: (_ seed: UInt64) async throws -> String?
    ) async -> [String] {
        var found: [String] = []
        do {
            for seed in 1...UInt64(count) {
                if let text = try await next(seed), !texts.contains(text), !found.contains(text) { found.append(text) }
            }
        } catch {
            logger.debug("no further suggestion: \(error)")
        }
        return found
    }
}
