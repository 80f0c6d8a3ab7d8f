// The default model's tokenizer, opened once for all tests, and a slow twin of its byte-pair encoding that
// works on the strings of the model file as they stand there.

import SpecEngine
import TestSupport

enum DefaultModelTokenizer {
    private static let opened = Result { try open() }

    private static func open() throws -> (file: GGUFFile, tokenizer: Tokenizer) {
        let file = try GGUFFile.open(FixturePaths.defaultModel)
        return (file, try Tokenizer(file))
    }

    static func tokenizer() throws -> Tokenizer { try opened.get().tokenizer }

    static func file() throws -> GGUFFile { try opened.get().file }
}

/// Byte-pair encoding as its definition says it: look at all pairs, merge the best one, repeat.
struct NaiveBPE {
    private var ranks: [String: Int] = [:]
    private var ids: [String: Int32] = [:]

    init(_ file: GGUFFile) throws {
        let merges = try file.metadata.requiredStringArray("tokenizer.ggml.merges")
        for rank in 0..<merges.count { ranks[merges.string(at: rank)] = rank }
        let tokens = try file.metadata.requiredStringArray("tokenizer.ggml.tokens")
        for id in 0..<tokens.count { ids[tokens.string(at: id)] = Int32(id) }
    }

    /// The tokens of one word of printable ASCII, which stands for itself in the byte alphabet.
    func encode(asciiWord word: String) -> [TokenID] {
        var parts = word.map(String.init)
        while true {
            var best: (rank: Int, index: Int)?
            for index in parts.indices.dropLast() {
                guard let rank = ranks["\(parts[index]) \(parts[index + 1])"] else { continue }
                if best.map({ rank < $0.rank }) ?? true { best = (rank, index) }
            }
            guard let best else { break }
            parts[best.index] += parts.remove(at: best.index + 1)
        }
        return parts.map { TokenID(ids[$0] ?? -1) }
    }
}
