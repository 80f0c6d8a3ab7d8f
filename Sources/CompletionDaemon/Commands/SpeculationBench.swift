// Runs the cases of `bench --scenario speculation`: each is decoded plainly and with each kind of speculation in turn
// on the same engine. Texts must agree, or the command fails. What a case gave goes to the case file at once.

import SpecEngine

struct SpeculationBench {
    /// One way to decode; `alternative` is nil for plain decoding.
    struct Kind {
        let name: String
        let alternative: Int?
        /// Whether its drafts are recorded, for the search of the best shape.
        var isRecorded = false
    }

    static let plain = Kind(name: "plain", alternative: nil)
    static let passRowCounts = [1, 2, 3, 4, 6, 8, 9, 12, 16, 24, 32]
    static let levelRowCounts = [1, 2, 4, 8, 16]
    /// Repetitions from one measurement of the costs to the next.
    private static let costInterval = 2
    /// A median over few tokens is noise: shorter texts are repeated more often, up to so many times as often.
    private static let fullTokenCount = 32
    private static let maximumRepetitionFactor = 5

    let engine: InferenceEngine
    let kinds: [Kind]
    /// The alternative whose draft has the LM head over the whole vocabulary; nil without a draft.
    let fullHeadAlternative: Int?
    let pairCount: Int
    let maximumTokens: Int
    /// Whether an end token ends a text. τ of texts that end after a few tokens says more about their length than
    /// about drafts.
    let stopsAtEnd: Bool
    let settings: String
    let isQuiet: Bool

    /// All cases of one prompt size that are not in the file yet.
    func run(_ cases: [SpeculationWorkload.Case], file: inout SpeculationCaseFile) async throws {
        for (index, each) in cases.enumerated() {
            guard !file.contains(name: each.name, promptTokenCount: each.prompt.count) else { continue }
            let record = try await run(each)
            try file.append(record)
            if !isQuiet { progress(record, "\(index + 1)/\(cases.count)") }
        }
    }

    private func progress(_ record: SpeculationCaseRecord, _ place: String) {
        let gains = kinds.compactMap { kind in
            record.speedup(kind.name).map { "\(kind.name) \(($0 * 1_000).rounded() / 1_000)" }
        }
        StandardError.write(
            "\(place) \(record.promptTokenCount) \(record.name): \(gains.joined(separator: ", "))")
    }

    private func run(_ each: SpeculationWorkload.Case) async throws -> SpeculationCaseRecord {
        let expected = try await generate(each.prompt, kind: Self.plain).tokens
        var record = SpeculationCaseRecord(
            settings: settings, name: each.name, promptTokenCount: each.prompt.count,
            tokenCount: max(0, expected.count - 1),
            plainRounds: expected.count - (expected.count == maximumTokens ? 1 : 0))
        var costs: [SpeculationCaseRecord.Costs] = []
        try await measureFurther(behind: each.prompt)
        let learned = await learned()
        for repetition in 0...repetitionCount(tokenCount: record.tokenCount) {
            if repetition % Self.costInterval == 0 { costs.append(try await measureCosts()) }
            // The first one warms up and is profiled. All begin with what was known before this text.
            await engine.setProfiling(repetition == 0)
            for (alternative, learned) in learned { await engine.restore(learned, alternative: alternative) }
            for kind in shuffledKinds(repetition) {
                // As a key follows a key: the prompt is read, by the draft layer too, and nothing behind it.
                _ = try await generate(each.prompt, kind: kind, maximumTokens: 1)
                let generation = try await generate(each.prompt, kind: kind)
                guard generation.tokens == expected else {
                    throw CommandError.file(
                        "\(each.name): \(kind.name) gives other tokens than plain decoding",
                        fix: "this is a fault in foretoken: please report it")
                }
                add(generation, kind: kind, isProfile: repetition == 0, to: &record)
            }
        }
        await engine.setProfiling(false)
        record.costs = SpeculationCaseRecord.Costs(mediansOf: costs)
        await searchShapes(prompt: each.prompt, continuation: expected, of: &record)
        return record
    }

    /// Timed repetitions; none of a text that has no speed.
    private func repetitionCount(tokenCount: Int) -> Int {
        guard tokenCount > 0 else { return 0 }
        let factor = (Self.fullTokenCount + tokenCount - 1) / tokenCount
        return pairCount * min(Self.maximumRepetitionFactor, factor)
    }

    /// What every fixed shape would have taken.
    private func searchShapes(
        prompt: [TokenID], continuation: [TokenID], of record: inout SpeculationCaseRecord
    ) async {
        for kind in kinds where kind.isRecorded && record.tokenCount > 0 {
            guard let alternative = kind.alternative else { continue }
            let drafts = await engine.recordDrafts(
                alternative: alternative, prompt: prompt, continuation: continuation,
                nodeCount: ShapeSearch.nodeCounts.last ?? 0)
            let seconds = ShapeSearch.seconds(
                drafts, endsText: record.plainRounds > record.tokenCount, costs: record.costs.curve)
            record.shapeSeconds[kind.name] = ShapeSearch.shapes.map { seconds[$0] ?? 0 }
        }
    }

    /// As in a daemon whose user has paused for a second, it is known what rows cost behind a prompt.
    private func measureFurther(behind prompt: [TokenID]) async throws {
        for kind in kinds where kind.alternative != nil {
            _ = try await generate(prompt, kind: kind, maximumTokens: 1)
        }
        await engine.finishMeasuring()
    }

    private func learned() async -> [(alternative: Int, SpeculationLearning)] {
        var result: [(alternative: Int, SpeculationLearning)] = []
        for alternative in kinds.compactMap(\.alternative) {
            if let learned = await engine.learned(alternative: alternative) { result.append((alternative, learned)) }
        }
        return result
    }

    /// Another order in every repetition, the same ones in every run: no kind is always first after another.
    private func shuffledKinds(_ repetition: Int) -> [Kind] {
        var random = SeededGenerator(seed: UInt64(repetition))
        return kinds.map { (kind: $0, key: random.uniform()) }.sorted { $0.key < $1.key }.map(\.kind)
    }

    private func add(
        _ generation: Generation, kind: Kind, isProfile: Bool, to record: inout SpeculationCaseRecord
    ) {
        let seconds = generation.decodeTime / .seconds(1)
        if !isProfile { record.rates[kind.name, default: []].append(Double(record.tokenCount) / seconds) }
        guard let telemetry = generation.speculation else { return }
        var profile = record.profiles[kind.name] ?? SpeculationCaseRecord.Profile()
        if isProfile {
            profile.draftSeconds = telemetry.draftTime / .seconds(1)
            profile.attentionSeconds = telemetry.attentionTime / .seconds(1)
            profile.linearSeconds = (telemetry.targetTime - telemetry.attentionTime) / .seconds(1)
            profile.verificationSeconds = telemetry.verificationTime / .seconds(1)
        } else {
            profile.add(SpeculationCaseRecord.Profile(telemetry))
        }
        record.profiles[kind.name] = profile
    }

    /// Of every width once, behind the prompt that was read last.
    private func measureCosts() async throws -> SpeculationCaseRecord.Costs {
        let recorded = kinds.first { $0.isRecorded }?.alternative
        guard let alternative = recorded ?? kinds.compactMap(\.alternative).last,
            let (passes, levels) = await engine.measurePassesAndLevels(
                alternative: alternative, rowCounts: Self.passRowCounts, levelRowCounts: Self.levelRowCounts)
        else {
            throw CommandError.usage("--depths leaves no room to measure passes", fix: "choose smaller ones")
        }
        var fullHead: [Double] = []
        if let fullHeadAlternative {
            fullHead =
                await engine.measurePassesAndLevels(
                    alternative: fullHeadAlternative, rowCounts: [], levelRowCounts: Self.levelRowCounts)?.levels ?? []
        }
        return SpeculationCaseRecord.Costs(
            passRows: Self.passRowCounts, passSeconds: passes,
            levelRows: levels.isEmpty ? [] : Self.levelRowCounts, levelSeconds: levels, fullHeadLevelSeconds: fullHead)
    }

    private func generate(
        _ prompt: [TokenID], kind: Kind, maximumTokens: Int? = nil
    ) async throws -> Generation {
        if InterruptFlag.isRaised { throw InterruptFlag.error }
        let request = GenerationRequest(
            prompt: prompt, maximumTokens: maximumTokens ?? self.maximumTokens, sampling: .greedy,
            endTokens: stopsAtEnd ? engine.tokenizer.specialTokens.endOfText : [], cancellation: CancellationFlag())
        guard let alternative = kind.alternative else { return try await engine.generate(request) }
        return try await engine.generate(request, alternative: alternative)
    }
}

extension SpeculationCaseRecord.Profile {
    /// Depths that are reported one by one.
    static let depthCount = 12

    init(_ telemetry: SpeculationTelemetry) {
        rounds = telemetry.rounds
        emitted = telemetry.emitted
        passesByRowCount = telemetry.passesByRowCount
        levelsByRowCount = telemetry.levelsByRowCount
        passSeconds = telemetry.targetTime / .seconds(1)
        drafted = telemetry.draftedBySourceAndDepth.map { Array($0.prefix(Self.depthCount)) }
        accepted = telemetry.acceptedBySourceAndDepth.map { Array($0.prefix(Self.depthCount)) }
    }
}
