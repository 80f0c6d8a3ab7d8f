// What speculation did, as JSON: the names of the contract, and who proposed what.

import SpecEngine

struct SpeculationResult: Encodable {
    struct Source: Encodable {
        let drafted: Int
        let accepted: Int
    }

    let rounds: Int
    let drafted: Int
    let accepted: Int
    let meanAcceptedLength: Double
    let sources: [String: Source]

    enum CodingKeys: String, CodingKey {
        case rounds, drafted, accepted, sources
        case meanAcceptedLength = "mean_accepted_length"
    }

    init(_ telemetry: SpeculationTelemetry) {
        rounds = telemetry.rounds
        drafted = telemetry.drafted
        accepted = telemetry.accepted
        meanAcceptedLength = telemetry.meanAcceptedLength
        var sources: [String: Source] = [:]
        for source in DraftSource.allCases where telemetry[source].drafted > 0 {
            sources[source.name] = Source(
                drafted: telemetry[source].drafted, accepted: telemetry[source].accepted)
        }
        self.sources = sources
    }
}

extension DraftSource {
    /// As it is written in JSON.
    var name: String {
        switch self {
        case .longSpec: "longspec"
        case .promptLookup: "prompt_lookup"
        case .lastCompletion: "last_completion"
        case .given: "given"
        }
    }
}
