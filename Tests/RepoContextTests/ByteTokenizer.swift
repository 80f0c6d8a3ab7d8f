// A tokenizer for tests: one token per byte, structural tokens above the bytes. It makes every property of a
// prompt visible in its tokens, and text can be read back. The real tokenizer belongs to the engine; the
// daemon's tests rebuild the golden prompts with it, token by token.

import Synchronization

@testable import RepoContext

struct ByteTokenizer: PromptTokenizer {
    /// Tokens that this vocabulary lacks.
    var missing: Set<StructuralToken> = [.beginOfText]

    func encode(_ text: [UInt8]) -> [Int32] { text.map(Int32.init) }

    func structuralToken(_ token: StructuralToken) -> Int32? {
        guard !missing.contains(token) else { return nil }
        return 256 + Int32(StructuralToken.allCases.firstIndex(of: token)!)
    }

    static let spellings: [StructuralToken: String] = [
        .repoName: "<|repo_name|>", .fileSeparator: "<|file_sep|>", .fimPrefix: "<|fim_prefix|>",
        .fimSuffix: "<|fim_suffix|>", .fimMiddle: "<|fim_middle|>", .beginOfText: "<s>",
    ]

    /// The prompt as text, structural tokens spelled out.
    static func text(_ tokens: some Sequence<Int32>) -> String {
        var bytes: [UInt8] = []
        for token in tokens {
            if let byte = UInt8(exactly: token) {
                bytes.append(byte)
            } else {
                bytes += Array(spellings[StructuralToken.allCases[Int(token - 256)]]!.utf8)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension Prompt {
    /// The text of the prompt, made with ByteTokenizer.
    var text: String { ByteTokenizer.text(tokens) }
}

/// The same, counting how often it was asked to encode.
struct CountingTokenizer: PromptTokenizer {
    final class Count: Sendable {
        private let value = Mutex(0)
        var encodeCount: Int { value.withLock { $0 } }
        func add() { value.withLock { $0 += 1 } }
    }

    let count = Count()

    func encode(_ text: [UInt8]) -> [Int32] {
        count.add()
        return ByteTokenizer().encode(text)
    }

    func structuralToken(_ token: StructuralToken) -> Int32? { ByteTokenizer().structuralToken(token) }
}
