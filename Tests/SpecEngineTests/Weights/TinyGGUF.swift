// The small but complete GGUF files that the tests of the reader and of the tokenizer start from.

import TestSupport

enum TinyGGUF {
    static let hiddenSize = 8
    static let vocabularySize = 300

    /// A qwen3 header, an embedding matrix and one more tensor; about 20 kB.
    static func builder(architecture: String = "qwen3") -> GGUFBuilder {
        var builder = GGUFBuilder()
        builder.add("general.architecture", string: architecture)
        builder.add("general.name", string: "tiny")
        for (key, value) in counts { builder.add("qwen3.\(key)", uint32: value) }
        builder.add("qwen3.rope.freq_base", float32: 1_000_000)
        builder.add("qwen3.attention.layer_norm_rms_epsilon", float32: 1e-6)
        addTokenizer(&builder)
        let embedding = (0..<hiddenSize * vocabularySize).map { Float($0 % 7) }
        builder.addTensor("token_embd.weight", dimensions: [hiddenSize, vocabularySize], floats: embedding)
        builder.addTensor(
            "output_norm.weight", dimensions: [hiddenSize], floats: Array(embedding.prefix(8)))
        return builder
    }

    /// The tokens of the 256 bytes, in order.
    static let byteTokens = (0...255).map { byteLetter(UInt8($0)) }

    private static let counts: [(String, UInt32)] = [
        ("block_count", 2), ("embedding_length", UInt32(hiddenSize)), ("feed_forward_length", 16),
        ("context_length", 128), ("attention.head_count", 4), ("attention.head_count_kv", 2),
        ("attention.key_length", 6), ("attention.value_length", 6), ("vocab_size", UInt32(vocabularySize)),
    ]

    /// Two special tokens, the 256 bytes, a few merged tokens, and unused entries up to the vocabulary's
    /// size.
    private static func addTokenizer(_ builder: inout GGUFBuilder) {
        let merges = [("h", "e"), ("l", "l"), ("he", "ll"), ("hell", "o"), ("Ġ", "Ġ"), ("ĠĠ", "ĠĠ")]
        var tokens = ["<|endoftext|>", "<|fim_middle|>"] + byteTokens
        tokens += merges.map { $0.0 + $0.1 }
        tokens += (tokens.count..<vocabularySize).map { "<|unused_\($0)|>" }
        let types = tokens.map { Int32($0.hasPrefix("<|") ? 3 : 1) }
        builder.add("tokenizer.ggml.model", string: "gpt2")
        builder.add("tokenizer.ggml.pre", string: "qwen2")
        builder.add("tokenizer.ggml.tokens", strings: tokens)
        builder.add("tokenizer.ggml.token_type", int32s: types)
        builder.add("tokenizer.ggml.merges", strings: merges.map { "\($0.0) \($0.1)" })
        builder.add("tokenizer.ggml.eos_token_id", uint32: 0)
        builder.add("tokenizer.ggml.fim_mid_token_id", uint32: 1)
    }

    /// GPT-2's printable stand-in for a byte.
    private static func byteLetter(_ byte: UInt8) -> String {
        let kept = Array(33...126) + Array(161...172) + Array(174...255)
        if kept.contains(Int(byte)) { return String(Unicode.Scalar(byte)) }
        let shifted = (0...255).filter { !kept.contains($0) }
        let index = shifted.firstIndex(of: Int(byte)) ?? 0
        return String(Unicode.Scalar(UInt32(256 + index)).map(Character.init) ?? "?")
    }
}
