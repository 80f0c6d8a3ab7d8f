// Everything `foretoken model check` finds out about one model file: what it is, whether it fills holes, what it costs.

import SpecEngine

/// The result for one file.
struct ModelCheck: Encodable {
    struct SpecialToken: Encodable {
        let id: Int32
        let text: String
    }

    struct FillInMiddle: Encodable {
        let prefix: SpecialToken?
        let suffix: SpecialToken?
        let middle: SpecialToken?
        let repository: SpecialToken?
        let fileSeparator: SpecialToken?
        let order: String

        enum CodingKeys: String, CodingKey {
            case prefix, suffix, middle, repository, order
            case fileSeparator = "file_separator"
        }

        /// Names of the tokens without which no hole can be marked.
        var missing: [String] {
            [("prefix", prefix), ("suffix", suffix), ("middle", middle)].filter { $0.1 == nil }.map(\.0)
        }
    }

    struct Memory: Encodable {
        let weights: Int
        let keysAndValuesPer1000Tokens: Int

        enum CodingKeys: String, CodingKey {
            case weights = "weights_bytes"
            case keysAndValuesPer1000Tokens = "keys_and_values_bytes_per_1000_tokens"
        }
    }

    struct Speed: Encodable {
        let prompt: Double
        let decode: Double
        let threads: Int

        enum CodingKeys: String, CodingKey {
            case threads
            case prompt = "prompt_tokens_per_second"
            case decode = "decode_tokens_per_second"
        }
    }

    let schema = 1
    let path: String
    let byteCount: Int
    let name: String
    let architecture: String
    let layers: Int
    let hiddenSize: Int
    let vocabularySize: Int
    let contextLength: Int
    /// Storage formats of the matrices, the one with most bytes first.
    let tensorTypes: [String]
    let tokenizer: String
    let fillInMiddle: FillInMiddle
    /// Empty where there are no tokens to mark a hole with.
    let holes: [HoleTest.Outcome]
    let memory: Memory
    let speed: Speed
    /// Why `serve` would refuse the model, or should not be asked to use it; nil where it may.
    let problem: String?

    enum CodingKeys: String, CodingKey {
        case schema, path, name, architecture, layers, tokenizer, holes, memory, speed, problem
        case byteCount = "size_bytes"
        case hiddenSize = "hidden_size"
        case vocabularySize = "vocabulary_size"
        case contextLength = "context_length"
        case tensorTypes = "tensor_types"
        case fillInMiddle = "fill_in_middle"
    }

    var closedCount: Int { holes.count(where: \.passed) }
}

extension ModelCheck {
    /// Loads the model and tries it. Errors are those of loading: the file is no model that this version runs.
    static func run(path: String, threadCount: Int?, instructionSet: InstructionSet) async throws
        -> ModelCheck
    {
        let file = try ModelFile.open(path)
        let engine = try EngineConfiguration(
            modelPath: path, threadCount: threadCount, instructionSet: instructionSet
        ).load(fillsHoles: false)
        let fillInMiddle = FillInMiddle(engine.tokenizer)
        let isMarked = fillInMiddle.missing.isEmpty
        let holes = isMarked ? try await HoleTest.run(on: engine) : []
        let configuration = engine.configuration
        return ModelCheck(
            path: path, byteCount: file.byteCount, name: configuration.name,
            architecture: configuration.architecture.rawValue, layers: configuration.layerCount,
            hiddenSize: configuration.hiddenSize, vocabularySize: configuration.vocabularySize,
            contextLength: configuration.contextLength, tensorTypes: file.matrixTypes,
            tokenizer: engine.tokenizer.name, fillInMiddle: fillInMiddle, holes: holes,
            memory: Memory(
                weights: await engine.memory().weights,
                keysAndValuesPer1000Tokens: Int(await engine.keyValueByteCountPerPosition() * 1_000)),
            speed: await speed(of: engine), problem: problem(fillInMiddle, holes))
    }

    private static func problem(_ fillInMiddle: FillInMiddle, _ holes: [HoleTest.Outcome]) -> String? {
        if !fillInMiddle.missing.isEmpty {
            return
                "it has no fill-in-the-middle tokens (\(fillInMiddle.missing.joined(separator: ", "))), so it "
                + "cannot complete inside a file"
        }
        let closed = holes.count(where: \.passed)
        guard closed < HoleTest.requiredCount else { return nil }
        return
            "it closed \(closed) of \(holes.count) holes: a chat model, or one whose tokens do not fit its weights"
    }

    /// The better of two short runs: the first brings the weights into memory.
    private static func speed(of engine: InferenceEngine) async -> Speed {
        let (promptCount, decodeCount) = (128, 16)
        var (prompt, decode) = (0.0, 0.0)
        for _ in 0..<2 {
            let tokens = [TokenID](repeating: TokenID(0), count: promptCount)
            func rate(_ work: TimedWork) async -> Double {
                Double(work.tokenCount) / (await engine.seconds(for: work, of: tokens, behind: 0))
            }
            prompt = max(prompt, await rate(.prompt(promptCount)))
            decode = max(decode, await rate(.decode(decodeCount)))
        }
        func rounded(_ value: Double) -> Double { (value * 10).rounded() / 10 }
        return Speed(prompt: rounded(prompt), decode: rounded(decode), threads: engine.threadCount)
    }
}

extension ModelCheck.FillInMiddle {
    init(_ tokenizer: Tokenizer) {
        func token(_ id: TokenID?) -> ModelCheck.SpecialToken? {
            id.map { .init(id: $0.rawValue, text: String(decoding: tokenizer.bytes(of: $0), as: UTF8.self)) }
        }
        let special = tokenizer.specialTokens
        prefix = token(special.fimPrefix)
        suffix = token(special.fimSuffix)
        middle = token(special.fimMiddle)
        repository = token(special.repositoryName)
        fileSeparator = token(special.fileSeparator)
        order =
            switch special.fillInMiddleOrder {
            case .prefixSuffixMiddle: "prefix, suffix, middle"
            case .suffixPrefixMiddle: "suffix, prefix, middle"
            case .suffixMiddlePrefix: "suffix, middle, prefix"
            }
    }
}

/// What a model file says about itself, without loading it.
struct ModelFile {
    let byteCount: Int
    let name: String
    let architecture: String
    let matrixTypes: [String]

    static func open(_ path: String) throws(EngineError) -> ModelFile {
        do {
            let file = try GGUFFile.open(path)
            var bytes: [String: Int] = [:]
            for tensor in file.tensors.values where tensor.dimensions.count > 1 {
                bytes[tensor.type.name, default: 0] += tensor.byteCount
            }
            return ModelFile(
                byteCount: file.byteCount, name: try file.metadata.string("general.name") ?? "unnamed",
                architecture: try file.metadata.requiredString("general.architecture"),
                matrixTypes: bytes.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map(\.key))
        } catch {
            throw .model(error)
        }
    }
}
