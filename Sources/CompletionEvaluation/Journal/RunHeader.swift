// What a run is: the first line of its journal. A journal is continued only by a run whose header says the same.

/// The identity of a run.
package struct RunHeader: Codable, Sendable, Equatable {
    package static let currentSchema = 1

    package var schema = RunHeader.currentSchema
    /// Version of the program.
    package var version: String
    /// `repo`, `history` or a data set's name.
    package var kind: String
    /// The repository's or file's base name: enough to recognise it, and no path of a machine.
    package var subject: String
    /// The commit or the file's checksum.
    package var source: String
    package var limit: Int
    package var seed: UInt64
    package var shard: Shard
    /// Cases in the whole run and in this shard.
    package var caseCount: Int
    package var shardCaseCount: Int
    package var candidateCount: Int
    /// A checksum over this shard's cases.
    package var fingerprint: String
    package var engine: String
    package var configurations: [Sweep.Entry]
    package var skipped: [SkippedInput]
    package var skippedCount: Int
    package var unknownFields: [String: Int]

    /// Skipped rows written down one by one.
    package static let maximumSkippedCount = 1_000

    package init(
        version: String, kind: String, subject: String, selection: CaseSelection, limit: Int, seed: UInt64,
        shard: Shard, engine: String, sweep: Sweep
    ) {
        self.version = version
        self.kind = kind
        self.subject = subject
        source = selection.source
        self.limit = limit
        self.seed = seed
        self.shard = shard
        caseCount = selection.cases.count
        candidateCount = selection.candidateCount
        var part = selection
        part.keep(shard)
        shardCaseCount = part.cases.count
        fingerprint = part.fingerprint
        self.engine = engine
        configurations = sweep.entries
        skipped = Array(selection.skipped.prefix(Self.maximumSkippedCount))
        skippedCount = selection.skipped.count
        unknownFields = selection.unknownFields
    }

    enum CodingKeys: String, CodingKey {
        case schema, version, kind, subject, source, limit, seed, shard, fingerprint, engine, configurations,
            skipped
        case caseCount = "case_count"
        case shardCaseCount = "shard_case_count"
        case candidateCount = "candidate_count"
        case skippedCount = "skipped_count"
        case unknownFields = "unknown_fields"
    }
}
