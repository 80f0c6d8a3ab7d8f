// A whole run: configurations one after another, cases dealt to workers, answers into the journal, then the report.

import CompletionEvaluation
import SpecEngine
import Synchronization

/// What a run is made of.
struct EvaluationRun: Sendable {
    /// Failures in a row that end a run: the engine is gone, not the case odd.
    static let maximumFailuresInARow = 8

    let header: RunHeader
    /// This shard's.
    let cases: [EvaluationCase]
    let sweep: Sweep
    let repositoryRoot: String?
    let folder: String
    let workerCount: Int
    let recordsMargins: Bool
    let engines: EvaluationEngines
    let cancellation: CancellationFlag

    /// Runs what is not answered yet.
    func run() async throws {
        let log = try RunLog(
            folder: folder, header: header, total: cases.count * sweep.entries.count)
        for entry in sweep.entries {
            let open = await log.open(cases, entry: entry)
            guard !open.isEmpty else { continue }
            try await run(open, entry: entry, log: log)
        }
        try await log.checkSpeculation()
    }

    private func run(_ open: [EvaluationCase], entry: Sweep.Entry, log: RunLog) async throws {
        let queue = CaseQueue(open)
        let loaded = try engines.engines(for: entry.configuration, count: min(workerCount, open.count))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for engine in loaded {
                group.addTask { try await work(queue, engine: engine, entry: entry, log: log) }
            }
            try await group.waitForAll()
        }
    }

    private func work(
        _ queue: CaseQueue, engine: any EvaluationEngine, entry: Sweep.Entry, log: RunLog
    ) async throws {
        let runner = CaseRunner(
            entry: entry, engine: engine,
            prompts: CasePrompts(
                configuration: entry.configuration, repositoryRoot: repositoryRoot,
                tokenizer: engine.tokenizer,
                report: { StandardError.write("foretoken: \($0)") }),
            recordsMargins: recordsMargins, cancellation: cancellation)
        while let subject = queue.next() {
            try await log.append(try await runner.run(subject))
        }
    }
}

/// Cases still to be run; any worker.
private final class CaseQueue: Sendable {
    private let cases: [EvaluationCase]
    private let place = Atomic<Int>(0)

    init(_ cases: [EvaluationCase]) { self.cases = cases }

    func next() -> EvaluationCase? {
        let place = place.wrappingAdd(1, ordering: .relaxed).oldValue
        return place < cases.count ? cases[place] : nil
    }
}

/// The journal as the workers share it.
private actor RunLog {
    private let journal: RunJournal
    private let folder: String
    private let entries: [Sweep.Entry]
    private var progress: EvaluationProgress
    private var failuresInARow = 0

    init(folder: String, header: RunHeader, total: Int) throws {
        journal = try RunJournal(folder: folder, header: header)
        self.folder = folder
        entries = header.configurations
        progress = EvaluationProgress(total: total, resumed: journal.answered.count)
    }

    func open(_ cases: [EvaluationCase], entry: Sweep.Entry) -> [EvaluationCase] {
        cases.filter { !journal.answered.contains(.init(configuration: entry.name, id: $0.id)) }
    }

    func append(_ record: CaseRecord) throws {
        try journal.append(record)
        progress.note(record)
        failuresInARow = record.error == nil ? 0 : failuresInARow + 1
        guard failuresInARow < EvaluationRun.maximumFailuresInARow else {
            throw EvaluationError(
                .endpoint,
                "\(failuresInARow) cases in a row failed, the last one with: \(record.error ?? "")",
                fix: "mend that and start again with the same --output; what is answered stays")
        }
    }

    /// Ends the run when speculation changed a text.
    func checkSpeculation() throws {
        let records = try JournalReader.run(in: folder).records
        try SpeculationCheck.check(records, configurations: entries)
    }
}

/// Loads engines as configurations need them; keeps the last ones.
final class EvaluationEngines: Sendable {
    private struct Loaded {
        var configuration: RunConfiguration
        var engines: [any EvaluationEngine]
    }

    private let base: EngineConfiguration
    private let remote: RemoteEngineOptions?
    private let loaded = Mutex<Loaded?>(nil)

    init(base: EngineConfiguration, remote: RemoteEngineOptions?) {
        self.base = base
        self.remote = remote
    }

    /// One engine per worker. Workers share the machine's threads.
    func engines(for configuration: RunConfiguration, count: Int) throws -> [any EvaluationEngine] {
        if let found = loaded.withLock({ $0 }), Self.areLoadedAlike(found.configuration, configuration),
            found.engines.count == count
        {
            return found.engines
        }
        // Two models need not fit into memory together.
        loaded.withLock { $0 = nil }
        var settings = base
        settings.modelPath = configuration.model ?? base.modelPath
        settings.usesReference = configuration.usesReference
        settings.speculation.mode = SpeculationMode(rawValue: configuration.speculation) ?? .off
        let engines: [any EvaluationEngine]
        if let remote {
            engines = try remote.engines(tokenizerFrom: settings, count: count)
        } else {
            let threads = base.threadCount ?? ThreadChoice.automatic.count
            if count > 1 { settings.threadCount = max(1, threads / count) }
            engines = try (0..<count).map { _ in LocalEngine(engine: try settings.load(fillsHoles: false)) }
        }
        loaded.withLock { $0 = Loaded(configuration: configuration, engines: engines) }
        return engines
    }

    private static func areLoadedAlike(_ a: RunConfiguration, _ b: RunConfiguration) -> Bool {
        a.model == b.model && a.usesReference == b.usesReference && a.speculation == b.speculation
    }
}
