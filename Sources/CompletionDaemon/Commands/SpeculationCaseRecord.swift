// What one case of `bench --scenario speculation` gave, as it is written to the case file: one line of JSON a case, so
// that a run that is cut off loses one case at most and goes on where it stopped.

import SpecEngine

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
#if canImport(Glibc)
    import Glibc
#endif

struct SpeculationCaseRecord: Codable {
    /// Counters of one kind of decoding; times come from the profiled run, which is not timed as a whole.
    struct Profile: Codable {
        var rounds = 0
        var emitted = 0
        var passesByRowCount: [Int] = []
        var levelsByRowCount: [Int] = []
        /// What the target's passes took in the timed runs.
        var passSeconds = 0.0
        /// [source][depth]
        var drafted: [[Int]] = []
        var accepted: [[Int]] = []
        var draftSeconds = 0.0
        var attentionSeconds = 0.0
        var linearSeconds = 0.0
        var verificationSeconds = 0.0
    }

    /// What passes and levels cost, measured between the repetitions of a case.
    struct Costs: Codable {
        var passRows: [Int] = []
        var passSeconds: [Double] = []
        var levelRows: [Int] = []
        var levelSeconds: [Double] = []
        /// With the LM head over the whole vocabulary.
        var fullHeadLevelSeconds: [Double] = []

        var curve: SpeculationCosts {
            SpeculationCosts(
                passes: zip(passRows, passSeconds).map { ($0, $1) },
                levels: zip(levelRows, levelSeconds).map { ($0, $1) })
        }
    }

    /// What must be equal for two runs to be one.
    let settings: String
    let name: String
    let promptTokenCount: Int
    /// Tokens after the first, which the prompt's pass gives.
    let tokenCount: Int
    /// Passes of plain decoding after the prompt's: one for each token, and one more that draws what ends a text.
    let plainRounds: Int
    /// Tokens per second, by kind, one for each repetition; repetitions stand side by side.
    var rates: [String: [Double]] = [:]
    var profiles: [String: Profile] = [:]
    /// Of `ShapeSearch.shapes`, by kind; infinite where a shape is not possible.
    var shapeSeconds: [String: [Double]] = [:]
    var costs = Costs()

    /// Whether its lists fit each other and the shapes of this build, and its counts are small enough to be added up:
    /// a line may have been written by anything.
    var isWellFormed: Bool {
        let seconds = costs.passSeconds + costs.levelSeconds + costs.fullHeadLevelSeconds
        return promptTokenCount > 0 && Self.counts.contains(tokenCount)
            && (tokenCount...tokenCount + 1).contains(plainRounds)
            && costs.passRows.first == 1 && Self.ascends(costs.passRows) && Self.ascends(costs.levelRows)
            && costs.passRows.count == costs.passSeconds.count
            && costs.levelRows.count == costs.levelSeconds.count
            && [0, costs.levelRows.count].contains(costs.fullHeadLevelSeconds.count)
            && seconds.allSatisfy { $0 > 0 && $0.isFinite }
            && Set(rates.values.map(\.count)).count <= 1
            && shapeSeconds.values.allSatisfy { $0.count == ShapeSearch.shapes.count }
            && profiles.values.allSatisfy(\.isWellFormed)
    }

    fileprivate static let counts = 0...1 << 40

    private static func ascends(_ rows: [Int]) -> Bool {
        rows.allSatisfy { (1...Int(UInt16.max)).contains($0) } && zip(rows, rows.dropFirst()).allSatisfy(<)
    }

    /// The median of the pairs' ratios.
    func speedup(_ kind: String) -> Double? {
        guard let plain = rates["plain"], let rates = rates[kind], !plain.isEmpty, plain.count == rates.count
        else {
            return nil
        }
        return BenchStatistics.median(zip(rates, plain).map { $0 / $1 })
    }
}

extension SpeculationCaseRecord.Costs {
    /// Medians of measurements of the same row counts, one by one.
    init(mediansOf samples: [Self]) {
        func medians(_ seconds: KeyPath<Self, [Double]>) -> [Double] {
            (samples.first?[keyPath: seconds] ?? []).indices.map { index in
                BenchStatistics.median(samples.map { $0[keyPath: seconds][index] })
            }
        }
        passRows = samples.first?.passRows ?? []
        passSeconds = medians(\.passSeconds)
        levelRows = samples.first?.levelRows ?? []
        levelSeconds = medians(\.levelSeconds)
        fullHeadLevelSeconds = medians(\.fullHeadLevelSeconds)
    }
}

extension SpeculationCaseRecord.Profile {
    fileprivate var isWellFormed: Bool {
        let counts = [rounds, emitted] + passesByRowCount + levelsByRowCount + (drafted + accepted).flatMap { $0 }
        return counts.allSatisfy(SpeculationCaseRecord.counts.contains)
            && passSeconds >= 0 && passSeconds.isFinite
            && drafted.map(\.count) == accepted.map(\.count)
    }
}

/// The file that cases are appended to.
struct SpeculationCaseFile {
    private let path: String?
    private(set) var records: [SpeculationCaseRecord] = []
    private var endsInTornLine = false

    private static let byteCountLimit = 64 << 20

    /// Reads what is there. A last line that was cut off, and lines of other settings or of another form, do not count.
    init(path: String?, settings: String) throws {
        self.path = path
        guard let path, access(path, F_OK) == 0 else { return }
        let bytes = try SourceFile.readBytes(path)
        guard bytes.count < Self.byteCountLimit else {
            throw CommandError.usage("\(path) is too large to be a case file", fix: "name another one")
        }
        endsInTornLine = bytes.last.map { $0 != UInt8(ascii: "\n") } ?? false
        records = bytes.split(separator: UInt8(ascii: "\n")).compactMap {
            try? JSONDecoder().decode(SpeculationCaseRecord.self, from: Data($0))
        }.filter { $0.settings == settings && $0.isWellFormed }
    }

    func contains(name: String, promptTokenCount: Int) -> Bool {
        records.contains { $0.name == name && $0.promptTokenCount == promptTokenCount }
    }

    mutating func append(_ record: SpeculationCaseRecord) throws {
        records.append(record)
        guard let path else { return }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .throw
        var line = [UInt8](try encoder.encode(record)) + [UInt8(ascii: "\n")]
        if endsInTornLine { line.insert(UInt8(ascii: "\n"), at: 0) }
        endsInTornLine = false
        let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            throw CommandError.file(
                "\(path): \(String(cString: strerror(errno)))", fix: "choose another --case-file")
        }
        defer { close(descriptor) }
        guard FileDescriptorOutput.write(line, to: descriptor) else {
            throw CommandError.file("\(path) could not be written", fix: "check the space on that disk")
        }
    }
}
