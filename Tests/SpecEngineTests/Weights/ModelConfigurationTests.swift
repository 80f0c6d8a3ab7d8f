// The model configuration on a valid header and on headers with one wrong number each.

import SpecEngine
import TestSupport
import Testing

@Suite("Model configuration")
struct ModelConfigurationTests {
    @Test("A complete header gives the configuration that it states")
    func valid() throws {
        let configuration = try configuration(TinyGGUF.builder())
        #expect(configuration.architecture == .qwen3)
        #expect(configuration.layerCount == 2)
        #expect(configuration.headDimension == 6)
        #expect(configuration.vocabularySize == TinyGGUF.vocabularySize)
        #expect(configuration.hasTiedEmbeddings)
    }

    @Test(
        "An architecture that is not run is refused, with the list of those that are",
        arguments: ["gpt-j", "starcoder2", ""])
    func architectures(name: String) {
        #expect(
            problem { _ = try configuration(TinyGGUF.builder(architecture: name)) }
                == .unsupportedArchitecture(found: name, supported: ["qwen3", "qwen2", "llama"]))
    }

    @Test(
        "Numbers out of range or that do not divide are refused with the key's name",
        arguments: [
            ("block_count", 0), ("block_count", 5000), ("embedding_length", 0), ("embedding_length", 16),
            ("feed_forward_length", .max), ("context_length", 0), ("attention.head_count", 0),
            ("attention.head_count_kv", 3), ("attention.head_count_kv", 8), ("attention.head_count_kv", 0),
            ("attention.key_length", 7), ("attention.key_length", 1 << 20), ("attention.value_length", 8),
            ("vocab_size", 299), ("expert_count", 8),
        ] as [(String, UInt32)])
    func ranges(key: String, value: UInt32) {
        #expect(
            problem { _ = try configuration(header(replacing: key, uint32: value)) } != nil,
            "\(key) = \(value)")
    }

    @Test(
        "Rope base and epsilon must be positive, finite numbers",
        arguments: [0, -1, .nan, .infinity] as [Float])
    func floats(value: Float) {
        for key in ["rope.freq_base", "attention.layer_norm_rms_epsilon"] {
            #expect(
                problem { _ = try configuration(header(replacing: key, float32: value)) } != nil, "\(key)")
        }
    }

    @Test(
        "Frequencies are divided as linear and llama3 scaling say, by a tensor or by keys; others are refused by name"
    )
    func ropeScaling() throws {
        func rotary(_ change: (inout GGUFBuilder) -> Void) throws -> RotaryConfiguration {
            var builder = header(replacing: "rope.dimension_count", uint32: 4)
            change(&builder)
            return try configuration(builder).rotary
        }
        let plain = try rotary { _ in }
        #expect(plain.dimension == 4 && plain.pairing == .halves && plain.frequencyDivisors == [1, 1])
        let linear = try rotary {
            $0.add("qwen3.rope.scaling.type", string: "linear")
            $0.add("qwen3.rope.scaling.factor", float32: 4)
        }
        #expect(linear.frequencyDivisors == [4, 4])
        #expect(try rotary { $0.add("qwen3.rope.scale_linear", float32: 2) }.frequencyDivisors == [2, 2])
        let tensor = try rotary { $0.addTensor("rope_freqs.weight", dimensions: [2], floats: [1, 8]) }
        #expect(tensor.frequencyDivisors == [1, 8])
        // The first wave is 6 positions long, the second 6,283: within and beyond the 8,192 of the standard.
        let keys = try rotary {
            $0.add("qwen3.rope.scaling.type", string: "llama3")
            $0.add("qwen3.rope.scaling.original_context_length", uint32: 4_096)
        }
        #expect(keys.frequencyDivisors == [1, 8])
        for name in ["yarn", "longrope", "dynamic"] {
            #expect(
                problem { _ = try rotary { $0.add("qwen3.rope.scaling.type", string: name) } }
                    == .unsupportedFeature("the rope scaling \(name)"))
        }
        for (count, values) in [(2, [0, 1]), (2, [.nan, 1]), (3, [1, 1, 1])] as [(Int, [Float])] {
            let found = problem {
                _ = try rotary { $0.addTensor("rope_freqs.weight", dimensions: [count], floats: values) }
            }
            #expect(found != nil, "\(values)")
        }
    }

    @Test(
        "A tensor that nothing computes with is refused by name, not left out",
        arguments: [
            "blk.0.attn_norm.bias", "blk.2.attn_q.weight", "blk.x.attn_q.weight", "output.bias", "adapter",
        ])
    func unknownTensors(name: String) {
        var builder = TinyGGUF.builder()
        builder.addTensor(name, dimensions: [1], floats: [1])
        #expect(
            problem { _ = try configuration(builder) }
                == .unsupportedFeature("a model of the architecture qwen3 with the tensor \(name)"))
    }

    @Test("A missing key and a missing embedding are named")
    func missing() {
        var builder = GGUFBuilder()
        builder.add("general.architecture", string: "qwen3")
        #expect(problem { _ = try configuration(builder) } == .missingKey("qwen3.block_count"))
        #expect(
            problem { _ = try configuration(header(replacing: "", uint32: 0, embedding: false)) }
                == .missingTensor("token_embd.weight"))
    }

    @Test("Windows by layer: for all, by an array, for all but every n-th; none where it covers the context")
    func windows() throws {
        func windows(_ size: UInt32, _ add: (inout GGUFBuilder) -> Void = { _ in }) throws -> [Int] {
            var builder = TinyGGUF.builder()
            builder.add("qwen3.attention.sliding_window", uint32: size)
            add(&builder)
            let configuration = try configuration(builder)
            return (0..<2).map(configuration.window(ofLayer:))
        }
        let pattern = "qwen3.attention.sliding_window_pattern"
        let all: [UInt8] = [1, 0]
        let flags = GGUFBuilder.littleEndian(UInt32(7)) + GGUFBuilder.littleEndian(UInt64(2)) + all
        #expect(try windows(64) == [64, 64])
        #expect(try windows(128) == [0, 0])
        #expect(try windows(0) == [0, 0])
        #expect(try windows(.max) == [0, 0])
        #expect(try windows(64) { $0.add(pattern, uint32: 2) } == [64, 0])
        #expect(try windows(64) { $0.add(pattern, rawType: 9, value: flags) } == [64, 0])
        #expect(try windows(64) { $0.add(pattern, int32s: [0, 1]) } == [0, 64])
        #expect(problem { _ = try windows(64) { $0.add(pattern, int32s: [1]) } } != nil, "too short")
        #expect(problem { _ = try windows(64) { $0.add(pattern, int32s: [0, 2]) } } != nil, "not a flag")
        #expect(problem { _ = try windows(64) { $0.add(pattern, uint32: 0) } } != nil, "period 0")
        #expect(problem { _ = try windows(64) { $0.add(pattern, string: "x") } } != nil, "a string")
    }

    private func configuration(_ builder: GGUFBuilder) throws -> ModelConfiguration {
        let file = try TemporaryFile(builder.bytes)
        return try ModelConfiguration(try GGUFFile.open(file.path))
    }

    /// A valid header in which one key has another value.
    private func header(
        replacing key: String, uint32: UInt32? = nil, float32: Float? = nil, embedding: Bool = true
    ) -> GGUFBuilder {
        var builder = GGUFBuilder()
        builder.add("general.architecture", string: "qwen3")
        var counts: [String: UInt32] = [
            "block_count": 2, "embedding_length": 8, "feed_forward_length": 16, "context_length": 128,
            "attention.head_count": 4, "attention.head_count_kv": 2, "attention.key_length": 6,
        ]
        if let uint32, !key.isEmpty { counts[key] = uint32 }
        for (name, value) in counts { builder.add("qwen3.\(name)", uint32: value) }
        var floats: [String: Float] = ["rope.freq_base": 1e6, "attention.layer_norm_rms_epsilon": 1e-6]
        if let float32 { floats[key] = float32 }
        for (name, value) in floats { builder.add("qwen3.\(name)", float32: value) }
        if embedding {
            builder.addTensor(
                "token_embd.weight", dimensions: [8, 300], floats: [Float](repeating: 0, count: 2400))
        }
        return builder
    }
}
