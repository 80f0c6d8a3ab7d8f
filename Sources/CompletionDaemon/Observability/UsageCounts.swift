// Numbers about suggestions: how many were shown and taken, how long answers took. No text, no path, no name but the
// language's. Pure values that add up; UsageStore keeps them on disk.

/// How long answers took, in buckets that grow by a quarter each from 0.5 ms to beyond a minute.
struct LatencyHistogram: Codable, Equatable, Sendable {
    static let bucketCount = 54
    private static let smallestMilliseconds = 0.5
    private static let growth = 1.25

    private(set) var counts = [Int](repeating: 0, count: bucketCount)

    init() {}

    /// Takes what another program wrote; another number of buckets is another format.
    init(from decoder: any Decoder) throws {
        counts = try decoder.singleValueContainer().decode([Int].self)
        guard counts.count == Self.bucketCount, counts.allSatisfy({ $0 >= 0 }) else {
            throw DecodingError.dataCorrupted(
                DecodingError.Context(codingPath: decoder.codingPath, debugDescription: "not a latency histogram"))
        }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(counts)
    }

    var total: Int { counts.reduce(0) { $0.addingSaturated($1) } }

    mutating func add(_ duration: Duration) {
        var bucket = 0
        var bound = Self.smallestMilliseconds
        let milliseconds = duration / .milliseconds(1)
        while bucket < Self.bucketCount - 1, milliseconds > bound {
            bound *= Self.growth
            bucket += 1
        }
        counts[bucket] = counts[bucket].addingSaturated(1)
    }

    mutating func add(_ other: LatencyHistogram) {
        for index in counts.indices { counts[index] = counts[index].addingSaturated(other.counts[index]) }
    }

    /// The upper bound, in milliseconds, of the bucket in which a share of the answers is reached; nil without answers.
    func percentile(_ share: Double) -> Double? {
        let total = total
        guard total > 0 else { return nil }
        let wanted = max(1, (Double(total) * share).rounded(.up))
        var seen = 0
        var bound = Self.smallestMilliseconds
        for count in counts {
            seen = seen.addingSaturated(count)
            if Double(seen) >= wanted { return bound }
            bound *= Self.growth
        }
        return bound
    }
}

/// The counts of one language on one day.
struct UsageCounts: Codable, Equatable, Sendable {
    /// Requests answered with at least one suggestion, and with none.
    var answered = 0
    var empty = 0
    var shown = 0
    var accepted = 0
    var partiallyAccepted = 0
    var shownCharacters = 0
    var acceptedCharacters = 0
    /// Of those, still there half a minute later.
    var keptCharacters = 0
    /// From the request to its answer, superseded and cancelled requests left out.
    var latency = LatencyHistogram()

    init() {}

    /// Members that earlier versions did not write are zero.
    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        func count(_ key: CodingKeys) throws -> Int { try container.decodeIfPresent(Int.self, forKey: key) ?? 0 }
        answered = try count(.answered)
        empty = try count(.empty)
        shown = try count(.shown)
        accepted = try count(.accepted)
        partiallyAccepted = try count(.partiallyAccepted)
        shownCharacters = try count(.shownCharacters)
        acceptedCharacters = try count(.acceptedCharacters)
        keptCharacters = try count(.keptCharacters)
        latency = try container.decode(LatencyHistogram.self, forKey: .latency)
    }

    mutating func add(_ other: UsageCounts) {
        answered = answered.addingSaturated(other.answered)
        empty = empty.addingSaturated(other.empty)
        shown = shown.addingSaturated(other.shown)
        accepted = accepted.addingSaturated(other.accepted)
        partiallyAccepted = partiallyAccepted.addingSaturated(other.partiallyAccepted)
        shownCharacters = shownCharacters.addingSaturated(other.shownCharacters)
        acceptedCharacters = acceptedCharacters.addingSaturated(other.acceptedCharacters)
        keptCharacters = keptCharacters.addingSaturated(other.keptCharacters)
        latency.add(other.latency)
    }

    mutating func note(_ event: UsageEvent) {
        switch event {
        case .shown(_, let characters):
            shown += 1
            shownCharacters += characters
        case .accepted(_, let characters):
            accepted += 1
            acceptedCharacters += characters
        case .partiallyAccepted(_, let characters):
            partiallyAccepted += 1
            acceptedCharacters += characters
        case .kept(_, let characters):
            keptCharacters += characters
        }
    }
}

/// Counts by day (`YYYY-MM-DD`, local time) and language.
struct UsageHistory: Codable, Equatable, Sendable {
    static let currentSchema = 1
    /// Days kept; the oldest go first.
    static let maximumDayCount = 400
    /// Languages of one day; what comes beyond is counted under the empty name.
    static let maximumLanguageCount = 64

    private(set) var schema = currentSchema
    private(set) var days: [String: [String: UsageCounts]] = [:]

    mutating func change(day: String, languageID: String, _ change: (inout UsageCounts) -> Void) {
        let isKnown = days[day]?[languageID] != nil
        let isFull = days[day].map { $0.count >= Self.maximumLanguageCount } ?? false
        change(&days[day, default: [:]][isKnown || !isFull ? languageID : "", default: UsageCounts()])
    }

    mutating func add(_ other: UsageHistory) {
        for (day, languages) in other.days {
            for (language, counts) in languages {
                change(day: day, languageID: language) { $0.add(counts) }
            }
        }
        for day in days.keys.sorted().dropLast(Self.maximumDayCount) { days[day] = nil }
    }
}

extension Int {
    /// The sum, or the largest number: a count read from a file must not be able to trap.
    fileprivate func addingSaturated(_ other: Int) -> Int {
        let (sum, isOverflow) = addingReportingOverflow(other)
        return isOverflow ? .max : sum
    }
}
